//! Tests of the layers, the places errors name, and the table of keys.

use std::collections::BTreeSet;
use std::path::Path;

use proptest::prelude::*;

use super::value::Raw;
use super::*;

fn file(text: &str) -> Sources {
    Sources { file: Some(ConfigFile { path: "/c.toml".into(), text: text.to_owned() }), ..Sources::default() }
}

fn variables(pairs: &[(&str, &str)]) -> Sources {
    Sources {
        variables: pairs.iter().map(|(name, value)| (name.into(), value.into())).collect(),
        ..Sources::default()
    }
}

fn set(key: &str, value: &str) -> Flag {
    Flag { spelling: "--set", key: key.to_owned(), value: value.to_owned() }
}

fn errors(sources: &Sources) -> Vec<String> {
    load(sources).unwrap_err().iter().map(ToString::to_string).collect()
}

fn key(name: &str) -> &'static Key {
    KEYS.iter().find(|key| key.name == name).unwrap()
}

#[test]
fn nothing_set_is_the_default() {
    let loaded = load(&Sources::default()).unwrap();
    assert_eq!(loaded.config, Config::default());
    assert!(KEYS.iter().all(|key| *loaded.origin(key) == Origin::Default));
}

#[test]
fn every_key_can_be_written_in_a_file() {
    let loaded = load(&file(
        r#"
        remove_grace = "2s"
        debounce.quiet = 20
        debounce.max_wait = "1s"
        [reconcile]
        interval = "1h"
        [metadata]
        follow_frontmatter = false
        [database]
        create = "never"
        skillmeat = "/opt/bin/skillmeat"
        [log]
        format = "json"
        level = "info,skillmeatd::db=debug"
        [staleness]
        ttl = "1h"
        ttl_by_collection = "work=2h, a=b=10s,"
        verify_interval = "1m"
        [sandbox]
        enabled = false
        [shutdown]
        grace = "500ms"
        [watch]
        mode = "poll"
        poll_interval = 3000
        [http]
        listen = "[::1]:8765"
        "#,
    ))
    .unwrap();
    let Config {
        debounce,
        remove_grace,
        reconcile,
        metadata,
        database,
        log,
        sandbox,
        shutdown,
        staleness,
        watch,
        http,
    } = &loaded.config;
    assert_eq!(debounce.quiet, Duration::from_millis(20));
    assert_eq!(debounce.max_wait, Duration::from_secs(1));
    assert_eq!(*remove_grace, Duration::from_secs(2));
    assert_eq!(reconcile.interval, Duration::from_secs(3600));
    assert!(!metadata.follow_frontmatter);
    assert_eq!(database.create, DatabaseCreate::Never);
    assert_eq!(database.skillmeat.as_deref(), Some(Path::new("/opt/bin/skillmeat")));
    assert_eq!(log.format, LogFormat::Json);
    assert_eq!(log.level, "info,skillmeatd::db=debug");
    assert!(!sandbox.enabled);
    assert_eq!(shutdown.grace, Duration::from_millis(500));
    assert_eq!(staleness.ttl.default, Duration::from_secs(3600));
    assert_eq!(staleness.ttl.of("work"), Duration::from_secs(7200));
    assert_eq!(staleness.ttl.of("a=b"), Duration::from_secs(10));
    assert_eq!(staleness.verify_interval, Duration::from_secs(60));
    assert_eq!(watch.mode, WatchMode::Poll);
    assert_eq!(watch.poll_interval, Duration::from_secs(3));
    assert_eq!(http.listen, Some("[::1]:8765".parse().unwrap()));
    assert!(KEYS.iter().all(|key| loaded.origin(key).layer() == "file"));
}

#[test]
fn an_address_that_others_can_reach_is_refused() {
    for reachable in
        ["0.0.0.0:80", "192.168.1.1:80", "[::]:80", "localhost:80", "127.0.0.1", "example.org:80"]
    {
        let errors = load(&file(&format!("[http]\nlisten = \"{reachable}\"\n"))).unwrap_err();
        assert!(errors[0].to_string().contains("loopback"), "{reachable}: {errors:?}");
    }
}

#[test]
fn higher_layers_win_and_say_so() {
    let mut sources = file("remove_grace = 1\n[shutdown]\ngrace = 1\n[watch]\npoll_interval = 1000\n");
    sources.variables =
        variables(&[("SKILLMEATD_SHUTDOWN_GRACE", "2"), ("SKILLMEATD_WATCH_POLL_INTERVAL", "2s")]).variables;
    sources.flags = vec![set("watch.poll_interval", "4s"), set("watch.poll_interval", "5s")];
    let loaded = load(&sources).unwrap();
    assert_eq!(loaded.config.remove_grace, Duration::from_millis(1));
    assert_eq!(loaded.config.shutdown.grace, Duration::from_millis(2));
    assert_eq!(loaded.config.watch.poll_interval, Duration::from_secs(5));
    assert_eq!(
        loaded.origin(key("remove_grace")),
        &Origin::File { path: "/c.toml".into(), line: 1, column: 16 }
    );
    assert_eq!(
        loaded.origin(key("shutdown.grace")),
        &Origin::Variable("SKILLMEATD_SHUTDOWN_GRACE".to_owned())
    );
    assert_eq!(loaded.origin(key("watch.poll_interval")), &Origin::Flag("--set".to_owned()));
}

#[test]
fn every_error_is_listed_with_its_place_from_the_top() {
    let text = "watch.mode = \"pol\"\n\n[debounce]\nquite = 5\n  max_wait = true\n[databse]\ncreate = 1\n[log]\nlevel = 'lots'\n";
    assert_eq!(
        errors(&file(text)),
        [
            "/c.toml:1:14: `watch.mode` must be one of auto, poll, found \"pol\"",
            "/c.toml:4:1: unknown key `debounce.quite`; did you mean `debounce.quiet`?",
            "/c.toml:5:14: `debounce.max_wait` must be a duration such as \"50ms\", \"5s\", \"30m\" or \"1h\", or a \
             number of milliseconds, found true",
            "/c.toml:6:2: unknown section `databse`; did you mean `database`?",
            "/c.toml:9:9: `log.level` must be a level (off, error, warn, info, debug, trace) or a filter such as \
             info,skillmeatd::db=debug, found \"lots\"",
        ]
    );
}

#[test]
fn a_key_without_its_section_is_recognised() {
    assert_eq!(
        errors(&file("quiet = 5")),
        ["/c.toml:1:1: unknown key `quiet`; did you mean `debounce.quiet`?"]
    );
    assert_eq!(
        errors(&file("remove-grace = 5")),
        ["/c.toml:1:1: unknown key `remove-grace`; did you mean `remove_grace`?"]
    );
    assert_eq!(errors(&file("colour = 5")), ["/c.toml:1:1: unknown key `colour`"]);
    assert_eq!(
        errors(&file("[a]\n[watch.deep]\nx = 1")),
        ["/c.toml:1:2: unknown section `a`", "/c.toml:2:8: unknown section `watch.deep`"]
    );
}

#[test]
fn a_section_is_not_a_key_and_a_key_is_not_a_section() {
    assert_eq!(
        errors(&file("debounce = 5")),
        ["/c.toml:1:1: `debounce` is a section, not a key; its keys are debounce.quiet, debounce.max_wait"]
    );
    assert!(
        errors(&file("[remove_grace]\nx = 1"))[0].ends_with("or a number of milliseconds, found a table")
    );
}

#[test]
fn columns_count_characters_not_bytes() {
    assert!(errors(&file("\"é\" = 1"))[0].starts_with("/c.toml:1:1: "));
    let inline = errors(&file("watch = { \"é\" = 1, mode = 7 }"));
    assert!(inline[1].starts_with("/c.toml:1:27: `watch.mode`"), "{inline:?}");
}

#[test]
fn broken_toml_is_placed_and_hides_nothing_else() {
    let found = errors(&file("[log]\nlevel = \n[watch]\nmood = 1\n"));
    assert!(found[0].starts_with("/c.toml:2:"), "{found:?}");
    assert!(
        found.iter().any(|error| error.starts_with("/c.toml:4:1: unknown key `watch.mood`")),
        "{found:?}"
    );
    let twice = errors(&file("[log]\nlevel = 'info'\nlevel = 'warn'\n"));
    assert!(twice[0].starts_with("/c.toml:3:1: "), "{twice:?}");
}

#[test]
fn variables_are_ours_by_prefix() {
    let fine = variables(&[
        ("PATH", "/bin"),
        ("SKILLMEAT_LOG_LEVEL", "nonsense"),
        ("SKILLMEATD_LOG_LEVEL", ""),
        ("SKILLMEATD_CONFIG", "/elsewhere"),
        ("SKILLMEATD_METADATA_FOLLOW_FRONTMATTER", "false"),
    ]);
    let loaded = load(&fine).unwrap();
    assert_eq!(loaded.config.log.level, "info");
    assert!(!loaded.config.metadata.follow_frontmatter);

    assert_eq!(
        errors(&variables(&[("SKILLMEATD_LOGLEVEL", "info"), ("SKILLMEATD_WATCH_MODE", "events")])),
        [
            "environment: unknown variable `SKILLMEATD_LOGLEVEL`; did you mean `SKILLMEATD_LOG_LEVEL`?",
            "SKILLMEATD_WATCH_MODE: `watch.mode` must be one of auto, poll, found \"events\"",
        ]
    );
}

#[test]
fn flags_are_checked_like_the_rest() {
    let sources =
        Sources { flags: vec![set("watch.mod", "poll"), set("remove_grace", "1d")], ..Sources::default() };
    let found = errors(&sources);
    assert_eq!(found[0], "--set: unknown key `watch.mod`; did you mean `watch.mode`?");
    assert!(found[1].starts_with("--set: `remove_grace` must be a duration"), "{found:?}");
}

#[test]
fn a_hidden_value_is_still_checked() {
    let mut sources = file("watch.mode = 1");
    sources.flags = vec![set("watch.mode", "poll")];
    assert_eq!(errors(&sources).len(), 1);
}

#[test]
fn waiting_less_than_the_quiet_window_makes_no_sense() {
    assert_eq!(
        errors(&file("debounce.quiet = '1s'")),
        ["/c.toml:1:18: `debounce.max_wait` is 500ms, less than debounce.quiet, 1s"]
    );
    let mut sources = file("debounce.max_wait = '40ms'");
    assert!(errors(&sources)[0].starts_with("/c.toml:1:21: "));
    sources.flags = vec![set("debounce.quiet", "40ms")];
    load(&sources).unwrap();
}

#[test]
fn ranges_name_their_ends() {
    assert_eq!(
        errors(&file("reconcile.interval = 0")),
        ["/c.toml:1:22: `reconcile.interval` must be between 1s and 168h, found 0"]
    );
    assert!(errors(&file("remove_grace = -1"))[0].ends_with("or a number of milliseconds, found -1"));
    assert!(errors(&file("remove_grace = 99999999999999999999"))[0].ends_with("found a huge number"));
    assert!(errors(&file("remove_grace = '99999999999999999999s'"))[0].contains("must be a duration"));
    assert!(errors(&file("remove_grace = '18446744073709551615h'"))[0].contains("must be a duration"));
}

#[test]
fn types_in_a_file_are_strict() {
    assert!(
        errors(&file("metadata.follow_frontmatter = 'true'"))[0].ends_with("true or false, found \"true\"")
    );
    assert!(errors(&file("remove_grace = '5'"))[0].ends_with("found \"5\""));
    assert!(errors(&file("remove_grace = 1.5"))[0].ends_with("found a fraction"));
    assert!(errors(&file("database.skillmeat = 'bin/skillmeat'"))[0].contains("absolute path"));
    assert!(errors(&file("database.skillmeat = '~/skillmeat'"))[0].contains("~ is not expanded"));
}

#[test]
fn filters() {
    for good in ["info", "WARN", "skillmeatd=debug", "info,skillmeatd::db=debug"] {
        assert_eq!(value::filter(&Raw::Word(good.to_owned())).as_deref(), Ok(good));
    }
    for bad in ["", "inof", "info,", "skillmeatd=loud", "info,sqlx", "[reconcile]=trace"] {
        assert!(value::filter(&Raw::Word(bad.to_owned())).is_err(), "{bad:?}");
    }
    assert_eq!(value::filter(&Raw::Word("info, sqlx=warn".to_owned())).as_deref(), Ok("info,sqlx=warn"));
}

#[test]
fn the_table_of_keys_is_sound() {
    let names: BTreeSet<_> = KEYS.iter().map(|key| key.name).collect();
    let variables: BTreeSet<_> = KEYS.iter().map(Key::variable).collect();
    assert_eq!((names.len(), variables.len()), (KEYS.len(), KEYS.len()));
    for key in KEYS {
        assert!(key.doc.ends_with('.') && !key.doc.contains('\n'), "{}", key.name);
        assert!(key.variable().bytes().all(|b| b.is_ascii_uppercase() || b == b'_'), "{}", key.name);
        // A key that is also a section could never be written.
        assert!(!KEYS.iter().any(|other| other.name.starts_with(&format!("{}.", key.name))), "{}", key.name);
    }
}

#[test]
fn what_is_shown_reads_back() {
    let sources = file("remove_grace = 1500\ndatabase.skillmeat = '/a \"b\"/c'");
    for loaded in [load(&Sources::default()).unwrap(), load(&sources).unwrap()] {
        let text: String = KEYS
            .iter()
            .filter_map(|key| Some(format!("{} = {}\n", key.name, key.toml(&loaded.config)?)))
            .collect();
        assert_eq!(load(&file(&text)).unwrap().config, loaded.config, "{text}");
    }
}

#[test]
fn a_missing_file_is_no_file_and_an_unreadable_one_is_an_error() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("config.toml");
    assert!(ConfigFile::read(&path).unwrap().is_none());
    std::fs::write(&path, b"\xff\xfe").unwrap();
    let error = ConfigFile::read(&path).unwrap_err();
    assert_eq!(error.to_string(), format!("{}: cannot be read", path.display()));
    assert!(ConfigFile::read(temp.path()).is_err());
}

proptest! {
    #[test]
    fn durations_read_back(milliseconds in 0_u64..=3_600_000 * 48) {
        let duration = Duration::from_millis(milliseconds);
        let shown = value::show_duration(duration);
        let range = Duration::ZERO..=Duration::MAX;
        prop_assert_eq!(value::duration(&Raw::String(shown), &range), Ok(duration));
    }

    #[test]
    fn no_text_breaks_the_reader(text in "[a-z.=\\[\\]\"'{}\n é0-9#]{0,60}") {
        for error in load(&file(&text)).err().unwrap_or_default() {
            prop_assert!(error.to_string().starts_with("/c.toml:"), "{}", error);
        }
    }
}
