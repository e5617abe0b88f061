//! The examples of the README, run as they stand there.

use std::path::Path;
use std::time::Duration;

use crate::child::{Finished, finish};
use crate::faults::scene::{Scene, read};

fn readme() -> String {
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"))
}

/// The shell text below a heading, one block after the other.
fn blocks(heading: &str) -> Vec<String> {
    let readme = readme();
    let section =
        readme.split("\n### ").find_map(|section| section.strip_prefix(heading)).expect("the section");
    let blocks = section.split("```sh\n").skip(1);
    blocks.map(|block| block.split("```").next().expect("an end").to_owned()).collect()
}

fn bash(scene: &Scene, script: &str) -> Finished {
    let mut command = scene.home.command("bash");
    command.args(["-euo", "pipefail", "-c", script]);
    finish(command, "", Duration::from_secs(60))
}

/// Each call with the text that its answer has to have.
fn run(scene: &Scene, definition: &str, calls: &[&str], expected: &[&str]) {
    assert_eq!(calls.len(), expected.len(), "{calls:?}");
    for (call, expected) in calls.iter().zip(expected) {
        let answer = bash(scene, &format!("{definition}\n{call}")).succeeded();
        assert!(answer.stdout.contains(expected), "{call}\n{answer:?}");
        assert!(!answer.stdout.contains("\"status\":4"), "refused: {call}\n{answer:?}");
    }
}

const SCRIPT: &str = "From a script\n";
const CLIENTS: &str = "For clients of SkillMeat's web backend\n";

#[test]
fn the_examples_work_as_they_are_printed() {
    let scene = Scene::of(&["one"], "[http]\nlisten = \"127.0.0.1:0\"\n");
    let blocks = blocks(SCRIPT);
    assert_eq!(blocks.len(), 2, "{blocks:?}");
    let (definition, calls) = blocks[0].split_once("\n\n").expect("a definition and its calls");
    let calls: Vec<&str> = calls.lines().collect();
    run(
        &scene,
        definition,
        &calls,
        &["\"state\":\"watching\"", "\"clock\":", "\"clock\":", "# TYPE skillmeatd_", ""],
    );
    let address = scene.status()["http"].as_str().expect("an address").to_owned();
    let answer = bash(&scene, &blocks[1].replace("127.0.0.1:8765", &address)).succeeded();
    assert!(answer.stdout.contains("\"state\":\"watching\""), "{answer:?}");
    // As a password in the address, which is how the command line of SkillMeat brings it.
    let url = "http://skillmeatd:$token@127.0.0.1:8765";
    assert!(readme().contains(&url.replace("$token", "TOKEN")), "the README says so");
    let token = blocks[1].lines().next().expect("where the token is");
    let call = format!("{token}\ncurl --silent --fail {}/v1/status", url.replace("127.0.0.1:8765", &address));
    assert!(bash(&scene, &call).succeeded().stdout.contains("\"state\":\"watching\""));
    // An example that could not fail would prove nothing.
    assert!(!bash(&scene, &format!("{definition}\nask http://skillmeatd/v1/no")).status.success());
}

#[test]
fn the_examples_of_reading_and_writing_do_too() {
    let scene = Scene::of(&["pdf", "csv"], "");
    let blocks = blocks(CLIENTS);
    assert_eq!(blocks.len(), 2, "{blocks:?}");
    let reads: Vec<&str> = blocks[0].lines().collect();
    run(&scene, "", &reads, &["\"id\":\"skill:pdf\"", "\"skipped_count\":2"]);
    let (definition, writes) = blocks[1].split_once('\n').expect("the socket and its calls");
    let writes: Vec<&str> = writes.lines().collect();
    run(
        &scene,
        definition,
        &writes,
        &[
            "\"description\":\"Use when pdf is new\"",
            "\"description\":\"Fills in forms\"",
            "\"id\":\"command:standup\"",
            "\"mirrored\":true",
        ],
    );
    assert_eq!(scene.description("pdf"), "Fills in forms");
    let entry_file = read(&scene.home.collection("default").join("skills/pdf/SKILL.md"));
    assert!(entry_file.contains("description: Fills in forms\ntags: [office, pdf]\n"), "{entry_file}");
    assert!(!scene.home.collection("default").join("commands/standup.md").exists(), "it was deleted again");
    scene.settled("the examples");
}

/// A line that calls the daemon and stands in none of the blocks that are run would go unnoticed when it goes wrong.
#[test]
fn there_is_no_other_example_that_calls_the_daemon() {
    let calls = |text: &str| {
        let starts = ["curl ", "ask "];
        text.lines().filter(|line| starts.iter().any(|start| line.starts_with(start))).count()
    };
    let run: usize =
        [SCRIPT, CLIENTS].iter().flat_map(|heading| blocks(heading)).map(|block| calls(&block)).sum();
    assert_eq!(calls(&readme()), run);
    assert_eq!(run, 12);
}
