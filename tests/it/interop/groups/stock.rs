//! SkillMeat as it comes out of the box: its own write-through never writes for the default collection.

use std::fs;

use serde_json::json;

use super::stage::{SOON, Web, save};
use crate::home::eventually;

#[test]
fn s01_a_group_made_on_the_web_stands_in_the_manifest() {
    let web = Web::open();
    web.group("default", "Auth", &["skill:alpha", "skill:beta"]);
    web.have("default", "default", &[("Auth", &["skill:alpha", "skill:beta"])], "a new group");
    let page = web.api().get("/groups?collection_id=default").expect("the groups");
    assert_eq!(page["total"], 1, "{page}");
    web.cli().run(&["list"]);
}

#[test]
fn s02_reordered_moved_and_removed_members() {
    let web = Web::open();
    let group = web.group("default", "Auth", &["skill:alpha", "skill:beta", "skill:gamma"]);
    web.agree("default", "default", "a new group");
    let page = web.api().get(&format!("/groups/{group}")).expect("the group");
    let uuid = |at: usize| page["artifacts"][at]["artifact_uuid"].as_str().expect("a uuid").to_owned();
    let order: Vec<_> = [2, 0, 1].map(|at| json!({ "artifact_uuid": uuid(at), "position": 0 })).into();
    let order = json!({ "artifacts": order });
    web.api().change("POST", &format!("/groups/{group}/reorder-artifacts"), Some(&order));
    web.have("default", "default", &[("Auth", &["skill:gamma", "skill:alpha", "skill:beta"])], "an order");
    let last = json!({ "artifact_uuid": uuid(2), "position": 99 });
    web.api().change("PUT", &format!("/groups/{group}/artifacts/skill:gamma"), Some(&last));
    web.have("default", "default", &[("Auth", &["skill:alpha", "skill:beta", "skill:gamma"])], "a move");
    web.api().change("DELETE", &format!("/groups/{group}/artifacts/skill:beta"), None);
    web.have("default", "default", &[("Auth", &["skill:alpha", "skill:gamma"])], "a removal");
}

#[test]
fn s03_the_last_group_does_not_come_back() {
    let mut web = Web::open();
    let group = web.group("default", "Auth", &["skill:alpha"]);
    web.have("default", "default", &[("Auth", &["skill:alpha"])], "a group");
    web.api().change("DELETE", &format!("/groups/{group}"), None);
    web.have("default", "default", &[], "the last group's end");
    assert!(!web.document("default").contains_key("groups"));
    web.api.as_mut().expect("a backend").restart();
    web.barrier();
    web.have("default", "default", &[], "a restart of the backend");
    assert_eq!(web.api().get("/groups?collection_id=default").expect("the groups")["total"], 0);
}

#[test]
fn s04_colours_and_unassigned_tags_stand_in_the_manifest() {
    let web = Web::open();
    let tag = web.tag("Backend", "backend", Some("#112233"));
    web.tag("Loose", "loose", None);
    web.api().change("PUT", &format!("/tags/{tag}"), Some(&json!({ "color": "#445566" })));
    let wanted = [("backend", ("Backend", "#445566")), ("loose", ("Loose", ""))];
    let wanted = wanted.map(|(slug, (name, color))| (slug.to_owned(), (name.to_owned(), color.to_owned())));
    eventually(SOON * 5, "the definitions stand in the manifest", || {
        let found = web.file_tags("default");
        if found == wanted.clone().into() { Ok(()) } else { Err(format!("{found:?}")) }
    });
}

#[test]
fn s09_an_inline_list_gains_and_loses_members() {
    let web = {
        let mut web = Web::closed();
        let inline = "groups = [\n    { name = \"A\", description = \"\", color = \"slate\", icon = \"layers\", position = 0, members = [] },\n]\n\n";
        save(&web.home.manifest("default"), &format!("{inline}{}", web.text("default")));
        web.start_api();
        web.start_daemon();
        web
    };
    web.have("default", "default", &[("A", &[])], "an inline list");
    let page = web.api().get("/groups?collection_id=default").expect("the groups");
    let group = page["groups"][0]["id"].as_str().expect("an id").to_owned();
    web.add(&group, &["skill:alpha"]);
    web.have("default", "default", &[("A", &["skill:alpha"])], "a member");
    web.cli().run(&["list"]);
    web.api().change("DELETE", &format!("/groups/{group}/artifacts/skill:alpha"), None);
    web.have("default", "default", &[("A", &[])], "no member");
    web.cli().run(&["list"]);
    // And one that SkillMeat would write as a table, whose last member goes.
    let other = web.group("default", "B", &["skill:beta"]);
    web.have("default", "default", &[("A", &[]), ("B", &["skill:beta"])], "a second group");
    web.api().change("DELETE", &format!("/groups/{other}/artifacts/skill:beta"), None);
    web.have("default", "default", &[("A", &[]), ("B", &[])], "no member in either");
    web.cli().run(&["list"]);
}

#[test]
fn s18_what_a_person_wrote_around_it_survives() {
    let mut web = Web::closed();
    let before = format!(
        "# mine\r\n{}\n[[mcp_servers]]\nname = 'm' # here\nrepo = \"user/repo\"\nx-keep = {{ y = 1 }}\n\n[my_tool]\nwords = '''\n[[groups]]\n'''\n",
        web.text("default").replacen("name = \"alpha\"", "name = 'alpha'  # the first", 1).replacen(
            "origin = \"local\"",
            "origin = \"local\"\nx_mine = [ 1, 2, ]",
            1
        )
    );
    save(&web.home.manifest("default"), &before);
    web.start_api();
    web.start_daemon();
    web.group("default", "Auth", &["skill:alpha"]);
    web.tag("Backend", "backend", Some("#112233"));
    web.have("default", "default", &[("Auth", &["skill:alpha"])], "a new group");
    eventually(SOON * 5, "the tag is there", || {
        let found = web.file_tags("default");
        if found.contains_key("backend") { Ok(()) } else { Err(format!("{found:?}")) }
    });
    let after = web.text("default");
    let mut left = after.split_inclusive('\n');
    for line in before.split_inclusive('\n').filter(|line| !line.starts_with("updated = ")) {
        assert!(left.any(|kept| kept == line), "lost {line:?} in\n{after}");
    }
    let added = after.lines().count() - before.lines().count();
    // One array of one tag, and one table of one member, each with a blank line.
    assert_eq!(added, 4 + 10, "{after}");
}

#[test]
fn s18_what_a_person_wrote_at_an_entry_survives_a_new_name() {
    let mut web = Web::closed();
    let lists = "\n# ours\n[[tag_definitions]]\nname = \"ML\" # short\nslug = \"ml\"\ncolor = \"#112233\"\ndescription = \"by hand\"\nx-tag = 1\n\n\
                 # on A\n[[groups]]\nname = 'A' # the first\nx-keep = { y = 1 }\nmembers = [ 'skill:alpha', ] # one\n\n\
                 # on B\n[[groups]]\nname = \"B\"\nposition = 1\n";
    let before = format!("{}{lists}", web.text("default"));
    save(&web.home.manifest("default"), &before);
    web.start_api();
    web.start_daemon();
    web.have("default", "default", &[("A", &["skill:alpha"]), ("B", &[])], "two groups");
    let page = web.api().get("/groups?collection_id=default").expect("the groups");
    let id = |name: &str| {
        let groups = page["groups"].as_array().expect("a list");
        let group = groups.iter().find(|group| group["name"] == name).expect("the group");
        group["id"].as_str().expect("an id").to_owned()
    };
    web.put(&id("A"), &json!({ "name": "Z" }));
    web.have("default", "default", &[("Z", &["skill:alpha"]), ("B", &[])], "a new name");
    web.put(&id("B"), &json!({ "name": "A", "description": "d" }));
    web.have("default", "default", &[("Z", &["skill:alpha"]), ("A", &[])], "its old name given to another");
    let tags = web.api().get("/tags").expect("the tags");
    let tag = tags["items"].as_array().expect("a list").iter().find(|tag| tag["slug"] == "ml");
    let tag = tag.and_then(|tag| tag["id"].as_str()).expect("the tag").to_owned();
    web.api().change("PUT", &format!("/tags/{tag}"), Some(&json!({ "slug": "machines" })));
    eventually(SOON * 5, "the new slug is there", || {
        let found = web.file_tags("default");
        if found.contains_key("machines") { Ok(()) } else { Err(format!("{found:?}")) }
    });
    let renamed = lists
        .replace("'A' # the first", "\"Z\" # the first")
        .replace("\"B\"\n", "\"A\"\ndescription = \"d\"\n")
        .replace("\"ml\"", "\"machines\"");
    let after = web.text("default");
    assert!(after.ends_with(&renamed), "{after}\nshould end with\n{renamed}");
    web.cli().run(&["list"]);
}

#[test]
fn s28_what_happened_while_the_daemon_was_down() {
    let mut web = Web::open();
    web.group("default", "First", &["skill:alpha"]);
    web.have("default", "default", &[("First", &["skill:alpha"])], "a group");
    web.stop_daemon();
    web.group("default", "Second", &["skill:beta"]);
    let by_hand =
        format!("{}\n[[groups]]\nname = \"Hand\"\nmembers = [\"skill:gamma\"]\n", web.text("default"));
    fs::write(web.home.manifest("default"), by_hand).expect("a manifest written by hand");
    web.start_daemon();
    let both = web.agree("default", "default", "a time without the daemon");
    let names: Vec<_> = both.iter().map(|group| group.0.as_str()).collect();
    assert!(names.len() == 3 && ["First", "Second", "Hand"].iter().all(|n| names.contains(n)), "{names:?}");
}

#[test]
fn s28_what_only_the_manifest_had_when_the_two_first_met_is_kept() {
    let mut web = Web::closed();
    web.start_api();
    web.group("default", "Web", &["skill:alpha"]);
    let by_hand =
        format!("{}\n[[groups]]\nname = \"Hand\"\nmembers = [\"skill:gamma\"]\n", web.text("default"));
    save(&web.home.manifest("default"), &by_hand);
    web.start_daemon();
    web.have("default", "default", &[("Web", &["skill:alpha"])], "a first meeting");
    // It gave way, and is told of, and nothing of it is lost.
    assert_eq!(web.status()["conflicts"], 1, "{}", web.status());
    let listed = crate::daemon::call(&web.home, &["conflicts", "list", "--json"]);
    assert!(listed.stdout.contains("Hand") && listed.stdout.contains("skill:gamma"), "{listed:?}");
    let history = crate::daemon::call(&web.home, &["history", "list", "default", "--json"]);
    assert!(history.stdout.contains("default"), "{history:?}");
}
