use super::*;

fn commands(kind: Kind) -> Commands {
    match kind {
        Kind::Systemd => Commands {
            control: Program::new(&["systemctl", "--user"]),
            service: "skillmeatd.service".into(),
            domain: String::new(),
        },
        Kind::Launchd => Commands {
            control: Program::new(&["launchctl"]),
            service: "gui/501/skillmeatd".into(),
            domain: "gui/501".into(),
        },
    }
}

fn nothing(kind: Kind) -> Found {
    Found {
        kind,
        file: "/c/systemd/user/skillmeatd.service".into(),
        text: None,
        missing: 2,
        links: (kind == Kind::Systemd).then(|| ("/c/systemd/user/default.target.wants".into(), true)),
        elsewhere: None,
        running: Some(Running::default()),
    }
}

/// As it is after an install of `text`.
fn installed(kind: Kind, text: &str) -> Found {
    let traces = Traces { directories: 2, links: kind == Kind::Systemd };
    Found {
        text: Some(seal(kind, text, traces)),
        missing: 0,
        links: (kind == Kind::Systemd).then(|| ("/c/systemd/user/default.target.wants".into(), false)),
        running: Some(Running { loaded: true, enabled: true, active: true, ..Running::default() }),
        ..nothing(kind)
    }
}

fn says(acts: &[Act]) -> Vec<String> {
    acts.iter().map(Act::says).collect()
}

fn plan(found: &Found, force: bool) -> Vec<String> {
    says(&install(found, "wanted\n", &commands(found.kind), force).unwrap())
}

const WRITE: &str = "write /c/systemd/user/skillmeatd.service";
const RELOAD: &str = "run systemctl --user daemon-reload";
const ENABLE: &str = "run systemctl --user enable skillmeatd.service";
const START: &str = "start the service, and wait until it is ready";
const START_ANEW: &str = "start the service anew, and wait until it is ready";
const KEEP: &str = "keep /c/systemd/user/skillmeatd.service as /c/systemd/user/skillmeatd.service.kept";

#[test]
fn a_first_install_writes_enables_and_starts() {
    let found = nothing(Kind::Systemd);
    assert_eq!(plan(&found, false), [WRITE, RELOAD, ENABLE, START]);
    let acts = install(&found, "wanted\n", &commands(Kind::Systemd), false).unwrap();
    let Act::Write { text, .. } = &acts[0] else { panic!("{acts:?}") };
    assert_eq!(open(text), ("wanted\n", Hand::Ours(Traces { directories: 2, links: true })));
}

#[test]
fn a_second_one_does_what_is_missing_and_no_more() {
    let mut found = installed(Kind::Systemd, "wanted\n");
    assert_eq!(plan(&found, false), [""; 0]);
    let with = |change: fn(&mut Running)| {
        let mut found = found.clone();
        change(found.running.as_mut().unwrap());
        plan(&found, false)
    };
    assert_eq!(with(|running| running.enabled = false), [ENABLE]);
    assert_eq!(with(|running| running.stale = true), [RELOAD, START_ANEW]);
    assert_eq!(
        with(|running| (running.active, running.failed) = (false, true)),
        ["run systemctl --user reset-failed skillmeatd.service", START]
    );
    found.running = None;
    assert_eq!(plan(&found, false), [ENABLE, START]);
}

#[test]
fn an_upgrade_writes_and_starts_anew_and_still_knows_what_it_made() {
    let found = installed(Kind::Systemd, "of the last version\n");
    assert_eq!(plan(&found, false), [WRITE, RELOAD, START_ANEW]);
    let acts = install(&found, "wanted\n", &commands(Kind::Systemd), false).unwrap();
    let Act::Write { text, .. } = &acts[0] else { panic!("{acts:?}") };
    assert_eq!(open(text).1, Hand::Ours(Traces { directories: 2, links: true }));
}

#[test]
fn a_file_that_a_person_changed_is_left_alone() {
    let mut found = installed(Kind::Systemd, "wanted\n");
    for (text, hand) in [
        (found.text.clone().unwrap().replace("wanted", "changed"), Hand::Edited),
        ("[Unit]\n".to_owned(), Hand::Foreign),
    ] {
        found.text = Some(text);
        let refusal = Refusal::Hands { path: found.file.clone(), hand };
        assert_eq!(install(&found, "wanted\n", &commands(Kind::Systemd), false), Err(refusal));
        let refusal = Refusal::Hands { path: found.file.clone(), hand };
        assert_eq!(uninstall(&found, &commands(Kind::Systemd), false), Err(refusal));
        assert_eq!(plan(&found, true), [KEEP, WRITE, RELOAD, START_ANEW]);
        let acts = uninstall(&found, &commands(Kind::Systemd), true).unwrap();
        assert!(says(&acts).contains(&KEEP.to_owned()), "{acts:?}");
    }
}

#[test]
fn a_file_that_was_printed_by_hand_is_taken_over_without_its_directories() {
    let mut found = installed(Kind::Systemd, "");
    found.text = Some("wanted\n".to_owned());
    assert_eq!(plan(&found, false), [WRITE, RELOAD, START_ANEW]);
    let acts = install(&found, "wanted\n", &commands(Kind::Systemd), false).unwrap();
    let Act::Write { text, .. } = &acts[0] else { panic!("{acts:?}") };
    assert_eq!(open(text).1, Hand::Ours(Traces::default()));
}

#[test]
fn a_packages_file_is_used_and_stays() {
    let mut found = nothing(Kind::Systemd);
    found.elsewhere = Some("/usr/lib/systemd/user/skillmeatd.service".into());
    found.running.as_mut().unwrap().loaded = true;
    assert_eq!(plan(&found, false), [ENABLE, START]);
    assert_eq!(plan(&found, true), [WRITE, RELOAD, ENABLE, START]);
    let acts = uninstall(&found, &commands(Kind::Systemd), false).unwrap();
    assert_eq!(says(&acts)[0], "run systemctl --user disable --now skillmeatd.service");
    assert!(says(&acts).iter().all(|act| !act.starts_with("remove")), "{acts:?}");
}

#[test]
fn what_is_masked_stays_masked() {
    let mut found = nothing(Kind::Systemd);
    found.running.as_mut().unwrap().masked = true;
    let refusal = install(&found, "", &commands(Kind::Systemd), true).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "the service is masked; `systemctl --user unmask skillmeatd.service` takes that back"
    );
}

#[test]
fn an_uninstall_takes_back_what_was_made_and_only_that() {
    let mut found = installed(Kind::Systemd, "of any version\n");
    let commands = commands(Kind::Systemd);
    assert_eq!(
        says(&uninstall(&found, &commands, false).unwrap()),
        [
            "run systemctl --user disable --now skillmeatd.service",
            "remove /c/systemd/user/default.target.wants/skillmeatd.service",
            "remove /c/systemd/user/skillmeatd.service",
            "remove what was made for it, if empty: /c/systemd/user/default.target.wants",
            "remove what was made for it, if empty: /c/systemd/user, /c/systemd",
            RELOAD,
            "run systemctl --user reset-failed skillmeatd.service",
        ]
    );
    // Where the directories were there before, they stay, empty or not.
    found.text = Some(seal(Kind::Systemd, "x\n", Traces::default()));
    let acts = says(&uninstall(&found, &commands, false).unwrap());
    assert!(acts.contains(&"leave /c/systemd/user/default.target.wants as it was".to_owned()), "{acts:?}");
    assert!(acts.iter().all(|act| !act.starts_with("remove what")), "{acts:?}");
    // Without a manager there is nobody to ask, and the files go all the same.
    found.running = None;
    let acts = says(&uninstall(&found, &commands, false).unwrap());
    assert!(acts.iter().all(|act| !act.starts_with("run")) && acts.len() == 3, "{acts:?}");
    assert_eq!(uninstall(&nothing(Kind::Systemd), &commands, false), Ok(Vec::new()));
}

#[test]
fn an_agent_is_bootstrapped_and_booted_out() {
    let kind = Kind::Launchd;
    let mut found = nothing(kind);
    let enable = "run launchctl enable gui/501/skillmeatd";
    let bootstrap = "run launchctl bootstrap gui/501 /c/systemd/user/skillmeatd.service";
    let bootout = "run launchctl bootout gui/501/skillmeatd";
    assert_eq!(plan(&found, false), [WRITE, enable, bootstrap, START]);
    found = installed(kind, "wanted\n");
    assert_eq!(plan(&found, false), [""; 0]);
    found = installed(kind, "of the last version\n");
    assert_eq!(plan(&found, false), [WRITE, bootout, bootstrap, START]);
    let acts = install(&found, "wanted\n", &commands(kind), false).unwrap();
    assert!(acts.iter().any(|act| matches!(act, Act::Run { failing: Failing::IsTooEarly, .. })));
    let acts = says(&uninstall(&found, &commands(kind), false).unwrap());
    assert_eq!(acts[..2], [bootout.to_owned(), "remove /c/systemd/user/skillmeatd.service".to_owned()]);
}
