use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::process::Command;

use super::*;
use crate::paths::{Environment, create_private};

struct Scene {
    directory: tempfile::TempDir,
    paths: Paths,
}

impl Scene {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::new(&Environment::under(directory.path())).unwrap();
        create_private(&paths.state_dir).unwrap();
        Self { directory, paths }
    }

    fn with_skillmeat() -> Self {
        let scene = Self::new();
        fs::create_dir_all(scene.paths.collections.join("default/skills")).unwrap();
        fs::create_dir_all(scene.paths.cache_db.parent().unwrap()).unwrap();
        scene
    }

    fn at(&self, relative: &str) -> PathBuf {
        self.directory.path().join(relative)
    }

    fn places(&self) -> Places {
        Places::of(&self.paths)
    }

    /// What `act` returns on a thread that is restricted to the places of now; `None` where the kernel cannot do that.
    fn restricted<T: Send>(&self, act: impl FnOnce() -> T + Send) -> Option<T> {
        let places = self.places();
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| match enforce(&places, &self.paths.home) {
                Enforcement::Full(_) => Some(act()),
                other => {
                    eprintln!("NOT TESTED: {other:?}");
                    None
                }
            });
            thread.join().unwrap()
        })
    }
}

fn denied<T: std::fmt::Debug>(result: io::Result<T>) -> bool {
    matches!(result, Err(ref error) if error.kind() == io::ErrorKind::PermissionDenied)
}

#[test]
fn what_the_worker_writes_can_be_written_and_nothing_else() {
    let scene = Scene::with_skillmeat();
    let elsewhere = scene.at("elsewhere");
    fs::write(&elsewhere, "precious").unwrap();
    fs::write(scene.at(".skillmeat/config.toml"), "theirs").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    scene.restricted(|| {
        for inside in
            ["cache/cache.db", "collections/default/collection.toml", "collections/default/skills/a"]
        {
            let path = scene.at(".skillmeat").join(inside);
            let beside = path.with_extension("tmp");
            fs::write(&beside, "1").unwrap();
            fs::rename(&beside, &path).unwrap();
            fs::write(&path, "2").unwrap();
            fs::remove_file(&path).unwrap();
        }
        fs::create_dir(scene.at(".skillmeat/made")).unwrap();
        fs::write(scene.paths.state_dir.join("state.db"), "x").unwrap();

        assert!(denied(fs::write(&elsewhere, "")), "a file that is there");
        assert!(denied(fs::write(scene.at("new"), "")), "a file that is not");
        assert!(denied(fs::remove_file(&elsewhere)));
        assert!(denied(fs::rename(&elsewhere, scene.at("moved"))));
        assert!(denied(fs::create_dir(scene.at("directory"))));
        assert!(denied(symlink(&elsewhere, scene.paths.collections.join("link"))));
        assert!(denied(fs::write(scene.at(".skillmeat/config.toml"), "ours")), "SkillMeat's own settings");
        assert!(denied(fs::OpenOptions::new().write(true).open(&elsewhere)?.set_len(0)));
        Ok::<_, io::Error>(())
    });
    scene.restricted(|| {
        assert!(denied(TcpStream::connect(address)));
        assert!(denied(TcpListener::bind("127.0.0.1:0")));
        assert!(denied(Command::new("/bin/true").status()));
        assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "precious", "reading is free");
    });
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "precious");
    // Nobody else is restricted.
    fs::write(scene.at("new"), "").unwrap();
    assert!(!scene.at(PROBE).exists());
}

#[test]
fn links_are_written_where_they_lead_to() {
    let scene = Scene::with_skillmeat();
    fs::create_dir_all(scene.at("dotfiles/work")).unwrap();
    fs::create_dir_all(scene.at("dotfiles/manifests")).unwrap();
    fs::write(scene.at("dotfiles/manifests/default.toml"), "").unwrap();
    let before = scene.places();
    symlink(scene.at("dotfiles/work"), scene.paths.collections.join("work")).unwrap();
    symlink(
        scene.at("dotfiles/manifests/default.toml"),
        scene.paths.collections.join("default/collection.toml"),
    )
    .unwrap();
    assert_ne!(scene.places(), before);
    assert!(!before.are_current(&scene.paths, false));
    // An artifact that is a link, a directory or a file.
    let before = scene.places();
    fs::create_dir_all(scene.at("dev/tool")).unwrap();
    fs::write(scene.at("dev/tool/SKILL.md"), "").unwrap();
    symlink(scene.at("dev/tool"), scene.paths.collections.join("default/skills/tool")).unwrap();
    assert!(before.are_current(&scene.paths, false) && !before.are_current(&scene.paths, true));
    // One that leads out of the home, or to it, opens nothing more.
    fs::write(scene.at("loose.md"), "").unwrap();
    symlink(scene.at("loose.md"), scene.paths.collections.join("default/skills/loose.md")).unwrap();
    symlink("/", scene.paths.collections.join("everything")).unwrap();
    scene.restricted(|| {
        fs::write(scene.paths.collections.join("default/skills/tool/SKILL.md"), "x").unwrap();
        assert!(denied(fs::write(scene.at("loose.md"), "x")));
    });
    scene.restricted(|| {
        fs::write(scene.paths.collections.join("work/collection.toml"), "").unwrap();
        fs::write(scene.paths.collections.join("default/collection.toml"), "").unwrap();
        assert!(denied(fs::write(scene.at("dotfiles/else"), "")));
    });
}

#[test]
fn a_home_that_is_made_anew_is_another_place() {
    let scene = Scene::new();
    let nothing = scene.places();
    fs::create_dir(&scene.paths.root).unwrap();
    let empty = scene.places();
    assert_ne!(empty, nothing);
    // What is missing can be made, and written, below the root.
    scene.restricted(|| {
        fs::create_dir(scene.at(".skillmeat/cache")).unwrap();
        fs::write(scene.at(".skillmeat/cache/cache.db"), "").unwrap();
    });
    fs::create_dir_all(scene.paths.collections.join("default")).unwrap();
    let whole = Scene::places(&scene);
    assert_ne!(whole, empty);
    fs::write(scene.paths.collections.join("default/collection.toml"), "").unwrap();
    assert_eq!(scene.places(), whole, "a file is no place");
    fs::rename(&scene.paths.root, scene.at("aside")).unwrap();
    fs::create_dir_all(scene.paths.collections.join("default")).unwrap();
    fs::create_dir_all(scene.at(".skillmeat/cache")).unwrap();
    assert_ne!(scene.places(), whole);
}

#[test]
fn what_is_not_enforced_is_not_claimed() {
    let home = tempfile::tempdir().unwrap();
    let told = Enforcement::None(holds(home.path()).unwrap_err()).told();
    assert_eq!(told.enforced, "none");
    assert_eq!(told.detail.as_deref(), Some("the kernel says that writing is restricted, and it is not"));
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    let told = Enforcement::Partial(vec!["/p".into()]).told();
    assert_eq!((told.enforced.as_str(), told.detail.is_some()), ("partial", true));
}
