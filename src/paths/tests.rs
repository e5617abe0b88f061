//! Tests of the path rules; no process environment is read or set.

use std::os::unix::fs::symlink;

use super::*;

fn environment(home: &str) -> Environment {
    Environment {
        home: Some(home.into()),
        account_home: None,
        xdg_config_home: None,
        xdg_state_home: None,
        xdg_runtime_dir: None,
        uid: 1000,
        platform: Platform::Xdg,
    }
}

#[test]
fn defaults_follow_the_home() {
    let paths = Paths::new(&environment("/home/ana")).unwrap();
    assert_eq!(paths.root, Path::new("/home/ana/.skillmeat"));
    assert_eq!(paths.collections, Path::new("/home/ana/.skillmeat/collections"));
    assert_eq!(paths.cache_db, Path::new("/home/ana/.skillmeat/cache/cache.db"));
    assert_eq!(paths.state_dir, Path::new("/home/ana/.local/state/skillmeatd"));
    assert_eq!(paths.config_file, Path::new("/home/ana/.config/skillmeatd/config.toml"));
    assert_eq!(paths.lock, Path::new("/home/ana/.local/state/skillmeatd/skillmeatd.lock"));
    assert_eq!(paths.socket, Path::new("/home/ana/.local/state/skillmeatd/run/control.sock"));
}

#[test]
fn xdg_variables_move_our_files_and_nothing_of_skillmeat() {
    let paths = Paths::new(&Environment {
        xdg_config_home: Some("/x/config".into()),
        xdg_state_home: Some("/x/state".into()),
        xdg_runtime_dir: Some("/run/user/1000".into()),
        ..environment("/home/ana")
    })
    .unwrap();
    assert_eq!(paths.root, Path::new("/home/ana/.skillmeat"));
    assert_eq!(paths.config_file, Path::new("/x/config/skillmeatd/config.toml"));
    assert_eq!(paths.state_dir, Path::new("/x/state/skillmeatd"));
    assert_eq!(paths.socket, Path::new("/run/user/1000/skillmeatd/control.sock"));
}

#[test]
fn relative_or_empty_xdg_variables_are_ignored() {
    let plain = Paths::new(&environment("/home/ana")).unwrap();
    for bad in ["", "state", "./state"] {
        let paths = Paths::new(&Environment {
            xdg_config_home: Some(bad.into()),
            xdg_state_home: Some(bad.into()),
            xdg_runtime_dir: Some(bad.into()),
            ..environment("/home/ana")
        });
        assert_eq!(paths.as_ref(), Ok(&plain), "{bad:?}");
    }
}

#[test]
fn macos_keeps_everything_in_library() {
    let paths = Paths::new(&Environment {
        platform: Platform::MacOs,
        xdg_config_home: Some("/x/config".into()),
        xdg_runtime_dir: Some("/x/run".into()),
        ..environment("/Users/ana")
    })
    .unwrap();
    let ours = Path::new("/Users/ana/Library/Application Support/skillmeatd");
    assert_eq!(paths.state_dir, ours);
    assert_eq!(paths.config_file, ours.join("config.toml"));
    assert_eq!(paths.socket, ours.join("run/control.sock"));
}

#[test]
fn home_is_the_variable_if_it_exists() {
    let none = Environment { home: None, ..environment("") };
    assert_eq!(Paths::new(&environment("")), Err(PathsError::EmptyHome));
    assert_eq!(Paths::new(&environment("ana")), Err(PathsError::RelativeHome("ana".into())));
    assert_eq!(Paths::new(&none), Err(PathsError::NoHome));
    let account = Environment { account_home: Some("/home/bob".into()), ..none };
    assert_eq!(Paths::new(&account).unwrap().home, Path::new("/home/bob"));
    // An existing but bad variable is not papered over by the account.
    let empty = Environment { home: Some("".into()), ..account };
    assert_eq!(Paths::new(&empty), Err(PathsError::EmptyHome));
}

#[test]
fn a_socket_path_that_is_too_long_moves_to_the_next_place() {
    let long = format!("/{}", "d".repeat(90));
    let runtime = Some("/run/user/1000".into());

    let both = Environment { xdg_runtime_dir: runtime, ..environment(&long) };
    assert_eq!(Paths::new(&both).unwrap().socket, Path::new("/run/user/1000/skillmeatd/control.sock"));

    let session_too_long =
        Environment { xdg_runtime_dir: Some(long.clone().into()), ..environment("/home/ana") };
    let paths = Paths::new(&session_too_long).unwrap();
    assert_eq!(paths.runtime_dir, paths.state_dir.join("run"));

    let neither = Paths::new(&environment(&long)).unwrap();
    assert!(neither.runtime_dir.starts_with("/var/tmp"), "{neither:?}");
    assert!(neither.socket.as_os_str().len() <= SOCKET_PATH_MAX);
    // Two homes never meet, and the same home always finds itself.
    let other = Paths::new(&environment(&format!("{long}2"))).unwrap();
    assert_ne!(neither.socket, other.socket);
    assert_eq!(neither, Paths::new(&environment(&long)).unwrap());
}

#[test]
fn the_longest_allowed_socket_path_is_used_as_it_is() {
    let fixed = "/skillmeatd/control.sock".len();
    let exact = format!("/{}", "r".repeat(SOCKET_PATH_MAX - fixed - 1));
    let over = format!("{exact}r");
    let socket = |runtime: &str| {
        Paths::new(&Environment { xdg_runtime_dir: Some(runtime.into()), ..environment("/home/ana") })
            .unwrap()
            .socket
    };
    assert_eq!(socket(&exact).as_os_str().len(), SOCKET_PATH_MAX);
    assert!(socket(&exact).starts_with(&exact));
    assert!(!socket(&over).starts_with(&over));
}

#[test]
fn a_home_given_by_hand_shares_nothing() {
    let paths = Paths::new(&Environment::under("/srv/demo")).unwrap();
    for path in [&paths.root, &paths.state_dir, &paths.config_file, &paths.socket, &paths.lock] {
        assert!(path.starts_with("/srv/demo"), "{}", path.display());
    }
}

#[test]
fn private_directories_are_made_and_tightened() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("a/b");
    create_private(&dir).unwrap();
    assert_eq!(dir.metadata().unwrap().mode() & 0o777, 0o700);
    assert_eq!(temp.path().join("a").metadata().unwrap().mode() & 0o777, 0o700);

    std::fs::set_permissions(&dir, Permissions::from_mode(0o755)).unwrap();
    create_private(&dir).unwrap();
    assert_eq!(dir.metadata().unwrap().mode() & 0o777, 0o700);

    let link = temp.path().join("link");
    symlink(&dir, &link).unwrap();
    create_private(&link).unwrap();
}

#[test]
fn what_is_in_the_way_is_named() {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = create_private(&file).unwrap_err();
    assert!(matches!(&error, PrivateDirError::Foreign { path } if *path == file), "{error:?}");
    assert!(matches!(create_private(&file.join("under")), Err(PrivateDirError::Create { .. })));
}

#[test]
fn a_directory_of_somebody_else_is_refused() {
    // Root's own directories are the only ones sure to exist; as root nothing is foreign.
    if rustix::process::getuid().is_root() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("theirs");
        create_private(&dir).unwrap();
        std::os::unix::fs::chown(&dir, Some(12345), None).unwrap();
        assert!(matches!(create_private(&dir), Err(PrivateDirError::Foreign { .. })));
    } else {
        assert!(matches!(create_private(Path::new("/usr")), Err(PrivateDirError::Foreign { .. })));
    }
}
