//! What becomes of memberships and tags when artifacts, or their rows, go and come back.

use serde_json::{Value, json};

use super::stage::{SOON, Web, save};
use crate::home::eventually;
use crate::interop::cache;

/// The uuid of an artifact's row.
fn uuid(web: &Web, id: &str) -> Option<String> {
    let connection = cache::open(&web.home.cache_db()).expect("the cache");
    let rows = cache::rows(&connection, &format!("SELECT uuid FROM artifacts WHERE id = '{id}'"));
    rows.expect("rows").first().and_then(|row| row["uuid"].as_str()).map(str::to_owned)
}

/// Whether an artifact is a member of the DB collection `default`.
fn is_listed(web: &Web, id: &str) -> bool {
    let connection = cache::open(&web.home.cache_db()).expect("the cache");
    cache::members(&connection).expect("rows").contains_key(id)
}

fn listed(web: &Web, id: &str, wanted: bool) {
    // An absence has to last five seconds before it counts.
    eventually(SOON * 10, &format!("{id} is listed: {wanted}"), || {
        if is_listed(web, id) == wanted { Ok(()) } else { Err("not yet".to_owned()) }
    });
}

#[test]
fn s13_an_artifact_removed_and_added_again_keeps_its_place() {
    let web = Web::open();
    let group = web.group("default", "Auth", &["skill:gamma", "skill:alpha", "skill:beta"]);
    let members = ["skill:gamma", "skill:alpha", "skill:beta"];
    web.have("default", "default", &[("Auth", &members)], "a group");
    let before = uuid(&web, "skill:alpha").expect("a row");
    web.cli().run(&["remove", "alpha", "--type", "skill", "--force"]);
    listed(&web, "skill:alpha", false);
    web.have("default", "default", &[("Auth", &members)], "a removal");
    let source =
        web.home.write("sources/alpha/SKILL.md", "---\nname: alpha\ndescription: again\n---\n# Alpha\n");
    web.cli().add("skill", source.parent().expect("a directory"), &[]);
    listed(&web, "skill:alpha", true);
    web.have("default", "default", &[("Auth", &members)], "another add");
    assert_eq!(uuid(&web, "skill:alpha"), Some(before));
    assert_eq!(web.page(&group).expect("the group"), members);
}

#[test]
fn s14_an_artifact_taken_away_and_put_back_by_hand() {
    let web = Web::open();
    let group = web.group("default", "Auth", &["skill:alpha", "skill:beta"]);
    web.have("default", "default", &[("Auth", &["skill:alpha", "skill:beta"])], "a group");
    let whole = web.text("default");
    let start = whole.find("\n[[artifacts]]\nname = \"alpha\"").expect("the entry");
    let end = start + whole[start..].find("\n[[artifacts]]\nname = \"beta\"").expect("the next entry");
    let directory = web.home.collection("default").join("skills/alpha");
    std::fs::remove_dir_all(&directory).expect("the skill's directory");
    save(&web.home.manifest("default"), &format!("{}{}", &whole[..start], &whole[end..]));
    listed(&web, "skill:alpha", false);
    super::stage::skill_files(&web.home, "default", "alpha");
    let now = web.text("default");
    save(&web.home.manifest("default"), &format!("{now}{}", super::stage::entry("alpha")));
    listed(&web, "skill:alpha", true);
    web.have("default", "default", &[("Auth", &["skill:alpha", "skill:beta"])], "a return");
    assert_eq!(web.page(&group).expect("the group"), ["skill:alpha", "skill:beta"]);
}

/// What `skillmeat cache clear` does where it works: artifacts and projects go, and with them the memberships; groups,
/// tags and colours stay.
#[test]
fn s21_memberships_lost_with_the_rows_of_artifacts_come_back() {
    let web = Web::open();
    let group = web.group("default", "Auth", &["skill:beta", "skill:alpha"]);
    web.group("default", "Other", &["skill:gamma"]);
    let wanted: [(&str, &[&str]); 2] =
        [("Auth", &["skill:beta", "skill:alpha"]), ("Other", &["skill:gamma"])];
    web.have("default", "default", &wanted, "two groups");
    let before = uuid(&web, "skill:alpha").expect("a row");
    web.sql()
        .execute_batch(
            "BEGIN IMMEDIATE; DELETE FROM artifacts WHERE type <> 'group'; DELETE FROM projects; COMMIT",
        )
        .expect("a clear");
    eventually(SOON * 5, "the artifact has a new row", || match uuid(&web, "skill:alpha") {
        Some(uuid) if uuid != before => Ok(()),
        other => Err(format!("{other:?}")),
    });
    web.have("default", "default", &wanted, "a clear");
    eventually(SOON * 5, "the page shows them", || {
        let page = web.page(&group)?;
        if page == ["skill:beta", "skill:alpha"] { Ok(()) } else { Err(format!("{page:?}")) }
    });
}

fn slugs(web: &Web, id: &str) -> Result<Vec<String>, String> {
    let list = web.api().get(&format!("/artifacts/{id}/tags"))?;
    let list = list.as_array().ok_or_else(|| list.to_string())?;
    let mut slugs: Vec<String> =
        list.iter().map(|tag| tag["slug"].as_str().unwrap_or_default().to_owned()).collect();
    slugs.sort();
    Ok(slugs)
}

fn has_tags(web: &Web, id: &str, wanted: &[&str], after: &str) {
    eventually(SOON * 5, &format!("{id} has the tags {wanted:?} after {after}"), || {
        let found = slugs(web, id)?;
        if found == wanted { Ok(()) } else { Err(format!("{found:?}")) }
    });
}

#[test]
fn s22_a_tag_with_a_slug_of_its_own_stays_assigned() {
    let mut web = Web::open();
    let tag = web.tag("Machine Learning", "ml-custom", Some("#112233"));
    web.api().change("POST", &format!("/artifacts/skill:alpha/tags/{tag}"), None);
    has_tags(&web, "skill:alpha", &["ml-custom"], "an assignment");
    web.barrier();
    // SkillMeat's tag sync at start drops it.
    web.api.as_mut().expect("a backend").restart();
    has_tags(&web, "skill:alpha", &["ml-custom"], "a restart of the backend");
    web.barrier();
    has_tags(&web, "skill:alpha", &["ml-custom"], "another look");
}

/// A tag assigned to an artifact of a collection that is not the active one: SkillMeat keeps it in the database only.
#[test]
fn s22_a_tag_of_an_artifact_in_another_collection_stands_in_its_manifest() {
    let mut web = Web::open();
    let tag = web.tag("Later", "later", None);
    web.api().change("POST", &format!("/artifacts/skill:delta/tags/{tag}"), None);
    eventually(SOON * 5, "the tag stands in the manifest", || {
        let document = web.document("work");
        let tags = document["artifacts"][0].get("tags").and_then(toml::Value::as_array).cloned();
        if tags == Some(vec!["Later".into()]) { Ok(()) } else { Err(format!("{tags:?}")) }
    });
    web.api.as_mut().expect("a backend").restart();
    has_tags(&web, "skill:delta", &["later"], "a restart of the backend");
}

/// The same, of tags whose slug is not what their name says, put on and taken off.
#[test]
fn s22_a_tag_with_a_slug_of_its_own_is_taken_off_in_another_collection() {
    let web = Web::open();
    let stand = |wanted: &[&str], after: &str| {
        eventually(SOON * 5, &format!("{wanted:?} in the manifest after {after}"), || {
            let document = web.document("work");
            let tags = document["artifacts"][0].get("tags").and_then(toml::Value::as_array).cloned();
            let tags: Vec<_> =
                tags.into_iter().flatten().map(|tag| tag.as_str().unwrap_or("?").to_owned()).collect();
            if tags == wanted { Ok(()) } else { Err(format!("{tags:?}")) }
        });
    };
    let [custom, plain] =
        [("Machine Learning", "ml-custom"), ("Later", "later")].map(|(name, slug)| web.tag(name, slug, None));
    let of = |tag: &str| format!("/artifacts/skill:delta/tags/{tag}");
    web.api().change("POST", &of(&custom), None);
    stand(&["Machine Learning"], "the one");
    web.api().change("POST", &of(&plain), None);
    stand(&["Machine Learning", "Later"], "the other");
    web.barrier();
    web.api().change("DELETE", &of(&plain), None);
    stand(&["Machine Learning"], "the other was taken off");
    web.barrier();
    // A new slug for a tag that is in use, and then another change of the artifact's tags.
    web.api().change("PUT", &format!("/tags/{custom}"), Some(&json!({ "slug": "ml-again" })));
    web.barrier();
    web.api().change("POST", &of(&plain), None);
    stand(&["Machine Learning", "Later"], "a new slug");
    web.barrier();
    web.api().change("DELETE", &of(&custom), None);
    stand(&["Later"], "the one was taken off");
    web.barrier();
    stand(&["Later"], "another look");
    has_tags(&web, "skill:delta", &["later"], "all of it");
}

#[test]
fn s23_tags_edited_in_the_file_and_on_the_web() {
    let web = Web::open();
    let tagged = web.text("default").replacen(
        "added = \"2026-01-01T00:00:00.000123\"\n",
        "added = \"2026-01-01T00:00:00.000123\"\ntags = [\"one\", \"two\"]\n",
        1,
    );
    save(&web.home.manifest("default"), &tagged);
    has_tags(&web, "skill:alpha", &["one", "two"], "tags in the file");
    let none = web.text("default").replacen("tags = [\"one\", \"two\"]", "tags = []", 1);
    save(&web.home.manifest("default"), &none);
    has_tags(&web, "skill:alpha", &[], "no tags in the file");
    let body: Value = json!({ "tags": ["three"] });
    web.api().change("PUT", "/artifacts/skill:alpha/tags", Some(&body));
    has_tags(&web, "skill:alpha", &["three"], "tags on the web");
}
