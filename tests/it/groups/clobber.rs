//! A copy of the manifest that was read earlier is written back, as SkillMeat's commands do.

use super::web::{Web, database_has, file_has};
use crate::control::wire::Wire;
use crate::faults::scene::{SEEN, Scene, entry, read, save, write_skill};
use crate::home::eventually;

/// What `skillmeat add` makes of a text it has read: one more entry, and the time of now.
fn with_entry(text: &str, name: &str) -> String {
    let (head, rest) = text.split_once("updated = \"").expect("a time");
    let (_, rest) = rest.split_once('"').expect("its end");
    format!("{head}updated = \"2027-01-01T00:00:00.{:06}\"{rest}{}", name.len(), entry(name, "added"))
}

#[test]
fn a_stale_copy_is_repaired_and_what_it_adds_is_kept() {
    let scene = Scene::of(&["pdf", "csv"], "");
    let manifest = scene.home.manifest("default");
    let web = Web::at(&scene.home);
    let mut stale = vec![read(&manifest)];
    for (n, members) in [&["skill:pdf"][..], &["skill:csv", "skill:pdf"], &["skill:csv"]].iter().enumerate() {
        if n == 0 {
            web.make_group("default", "Docs", members);
        } else {
            web.set_members("Docs", members);
        }
        file_has(&scene.home, "default", &[&format!("Docs slate: {}", members.join(" "))]);
        stale.push(read(&manifest));
    }
    stale.pop();
    for (n, text) in stale.iter().enumerate() {
        let name = format!("new{}", "x".repeat(n));
        write_skill(&scene.home.collection("default"), &name, "added");
        save(&manifest, &with_entry(text, &name));
        eventually(SEEN, "the copy is repaired and its artifact there", || {
            let text = read(&manifest);
            let groups = super::web::groups_in_file(&scene.home, "default")?;
            let kept = text.contains(&format!("name = \"{name}\""));
            if kept && groups == ["Docs slate: skill:csv"] { Ok(()) } else { Err(text) }
        });
        database_has(&scene.home, "default", &["Docs slate: skill:csv"]);
    }
    assert_eq!(scene.status()["conflicts"], 0);
    let numbers = String::from_utf8(Wire::open(&scene.home).get("/v1/metrics").body).expect("UTF-8");
    let repairs = numbers.lines().find_map(|line| line.strip_prefix("skillmeatd_repairs_total "));
    assert_eq!(repairs.and_then(|number| number.parse().ok()), Some(stale.len()), "{numbers}");
    let lags =
        numbers.lines().find_map(|line| line.strip_prefix("skillmeatd_database_to_file_seconds_count "));
    assert!(lags.and_then(|number| number.parse().ok()) >= Some(1), "{numbers}");
}

#[test]
fn a_stale_copy_that_was_written_while_nobody_looked_is_repaired_at_the_start() {
    let scene = Scene::of(&["pdf"], "");
    let manifest = scene.home.manifest("default");
    let stale = read(&manifest);
    Web::at(&scene.home).make_group("default", "Docs", &["skill:pdf"]);
    file_has(&scene.home, "default", &["Docs slate: skill:pdf"]);
    let Scene { daemon, home } = scene;
    drop(daemon);
    write_skill(&home.collection("default"), "new", "added");
    save(&manifest, &with_entry(&stale, "new"));
    let scene = Scene::open(home);
    file_has(&scene.home, "default", &["Docs slate: skill:pdf"]);
    database_has(&scene.home, "default", &["Docs slate: skill:pdf"]);
}
