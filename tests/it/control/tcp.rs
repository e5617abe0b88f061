//! The port: the same paths, for those who bring the token.

use std::fs;

use super::wire::Wire;
use crate::faults::scene::{Scene, write_skill};

const SETTINGS: &str = "[http]\nlisten = \"127.0.0.1:0\"\n";

fn open() -> (Scene, String, String) {
    let scene = Scene::of(&["one"], SETTINGS);
    let address = scene.status()["http"].as_str().expect("an address").to_owned();
    let token = fs::read_to_string(scene.home.path().join("state/skillmeatd/http-token")).expect("a token");
    (scene, address, token)
}

#[test]
fn whoever_brings_the_token_is_served_as_on_the_socket() {
    let (scene, address, token) = open();
    let mut wire = Wire::tcp(&address, &format!("host: {address}\nauthorization: Bearer {token}\n"));
    write_skill(&scene.home.collection("default"), "one", "by the port");
    let synced = wire.post("/v1/sync", "").done();
    assert_eq!(synced["applied"]["named"][0], "skill:one", "{synced}");
    let answer = wire.get("/v1/status");
    assert!(answer.head.contains("skillmeatd-protocol: 1"), "{}", answer.head);
    assert_eq!(answer.done()["root"], Wire::open(&scene.home).get("/v1/status").done()["root"]);
}

#[test]
fn whoever_does_not_is_refused_on_every_path() {
    let (_scene, address, token) = open();
    let host = format!("host: {address}\n");
    let good = format!("authorization: Bearer {token}\n");
    for (headers, status) in [
        (host.clone(), 401),
        (format!("{host}authorization: Bearer {}\n", token.replace(|_: char| true, "0")), 401),
        (format!("{host}authorization: Bearer\n"), 401),
        (format!("host: rebound.example\n{good}"), 421),
        (format!("{host}{good}origin: https://page.example\n"), 403),
    ] {
        for (method, path) in
            [("GET", "/v1/status"), ("POST", "/v1/sync"), ("GET", "/v1/nothing"), ("PUT", "/v1/sync")]
        {
            let answer = Wire::tcp(&address, &headers).request(method, path, "").expect("an answer");
            assert_eq!(answer.status, status, "{method} {path} with {headers:?}");
            assert_eq!(answer.json()["status"], status);
            assert_eq!(answer.head.contains("www-authenticate: Bearer"), status == 401, "{}", answer.head);
        }
    }
}

#[test]
fn without_the_setting_there_is_no_port() {
    let scene = Scene::of(&["one"], "");
    assert!(scene.status()["http"].is_null());
    assert!(!scene.home.path().join("state/skillmeatd/http-token").exists());
}

#[test]
fn a_port_that_is_taken_ends_the_start_with_the_reason() {
    let (_scene, address, _) = open();
    let other = crate::faults::scene::home(&["one"], &format!("[http]\nlisten = \"{address}\"\n"));
    let answer = crate::daemon::call(&other, &["run"]);
    assert_eq!(answer.status.code(), Some(1), "{answer:?}");
    assert!(answer.stderr.contains("in use"), "{answer:?}");
}
