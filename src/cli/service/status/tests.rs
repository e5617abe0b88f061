use super::*;
use crate::service::Running;
use crate::service::seal::Traces;

fn found() -> Found {
    Found {
        kind: Kind::Systemd,
        file: "/u/skillmeatd.service".into(),
        text: Some(seal::seal(Kind::Systemd, "wanted\n", Traces::default())),
        missing: 0,
        links: None,
        elsewhere: None,
        running: Some(Running {
            loaded: true,
            enabled: true,
            active: true,
            state: "active".into(),
            pid: Some(u32::MAX),
            watchdog: Some("2min".into()),
            program: Some("/no/such/skillmeatd".into()),
            linger: Some(false),
            ..Running::default()
        }),
    }
}

fn text(report: &Report) -> String {
    let mut text = Vec::new();
    report.render(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn one_screen_says_what_is_true_and_what_to_do() {
    let mut report = Report::new(&found(), None, Some("wanted\n"));
    assert_eq!(report.exit(), Exit::NotRunning, "nobody answers");
    report.answers = Some(true);
    report.daemon = Some("watching".into());
    report.no_new_privileges = Some(true);
    report.system_calls_filtered = Some(true);
    (report.memory_max, report.tasks_max) = (Some(1 << 30), Some(64));
    report.sandbox =
        Some(Sandbox { enforced: "full".into(), detail: None, writable: vec!["/a".into(), "/b".into()] });
    assert_eq!(
        text(&report),
        "installed  /u/skillmeatd.service\n\
         program    /no/such/skillmeatd: it is NOT THERE\n\
         service    running, process 4294967295, starts at login\n\
         daemon     answers: watching\n\
         watchdog   started anew when it shows no sign of work for 2min\n\
         sandbox    gains no rights, system calls filtered, writes in 2 directories only\n\
         limits     at most 1024 MiB of memory, 64 tasks\n\
         linger     off: it ends when you log out, and starts at your next login\n\
         \x20          `loginctl enable-linger` keeps it running from the start of the machine on\n"
    );
    assert_eq!(report.exit(), Exit::Done);
}

#[test]
fn what_is_not_as_it_should_be_is_said() {
    let mut it = found();
    let report = Report::new(&it, None, Some("of a newer version\n"));
    assert_eq!(report.hand, "outdated");
    assert!(!differ(Kind::Systemd, "a\nExecStart=/b run\n", "a\nExecStart=/c run\nEnvironment=X=1\n"));
    let running = it.running.as_mut().unwrap();
    (running.active, running.pid, running.result) = (false, None, "watchdog".into());
    (running.enabled, running.state, running.restarts) = (false, "failed".into(), 3);
    let shown = text(&Report::new(&it, None, None));
    let line = "service    failed (watchdog; see journalctl --user -u skillmeatd), does NOT start at login, restarted 3 times\n";
    assert!(shown.contains(line), "{shown}");
    assert!(shown.contains("daemon     does not answer\n"), "{shown}");
    it.text = Some("[Unit]\n".into());
    assert_eq!(Report::new(&it, None, None).hand, "foreign");
    it.text = None;
    assert_eq!(Report::new(&it, None, None).hand, "absent");
    it.elsewhere = Some("/usr/lib/systemd/user/skillmeatd.service".into());
    let report = Report::new(&it, None, None);
    assert_eq!(
        (report.hand, report.file.to_str()),
        ("package", Some("/usr/lib/systemd/user/skillmeatd.service"))
    );
}
