//! What `cargo package` would publish: everything that is needed to build and install, and nothing of this machine.
//!
//! What these tests do not do: build what is packaged, or the Debian package; `.ci/run` and `.ci/deb` do.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// The files that cargo would put into the package of this name.
fn packaged(name: &str) -> BTreeSet<String> {
    let mut command = Command::new(env!("CARGO"));
    // Uncommitted changes are the developer's business here.
    command.args(["package", "--list", "--allow-dirty", "--offline", "--package", name]);
    let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("warning"), "{said}");
    String::from_utf8(output.stdout).expect("names").lines().map(ToOwned::to_owned).collect()
}

/// Those of them that are neither below these directories nor among these files.
fn unexpected(files: &BTreeSet<String>, directories: &[&str], names: &[&str]) -> Vec<String> {
    let expected = |file: &String| match file.split_once('/') {
        Some((directory, _)) => directories.contains(&directory),
        None => names.contains(&file.as_str()),
    };
    files.iter().filter(|file| !expected(file)).cloned().collect()
}

/// Made by cargo.
const MADE: [&str; 4] = [".cargo_vcs_info.json", "Cargo.lock", "Cargo.toml", "Cargo.toml.orig"];

#[test]
fn the_package_has_what_is_needed_and_nothing_else() {
    // Whoever runs the tests of an unpacked package has only that one.
    if !Path::new(env!("CARGO_MANIFEST_DIR")).join("migration/Cargo.toml").exists() {
        eprintln!("NOT TESTED: this is a package already");
        return;
    }
    let files = packaged("skillmeatd");
    for needed in [
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
        "src/main.rs",
        "systemd/skillmeatd.service",
        "launchd/skillmeatd.plist",
        "src/control/openapi.json",
    ] {
        assert!(files.contains(needed), "no {needed}: {files:?}");
    }
    let mut names = MADE.to_vec();
    names.extend(["LICENSE", "README.md", "CHANGELOG.md"]);
    names.extend([".clippy.toml", ".editorconfig", ".gitattributes", ".gitignore", ".rustfmt.toml"]);
    let directories = ["src", "tests", "benches", "systemd", "launchd", ".ci"];
    assert_eq!(unexpected(&files, &directories, &names), [""; 0]);
    // What programs leave behind while they work.
    let left = |file: &&String| {
        [".db", ".log", ".tmp", ".orig", ".rej", ".swp", "~"].iter().any(|end| file.ends_with(end))
    };
    let left: Vec<&String> = files.iter().filter(left).filter(|file| *file != "Cargo.toml.orig").collect();
    assert_eq!(left, Vec::<&String>::new());

    let files = packaged("skillmeatd-migration");
    assert!(files.contains("src/lib.rs") && files.contains("src/cache/ddl.rs"), "{files:?}");
    assert_eq!(unexpected(&files, &["src"], &MADE), [""; 0]);
}
