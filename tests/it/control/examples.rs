//! The examples of the README, run as they stand there.

use std::path::Path;
use std::time::Duration;

use crate::child::{Finished, finish};
use crate::faults::scene::{Scene, read};

/// The shell text below the heading `### From a script`, one block after the other.
fn blocks() -> Vec<String> {
    let readme = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"));
    let section =
        readme.split("\n### ").find(|section| section.starts_with("From a script\n")).expect("the section");
    let blocks = section.split("```sh\n").skip(1);
    blocks.map(|block| block.split("```").next().expect("an end").to_owned()).collect()
}

fn bash(scene: &Scene, script: &str) -> Finished {
    let mut command = scene.home.command("bash");
    command.args(["-euo", "pipefail", "-c", script]);
    finish(command, "", Duration::from_secs(60))
}

#[test]
fn the_examples_work_as_they_are_printed() {
    let scene = Scene::of(&["one"], "[http]\nlisten = \"127.0.0.1:0\"\n");
    let blocks = blocks();
    assert_eq!(blocks.len(), 2, "{blocks:?}");
    let (definition, calls) = blocks[0].split_once("\n\n").expect("a definition and its calls");
    let calls: Vec<&str> = calls.lines().collect();
    assert_eq!(calls.len(), 5, "{calls:?}");
    let expected = ["\"state\":\"watching\"", "\"clock\":", "\"clock\":", "# TYPE skillmeatd_", ""];
    for (call, expected) in calls.iter().zip(expected) {
        let answer = bash(&scene, &format!("{definition}\n{call}")).succeeded();
        assert!(answer.stdout.contains(expected), "{call}\n{answer:?}");
    }
    let address = scene.status()["http"].as_str().expect("an address").to_owned();
    let answer = bash(&scene, &blocks[1].replace("127.0.0.1:8765", &address)).succeeded();
    assert!(answer.stdout.contains("\"state\":\"watching\""), "{answer:?}");
    // An example that could not fail would prove nothing.
    assert!(!bash(&scene, &format!("{definition}\nask http://skillmeatd/v1/no")).status.success());
}
