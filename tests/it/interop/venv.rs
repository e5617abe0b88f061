//! The judge itself: SkillMeat 0.74.0 in a Python environment of its own, made once per target directory.
//!
//! What this module does not do: touch an environment it was given, or one that is complete.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The version every fact in these tests was observed with.
const VERSION: &str = "0.74.0";

/// Names a ready environment that holds SkillMeat, to be used as it is.
const READY: &str = "SKILLMEATD_TEST_VENV";

/// The versions of SkillMeat's dependencies that it was observed with: an update of one of them is not our news.
const CONSTRAINTS: &str = include_str!("constraints.txt");

/// `bin/` of an environment that holds SkillMeat.
pub(crate) fn bin() -> &'static Path {
    static BIN: OnceLock<PathBuf> = OnceLock::new();
    BIN.get_or_init(|| {
        let root = std::env::var_os(READY).map_or_else(made, PathBuf::from);
        let bin = root.join("bin");
        assert!(bin.join("skillmeat").exists(), "no SkillMeat in {}", root.display());
        bin
    })
}

/// The program that asks odd questions of an OpenAPI document's server, and the version whose findings are known.
const SCHEMATHESIS: &str = "4.32.5";

/// Names a ready environment that holds schemathesis.
const READY_SCHEMATHESIS: &str = "SKILLMEATD_TEST_SCHEMATHESIS_VENV";

/// `schemathesis`, in an environment of its own.
#[allow(dead_code, reason = "the comparison in benches/ asks no odd questions")]
pub(crate) fn schemathesis() -> PathBuf {
    let ready = std::env::var_os(READY_SCHEMATHESIS).map(PathBuf::from);
    ready.unwrap_or_else(|| made_of("schemathesis", SCHEMATHESIS, None)).join("bin").join("schemathesis")
}

/// The environment under the target directory, made now if this is the first use.
fn made() -> PathBuf {
    made_of("skillmeat", VERSION, Some(CONSTRAINTS))
}

fn made_of(package: &str, version: &str, constraints: Option<&str>) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target directory");
    let root = target.join(format!("{package}-{version}"));
    // Another test run may be making it: whoever comes second waits and finds it complete.
    let lock = File::create(target.join(format!("{package}-{version}.lock")))
        .expect("a lock file in the target directory");
    lock.lock().expect("the lock on the environment");
    let complete = root.join("complete");
    if !complete.exists() {
        match fs::remove_dir_all(&root) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => panic!("cannot clear {}: {e}", root.display()),
            _ => {}
        }
        build(&root, &format!("{package}=={version}"), constraints);
        // Written last: a half-made environment is never taken for a ready one.
        fs::write(complete, version).expect("the marker of a complete environment");
    }
    root
}

fn build(root: &Path, package: &str, constraints: Option<&str>) {
    eprintln!("making {} (once, it takes a minute)", root.display());
    let python = python();
    run(
        Command::new(&python).args(["-m", "venv"]).arg(root),
        "python's `venv` module is missing: install it (on Debian and Ubuntu: apt install python3-venv)",
    );
    let file = root.join("constraints.txt");
    fs::write(&file, constraints.unwrap_or_default()).expect("the constraints file");
    run(
        Command::new(root.join("bin").join("python"))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--constraint"])
            .arg(&file)
            .arg(package),
        "pip could not install it: is the package index reachable? Offline, point \
         SKILLMEATD_TEST_VENV at an environment that holds it",
    );
}

/// A Python that SkillMeat runs on.
fn python() -> String {
    let names = ["python3", "python3.13", "python3.12", "python3.11", "python3.10"];
    let recent = |name: &&str| {
        Command::new(name)
            .args(["-c", "import sys; sys.exit(sys.version_info < (3, 10))"])
            .status()
            .is_ok_and(|status| status.success())
    };
    names.iter().find(|name| recent(name)).map_or_else(
        || {
            panic!(
                "these tests need Python 3.10 or newer as `python3` on PATH, or SKILLMEATD_TEST_VENV naming an \
                 environment that holds skillmeat=={VERSION}"
            )
        },
        |name| (*name).to_owned(),
    )
}

fn run(command: &mut Command, cure: &str) {
    match command.output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => panic!(
            "{cure}\n{command:?}: {}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(e) => panic!("{cure}\n{command:?}: {e}"),
    }
}
