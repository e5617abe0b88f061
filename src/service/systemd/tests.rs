use super::*;

const SHOWN: &str = "\
Type=notify
LoadState=loaded
ActiveState=active
SubState=running
UnitFileState=enabled
FragmentPath=/home/ann/.config/systemd/user/skillmeatd.service
DropInPaths=/home/ann/.config/systemd/user/skillmeatd.service.d/override.conf
MainPID=4711
NRestarts=2
Result=success
ExecMainStatus=0
StatusText=halted: collection a=b
WatchdogUSec=2min
NeedDaemonReload=no
ExecStart={ path=/a b/skillmeatd ; argv[]=/a b/skillmeatd run ; ignore_errors=no ; start_time=[n/a] }
ActiveEnterTimestamp=Sat 2026-11-21 10:00:00 UTC
";

#[test]
fn what_it_says_is_understood() {
    let running = read(SHOWN, Some(false));
    assert!(running.loaded && running.enabled && running.active && !running.failed && !running.masked);
    assert_eq!(running.pid, Some(4711));
    assert_eq!(running.restarts, 2);
    assert_eq!(running.told, "halted: collection a=b");
    assert_eq!(running.watchdog.as_deref(), Some("2min"));
    assert_eq!(running.program.as_deref(), Some(Path::new("/a b/skillmeatd")));
    assert_eq!(running.overrides.len(), 1);
    assert_eq!(running.since.as_deref(), Some("Sat 2026-11-21 10:00:00 UTC"));
    let unknown = read("LoadState=not-found\nActiveState=inactive\nMainPID=0\nWatchdogUSec=infinity\n", None);
    let expected = Running { load: "not-found".into(), state: "inactive".into(), ..Running::default() };
    assert_eq!(unknown, expected);
    assert!(read("LoadState=masked\n", None).masked);
}

#[test]
fn a_unit_goes_where_the_manager_looks() {
    let own = Path::new("/home/ann/.config/systemd/user");
    let places = "/run/user/1000/systemd/user /home/ann/.config/systemd/user /etc/systemd/user\n";
    assert_eq!(unit_directory(places, own), own);
    // A shell with other variables than the manager.
    assert_eq!(unit_directory(places, Path::new("/elsewhere/systemd/user")), own);
    assert_eq!(unit_directory("", own), own);
}
