//! The real program, each time in a home of its own and with no variable of ours but those it is given.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value as Json;

struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn config_file(&self) -> PathBuf {
        self.dir.path().join(if cfg!(target_os = "macos") {
            "Library/Application Support/skillmeatd/config.toml"
        } else {
            ".config/skillmeatd/config.toml"
        })
    }

    fn configure(&self, text: &str) {
        let path = self.config_file();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_skillmeatd"));
        command.args(args).env_clear().env("HOME", self.dir.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        self.command(args).output().unwrap().into()
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

#[test]
fn config_path_is_printed_whether_it_exists_or_not() {
    let home = Home::new();
    let ran = home.run(&["config", "path"]);
    assert_eq!(
        ran,
        Ran { code: Some(0), out: format!("{}\n", home.config_file().display()), err: String::new() }
    );
    let ran = home.run(&["config", "path", "--config", "/elsewhere.toml"]);
    assert_eq!(ran.out, "/elsewhere.toml\n");
    let ran: Ran =
        home.command(&["config", "path"]).env("SKILLMEATD_CONFIG", "/by/env").output().unwrap().into();
    assert_eq!(ran.out, "/by/env\n");
}

#[test]
fn config_show_is_a_valid_configuration() {
    let home = Home::new();
    home.configure("[watch]\nmode = 'poll'\n");
    let shown = home.run(&["config", "show", "--origin"]);
    assert_eq!(shown.code, Some(0), "{shown:?}");

    let copy = Home::new();
    copy.configure(&shown.out);
    let again = copy.run(&["config", "show"]);
    assert_eq!(again, home.run(&["config", "show"]));
    assert!(again.out.contains("watch.mode = \"poll\"\n"), "{again:?}");
}

#[test]
fn config_show_tells_where_each_value_comes_from() {
    let home = Home::new();
    home.configure("# mine\n[debounce]\nquiet = \"20ms\"\n");
    let file = home.config_file().display().to_string();
    let args = ["config", "show", "--origin", "--set", "remove_grace=1s", "--log-level", "warn"];
    let mut command = home.command(&args);
    command.env("SKILLMEATD_WATCH_MODE", "poll");
    let shown: Ran = command.output().unwrap().into();
    assert_eq!((shown.code, shown.err.as_str()), (Some(0), ""));
    let line = |key: &str| {
        let line = shown.out.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_once('#').map(|(value, origin)| (value.trim(), origin.trim())).unwrap()
    };
    assert_eq!(line("debounce.quiet"), ("debounce.quiet = \"20ms\"", format!("from {file}:3").as_str()));
    assert_eq!(line("watch.mode"), ("watch.mode = \"poll\"", "SKILLMEATD_WATCH_MODE"));
    assert_eq!(line("remove_grace"), ("remove_grace = \"1s\"", "--set"));
    assert_eq!(line("log.level"), ("log.level = \"warn\"", "--log-level"));
    assert_eq!(line("shutdown.grace"), ("shutdown.grace = \"5s\"", "default"));

    let json: Json = {
        let mut command = home.command(&["config", "show", "--json"]);
        serde_json::from_slice(&command.env("SKILLMEATD_WATCH_MODE", "poll").output().unwrap().stdout)
            .unwrap()
    };
    assert_eq!((&json["version"], &json["file"]), (&1.into(), &file.as_str().into()));
    let value = |key: &str| {
        let values = json["values"].as_array().unwrap();
        values.iter().find(|value| value["key"] == key).unwrap().clone()
    };
    assert_eq!(
        value("debounce.quiet"),
        serde_json::json!({
            "key": "debounce.quiet",
            "value": "20ms",
            "default": "50ms",
            "variable": "SKILLMEATD_DEBOUNCE_QUIET",
            "origin": { "layer": "file", "file": file, "line": 3, "column": 9 },
        })
    );
    assert_eq!(
        value("watch.mode")["origin"],
        serde_json::json!({ "layer": "variable", "name": "SKILLMEATD_WATCH_MODE" })
    );
    assert_eq!(
        (value("database.skillmeat")["value"].clone(), value("metadata.follow_frontmatter")["value"].clone()),
        (Json::Null, Json::Bool(true))
    );
}

#[test]
fn config_check_lists_everything_that_is_wrong() {
    let home = Home::new();
    let missing = home.run(&["config", "check"]);
    assert_eq!(missing.code, Some(0));
    assert!(missing.out.ends_with("no such file, the defaults apply\n"), "{missing:?}");

    home.configure("[debounce]\nquite = 1\n[watch]\nmode = 2\n");
    let file = home.config_file().display().to_string();
    let bad = home.run(&["config", "check", "--set", "log.levl=info"]);
    assert_eq!((bad.code, bad.out.as_str()), (Some(2), ""));
    assert_eq!(
        bad.err,
        format!(
            "error: the configuration is wrong\n  {file}:2:1: unknown key `debounce.quite`; did you mean \
             `debounce.quiet`?\n  {file}:4:8: `watch.mode` must be one of auto, poll, found 2\n  --set: \
             unknown key `log.levl`; did you mean `log.level`?\nhint: `skillmeatd config --help` lists every key \
             and what it accepts\n"
        )
    );
    // The same for a command that needs the configuration.
    assert_eq!(home.run(&["config", "show"]).code, Some(2));

    home.configure("watch.mode = 'auto'\n");
    let good = home.run(&["config", "check"]);
    assert_eq!((good.code, good.out), (Some(0), format!("{file}: no errors\n")));
}

#[test]
fn a_configuration_asked_for_by_name_has_to_be_there() {
    let home = Home::new();
    let ran = home.run(&["config", "check", "--config", "/nowhere/at-all.toml"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("/nowhere/at-all.toml: cannot be read: "), "{ran:?}");
}

#[test]
fn usage_errors_exit_2_and_help_exits_0() {
    let home = Home::new();
    for args in [&["no-such-command"][..], &[], &["config", "--no-such-flag"], &["run", "--set", "x"]] {
        let ran = home.run(args);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{args:?}");
        assert!(!ran.err.is_empty());
    }
    for args in [&["--help"][..], &["-h"], &["help", "sync"], &["--version"]] {
        let ran = home.run(args);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{args:?}");
    }
    assert!(home.run(&["--help"]).out.contains("6  another instance serves this home"));
    let keys = home.run(&["config", "--help"]).out;
    assert!(keys.contains("debounce.max_wait") && keys.contains("SKILLMEATD_DEBOUNCE_MAX_WAIT"), "{keys}");
}

#[test]
fn a_home_that_is_no_home_is_refused() {
    let home = Home::new();
    for (value, message) in [("", "HOME is set but empty"), ("somewhere", "not an absolute path")] {
        let ran: Ran = home.command(&["config", "path"]).env("HOME", value).output().unwrap().into();
        assert_eq!(ran.code, Some(2));
        assert!(ran.err.starts_with("error: HOME is ") && ran.err.contains(message), "{ran:?}");
    }
    // --home stands above the variable, and above XDG.
    let other = tempfile::tempdir().unwrap();
    let mut command = home.command(&["--home", other.path().to_str().unwrap(), "config", "path"]);
    let ran: Ran = command.env("HOME", "").env("XDG_CONFIG_HOME", "/x").output().unwrap().into();
    assert!(ran.out.starts_with(other.path().to_str().unwrap()), "{ran:?}");
}

#[test]
fn a_reader_that_stops_is_no_error() {
    let home = Home::new();
    for args in [&["config", "show"][..], &["config", "show", "--json"], &["config", "--help"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        // Closed before the program starts: every write of it fails.
        drop(reader);
        let ran = home.command(args).stdout(writer).output().unwrap();
        assert_eq!((ran.status.code(), ran.stderr.as_slice()), (Some(0), &b""[..]), "{args:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn an_answer_that_cannot_be_written_is_an_error() {
    let home = Home::new();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ran: Ran = home.command(&["config", "show"]).stdout(full).output().unwrap().into();
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.starts_with("error: "), "{ran:?}");
}

/// What a newcomer reads first. After a change that is meant: SKILLMEATD_BLESS=1 cargo test --test it help
#[test]
fn the_help_is_what_was_agreed_on() {
    const SHORT: &str = include_str!("cli/help-short.txt");
    const LONG: &str = include_str!("cli/help-long.txt");
    let home = Home::new();
    let (short, long) = (home.run(&["-h"]), home.run(&["--help"]));
    assert_eq!((short.code, long.code, short.err + &long.err), (Some(0), Some(0), String::new()));
    if std::env::var_os("SKILLMEATD_BLESS").is_some() {
        let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/cli");
        fs::write(directory.join("help-short.txt"), &short.out).unwrap();
        fs::write(directory.join("help-long.txt"), &long.out).unwrap();
        return;
    }
    assert_eq!(short.out, SHORT);
    assert_eq!(long.out, LONG);
}

#[test]
fn completions_and_manual_pages_are_what_their_readers_take() {
    let home = Home::new();
    let script = home.run(&["completions", "bash"]);
    assert_eq!((script.code, script.err.as_str()), (Some(0), ""));
    let file = home.dir.path().join("completions");
    fs::write(&file, &script.out).unwrap();
    checked_by("bash", &["-n".as_ref(), file.as_os_str()]);

    let pages = home.dir.path().join("man");
    let written = home.run(&["man", pages.to_str().unwrap()]);
    assert_eq!((written.code, written.err.as_str()), (Some(0), ""));
    for page in fs::read_dir(&pages).unwrap() {
        let page = page.unwrap().path();
        checked_by("groff", &["-man".as_ref(), "-ww".as_ref(), "-z".as_ref(), page.as_os_str()]);
    }
    let main = fs::read_to_string(pages.join("skillmeatd.1")).unwrap();
    assert_eq!(home.run(&["man"]).out, main);
}

/// Runs a checker that says nothing about what is right; does without where there is none.
fn checked_by(program: &str, args: &[&std::ffi::OsStr]) {
    match Command::new(program).args(args).output() {
        Ok(output) => {
            let ran: Ran = output.into();
            assert_eq!(
                ran,
                Ran { code: Some(0), out: String::new(), err: String::new() },
                "{program} {args:?}"
            );
        }
        Err(error) => eprintln!("NOT TESTED by {program}: {error}"),
    }
}
