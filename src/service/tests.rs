use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use plist::Value;

use super::*;

fn exec_start(program: &str) -> String {
    let unit = Kind::Systemd.text(Path::new(program), Path::new("/home/ann")).unwrap();
    let lines: Vec<_> = unit.lines().filter_map(|line| line.strip_prefix("ExecStart=")).collect();
    assert_eq!(lines.len(), 1, "{unit}");
    lines[0].to_owned()
}

#[test]
fn the_unit_runs_the_program_and_is_otherwise_as_shipped() {
    assert_eq!(exec_start("/opt/bin/skillmeatd"), "/opt/bin/skillmeatd run");
    assert_eq!(exec_start("/a b/s"), "\"/a b/s\" run");
    assert_eq!(exec_start("/100%/$x;"), "\"/100%%/$x;\" run");
    let unit = Kind::Systemd.text(Path::new("/p"), Path::new("/home/ann")).unwrap();
    let differing: Vec<_> =
        unit.lines().zip(UNIT.lines()).filter(|(ours, shipped)| ours != shipped).collect();
    assert_eq!(differing, [("ExecStart=/p run", "ExecStart=%h/.cargo/bin/skillmeatd run")]);
    assert_eq!(unit.lines().count(), UNIT.lines().count());
}

#[test]
fn the_agent_is_a_property_list_of_what_was_meant() {
    let agent = Kind::Launchd.text(Path::new("/a & b/<s>"), Path::new("/Users/ann")).unwrap();
    let Value::Dictionary(agent) = Value::from_reader_xml(agent.as_bytes()).unwrap() else {
        panic!("not a dictionary");
    };
    let text = |key: &str| agent.get(key).and_then(Value::as_string).unwrap_or_default();
    let arguments = agent["ProgramArguments"].as_array().unwrap();
    let arguments: Vec<_> = arguments.iter().filter_map(Value::as_string).collect();
    assert_eq!(arguments, ["/a & b/<s>", "run"]);
    assert_eq!(text("Label"), "skillmeatd");
    assert_eq!(text("ProcessType"), "Background");
    assert_eq!(text("StandardErrorPath"), "/Users/ann/Library/Logs/skillmeatd.log");
    assert_eq!(text("StandardOutPath"), text("StandardErrorPath"));
    assert_eq!(agent["RunAtLoad"].as_boolean(), Some(true));
    assert_eq!(agent["LowPriorityIO"].as_boolean(), Some(true));
    assert_eq!(agent["Umask"].as_signed_integer(), Some(0o077));
    let keep_alive = agent["KeepAlive"].as_dictionary().unwrap();
    assert_eq!(keep_alive.len(), 1);
    assert_eq!(keep_alive["SuccessfulExit"].as_boolean(), Some(false));
    let path = agent["EnvironmentVariables"].as_dictionary().unwrap()["PATH"].as_string().unwrap();
    assert!(path.starts_with("/Users/ann/.local/bin:"), "{path}");
}

#[test]
fn a_path_that_is_no_plain_text_is_refused() {
    for path in [OsStr::from_bytes(b"/x\xff/s"), OsStr::new("/x\n/s")] {
        let path = Path::new(path);
        for kind in [Kind::Systemd, Kind::Launchd] {
            let error = ServiceError::Unwritable(path.to_owned());
            assert_eq!(kind.text(path, Path::new("/home/ann")), Err(error));
        }
    }
}

#[test]
fn what_systemd_would_refuse_is_refused_here_with_the_reason() {
    for path in ["/a\"b", "/it's", "/a\\b"] {
        let path = Path::new(path);
        let error = ServiceError::QuoteInProgram(path.to_owned());
        assert_eq!(Kind::Systemd.text(path, Path::new("/home/ann")), Err(error));
        assert!(Kind::Launchd.text(path, Path::new("/home/ann")).is_ok());
    }
}

#[test]
fn the_name_that_lasts_is_the_link_it_was_called_by() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir_all(at("store/1.0")).unwrap();
    fs::create_dir_all(at("bin")).unwrap();
    let running = at("store/1.0/skillmeatd");
    fs::write(&running, "program").unwrap();
    symlink(&running, at("bin/skillmeatd")).unwrap();
    fs::write(at("other"), "another program").unwrap();
    let search = std::env::join_paths([at("nowhere"), at("bin")]).unwrap();
    let name = |called: &str, search| lasting_name(&running, OsStr::new(called), search, dir.path());

    assert_eq!(name("skillmeatd", Some(search.as_os_str())), at("bin/skillmeatd"));
    assert_eq!(name("bin/skillmeatd", None), at("bin/skillmeatd"));
    assert_eq!(name("./bin/skillmeatd", None), at("bin/skillmeatd"));
    assert_eq!(name(at("bin/skillmeatd").to_str().unwrap(), None), at("bin/skillmeatd"));
    // What does not lead to what is running, or not in a straight line, does not count.
    assert_eq!(name("skillmeatd", None), running);
    assert_eq!(name("other", Some(dir.path().as_os_str())), running);
    assert_eq!(name("bin/../bin/skillmeatd", None), running);
    assert_eq!(name("", Some(search.as_os_str())), running);
}
