use std::fs;
use std::os::unix::fs::symlink;

use super::*;

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
    // A path of its own is a name that lasts only if `PATH` has no other for it.
    let own = running.to_str().unwrap();
    assert_eq!(name(own, Some(search.as_os_str())), at("bin/skillmeatd"));
    assert_eq!(name(own, None), running);
    // What does not lead to what is running, or not in a straight line, does not count.
    assert_eq!(name("skillmeatd", None), running);
    assert_eq!(name("other", Some(dir.path().as_os_str())), running);
    assert_eq!(name("bin/../bin/skillmeatd", None), running);
    assert_eq!(name("", Some(search.as_os_str())), running);
}

#[test]
fn places_that_do_not_last_are_told() {
    for path in
        ["/home/u/src/target/release/skillmeatd", "/nix/store/x-1/bin/s", "/opt/homebrew/Cellar/s/1/bin/s"]
    {
        assert!(fleeting(Path::new(path)).is_some(), "{path}");
    }
    for path in
        ["/home/u/.cargo/bin/skillmeatd", "/opt/homebrew/bin/s", "/target/bin/s", "/usr/bin/skillmeatd"]
    {
        assert_eq!(fleeting(Path::new(path)), None, "{path}");
    }
}

#[test]
fn the_kernel_says_how_a_process_is_confined() {
    if cfg!(target_os = "linux") {
        assert!(confinement(std::process::id()).is_some());
    }
    assert_eq!(confinement(u32::MAX), None);
}
