use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use plist::Value;

use super::*;

fn job(program: impl Into<PathBuf>) -> Job {
    Job::new(program, "/home/ann")
}

/// The agent as a parser of property lists sees it.
fn parsed(job: &Job) -> plist::Dictionary {
    let agent = job.text(Kind::Launchd).unwrap();
    let agent = Value::from_reader_xml(agent.as_bytes()).unwrap();
    agent.into_dictionary().unwrap()
}

fn exec_start(program: &str) -> String {
    let unit = job(program).text(Kind::Systemd).unwrap();
    let lines: Vec<_> = unit.lines().filter_map(|line| line.strip_prefix("ExecStart=")).collect();
    assert_eq!(lines.len(), 1, "{unit}");
    lines[0].to_owned()
}

#[test]
fn the_unit_runs_the_program_and_is_otherwise_as_shipped() {
    assert_eq!(exec_start("/opt/bin/skillmeatd"), "/opt/bin/skillmeatd run");
    assert_eq!(exec_start("/a b/s"), "\"/a b/s\" run");
    assert_eq!(exec_start("/100%/$x;"), "\"/100%%/$x;\" run");
    let unit = job("/p").text(Kind::Systemd).unwrap();
    let differing: Vec<_> =
        unit.lines().zip(UNIT.lines()).filter(|(ours, shipped)| ours != shipped).collect();
    assert_eq!(differing, [("ExecStart=/p run", "ExecStart=%h/.cargo/bin/skillmeatd run")]);
    assert_eq!(unit.lines().count(), UNIT.lines().count());
}

#[test]
fn the_agent_is_a_property_list_of_what_was_meant() {
    let agent = parsed(&Job::new("/a & b/<s>", "/Users/ann"));
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
            assert_eq!(job(path).text(kind), Err(error));
        }
    }
}

#[test]
fn what_systemd_would_refuse_is_refused_here_with_the_reason() {
    for path in ["/a\"b", "/it's", "/a\\b"] {
        let path = Path::new(path);
        let error = ServiceError::QuoteInProgram(path.to_owned());
        assert_eq!(job(path).text(Kind::Systemd), Err(error));
        assert!(job(path).text(Kind::Launchd).is_ok());
    }
}

fn lines(job: &Job, beginning: &str) -> Vec<String> {
    let unit = job.text(Kind::Systemd).unwrap();
    unit.lines().filter(|line| line.starts_with(beginning)).map(ToOwned::to_owned).collect()
}

#[test]
fn what_was_asked_for_is_asked_of_the_daemon() {
    let mut job = job("/p");
    job.arguments = ["--home", "/a b/$HOME/100%", "--config", "/it's \"so\""].map(String::from).to_vec();
    assert_eq!(
        lines(&job, "ExecStart="),
        [r#"ExecStart=/p run --home "/a b/$$HOME/100%%" --config "/it's \"so\"""#]
    );
    let arguments = parsed(&job)["ProgramArguments"].as_array().unwrap().clone();
    let arguments: Vec<_> = arguments.iter().filter_map(Value::as_string).collect();
    assert_eq!(arguments, ["/p", "run", "--home", "/a b/$HOME/100%", "--config", "/it's \"so\""]);
}

#[test]
fn what_the_shell_knows_the_service_knows_too() {
    let mut job = job("/p");
    job.variables = vec![("XDG_STATE_HOME".to_owned(), "/s t/100%".to_owned())];
    job.search = Some("/opt/venv 1/bin".into());
    let variables = lines(&job, "Environment=");
    assert_eq!(
        variables,
        [
            r#"Environment="PATH=/opt/venv 1/bin:%h/.local/bin:/usr/local/bin:/usr/bin:/bin""#,
            "Environment=MALLOC_ARENA_MAX=1 MALLOC_MMAP_THRESHOLD_=131072 MALLOC_TRIM_THRESHOLD_=32768",
            r#"Environment="XDG_STATE_HOME=/s t/100%%""#,
        ]
    );
    let path = parsed(&job)["EnvironmentVariables"].as_dictionary().unwrap()["PATH"].clone();
    assert!(path.as_string().unwrap().starts_with("/opt/venv 1/bin:/home/ann/.local/bin:"), "{path:?}");
}

#[test]
fn a_newer_systemd_gets_what_an_older_one_does_not_know() {
    let mut job = job("/p");
    for (version, expected) in [(None, 0), (Some(252), 0), (Some(254), 1), (Some(258), 1)] {
        job.systemd = version;
        assert_eq!(lines(&job, "RestartSteps=").len(), expected, "{version:?}");
        assert_eq!(lines(&job, "RestartMaxDelaySec=").len(), expected, "{version:?}");
    }
}

#[test]
fn launchd_waits_as_long_as_the_daemon_may_take() {
    let mut job = job("/p");
    for (grace, expected) in [(0, 30), (5, 30), (60, 85)] {
        job.grace = Duration::from_secs(grace);
        assert_eq!(parsed(&job)["ExitTimeOut"].as_signed_integer(), Some(expected));
    }
}

#[test]
fn apples_own_parser_of_property_lists_takes_it_too() {
    use std::process::Command;
    // Debian: libplist-utils; on macOS `plutil` does the same.
    let (program, arguments): (&str, &[&str]) = if cfg!(target_os = "macos") {
        ("plutil", &["-lint"])
    } else {
        ("plistutil", &["-f", "bin", "-o", "/dev/null", "-i"])
    };
    let directory = tempfile::tempdir().unwrap();
    let check = |text: &str| {
        let path = directory.path().join("agent.plist");
        std::fs::write(&path, text).unwrap();
        // plistutil ends with 0 whatever it found, and says so.
        let output = Command::new(program).args(arguments).arg(&path).output()?;
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        Ok::<_, std::io::Error>((output.status.success() && !said.contains("ERROR"), said))
    };
    let text = Job::new("/a & b/<s>", "/Users/ann").text(Kind::Launchd).unwrap();
    let sealed = crate::service::seal::seal(Kind::Launchd, &text, Default::default());
    for text in [&text, &sealed] {
        match check(text) {
            Ok((good, said)) => assert!(good, "{said}\n{text}"),
            Err(error) => {
                eprintln!("NOT TESTED: {program}: {error}");
                return;
            }
        }
    }
    assert!(!check(&text.replace("</array>", "")).unwrap().0);
}
