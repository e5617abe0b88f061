//! What our write service writes is what SkillMeat's command line and web backend show, and go on with.

use serde_json::{Value, json};

use super::scenario::{SEEN, Stage};
use crate::home::eventually;
use crate::web::Web;

#[test]
fn an_edit_and_a_new_artifact_are_seen_by_command_line_and_web_alike() {
    let stage = Stage::with_collection();
    let source = stage.skill("pdf", "description: Reads forms # old\ntags: [office]\nversion: '1.0'\n");
    stage.cli().add("skill", &source, &[]);
    let web = Web::of(&stage.home);
    let edit =
        json!({ "description": "Fills in forms: all of them", "tags": ["office", "pdf"], "author": "Ann" });
    let edited = eventually(SEEN, "the artifact is known", || {
        let answer = web.send("PUT", "/api/v1/artifacts/skill:pdf/metadata", Some(&edit.to_string()));
        if answer.status == 200 { Ok(answer.body) } else { Err(format!("{answer:?}")) }
    });
    assert_eq!(edited["mirrored"], true, "{edited}");
    let make = json!({
        "type": "command", "name": "standup", "content": "---\ndescription: Sums up yesterday\n---\nDo it.\n",
    });
    assert_eq!(web.send("POST", "/api/v1/artifacts", Some(&make.to_string())).status, 201);

    // The web backend's own pages: from the rows, and from the files.
    let page = stage.api.artifacts().expect("the list page");
    assert_eq!(page["skill:pdf"]["description"], edit["description"]);
    assert_eq!(page["skill:pdf"]["tags"], edit["tags"]);
    assert_eq!(page["command:standup"]["description"], "Sums up yesterday");
    let from_files = stage.api.get("/artifacts/skill:pdf").expect("the artifact");
    let metadata = &from_files["metadata"];
    assert_eq!((&metadata["description"], &metadata["author"]), (&edit["description"], &edit["author"]));
    assert_eq!(metadata["version"], "1.0", "what was not edited");

    // Its command line, which reads and rewrites both files.
    let shown = stage.cli().run(&["show", "pdf"]).stdout;
    assert!(shown.contains("Fills in forms: all of them") && shown.contains("Ann"), "{shown}");
    let listed = stage.cli().run(&["list"]).stdout;
    assert!(listed.contains("standup"), "{listed}");
    stage.cli().run(&["remove", "standup", "--force"]);
    eventually(SEEN, "what the command line removes is gone", || match stage.api.artifacts() {
        Ok(page) if !page.contains_key("command:standup") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let kept = web.get("/api/v1/artifacts/skill:pdf/metadata");
    assert_eq!(kept["metadata"]["author"], Value::from("Ann"), "SkillMeat has rewritten the manifest");
    let gone = web.send("DELETE", "/api/v1/artifacts/skill:pdf", None);
    assert_eq!(gone.status, 200, "{gone:?}");
    assert!(!stage.api.artifacts().expect("the list page").contains_key("skill:pdf"));
    assert!(!stage.cli().run(&["list"]).stdout.contains("pdf"));
}
