//! Requests that are slow, large, broken or somebody else's. Each is refused, and meanwhile the daemon goes on syncing.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use super::wire::{Wire, socket};
use crate::child::finish;
use crate::faults::scene::{Scene, write_skill};
use crate::home::eventually;

/// The daemon carries a change over, and says so.
fn goes_on(scene: &Scene, text: &str) {
    write_skill(&scene.home.collection("default"), "one", text);
    scene.described("one", text);
}

/// The answer to these bytes, until the daemon closes.
fn answer(scene: &Scene, bytes: &str) -> String {
    let mut wire = Wire::open(&scene.home);
    let _ = wire.send(bytes); // it may have had enough before the end
    wire.rest()
}

#[test]
fn what_is_no_request_is_refused() {
    let scene = Scene::of(&["one"], "");
    let close = "host: x\r\nconnection: close\r\n";
    let long = "x".repeat(100_000);
    let many = "a: b\r\n".repeat(200);
    for (request, expected) in [
        ("\0\0\0\0\r\n\r\n".to_owned(), "HTTP/1.1 400"),
        ("GET /v1/status\r\n\r\n".to_owned(), "HTTP/1.1 400"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), ""),
        (format!("GET /v1/nothing HTTP/1.1\r\n{close}\r\n"), "HTTP/1.1 404"),
        (format!("DELETE /v1/status HTTP/1.1\r\n{close}\r\n"), "HTTP/1.1 405"),
        (format!("GET /{long} HTTP/1.1\r\n{close}\r\n"), "HTTP/1.1 4"),
        (format!("GET /v1/status HTTP/1.1\r\n{close}x: {long}\r\n\r\n"), "HTTP/1.1 431"),
        (format!("GET /v1/status HTTP/1.1\r\n{close}{many}\r\n"), "HTTP/1.1 431"),
        (format!("POST /v1/sync HTTP/1.1\r\n{close}content-length: 99999999\r\n\r\n"), "HTTP/1.1 413"),
        (
            format!("POST /v1/sync HTTP/1.1\r\n{close}content-length: 1\r\ncontent-length: 2\r\n\r\n"),
            "HTTP/1.1 400",
        ),
        (format!("POST /v1/sync HTTP/1.1\r\n{close}transfer-encoding: chunked\r\n\r\nzz\r\n"), "HTTP/1.1 4"),
        (format!("POST /v1/sync HTTP/1.1\r\n{close}content-length: 3\r\n\r\n{{]}}"), "HTTP/1.1 422"),
    ] {
        let answer = answer(&scene, &request);
        let head = &request[..request.len().min(80)];
        assert!(answer.starts_with(expected), "{head:?}\n{answer}");
    }
    goes_on(&scene, "after all of it");
}

#[test]
fn a_body_without_an_end_is_cut_off() {
    let scene = Scene::of(&["one"], "");
    let mut wire = Wire::open(&scene.home);
    wire.send("POST /v1/sync HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").expect("a head");
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x1_0000));
    let sent = (0..1_000).take_while(|_| wire.send(&chunk).is_ok()).count();
    let answer = wire.rest();
    assert!(sent < 200, "{sent} chunks of 64 KiB were taken");
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413"), "{answer}");
    goes_on(&scene, "after it");
}

#[test]
fn slow_requests_hold_nobody_up_and_are_ended() {
    let scene = Scene::of(&["one"], "");
    let began = Instant::now();
    let mut slow: Vec<Wire<UnixStream>> = (0..100).map(|_| Wire::open(&scene.home)).collect();
    for (number, wire) in slow.iter_mut().enumerate() {
        let begun = match number % 3 {
            0 => "GET /v1/sta",
            1 => "POST /v1/sync HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{",
            _ => "",
        };
        wire.send(begun).expect("a beginning");
    }
    goes_on(&scene, "beside a hundred slow ones");
    assert_eq!(Wire::open(&scene.home).get("/v1/status").status, 200);
    for wire in &mut slow {
        let answer = wire.rest(); // ends when the daemon closes
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
    let took = began.elapsed();
    assert!(took < Duration::from_secs(50), "the last slow one lived {took:?}");
}

/// Whoever asks and does not read what comes is given up after a while, event streams included.
#[test]
fn who_never_reads_is_ended() {
    let scene = Scene::of(&["one"], "");
    let descriptors = || {
        let listed = fs::read_dir(format!("/proc/{}/fd", scene.daemon.pid())).expect("the descriptors");
        let is_socket = |to: PathBuf| to.to_string_lossy().starts_with("socket:");
        listed.flatten().filter(|fd| fs::read_link(fd.path()).is_ok_and(is_socket)).count()
    };
    let before = descriptors();
    let request = "GET /v1/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(200);
    let deaf: Vec<Wire<UnixStream>> = (0..8)
        .map(|_| {
            let mut wire = Wire::open(&scene.home);
            wire.send(&request).expect("ten megabytes' worth of questions");
            wire
        })
        .collect();
    goes_on(&scene, "beside those who do not listen");
    let open = descriptors();
    assert!(open > deaf.len(), "{open} sockets, {before} before"); // of those before, some may have been closed
    eventually(Duration::from_secs(60), "they have been given up", || match descriptors() {
        open if open <= before => Ok(()),
        open => Err(format!("{open} sockets, {before} before")),
    });
    for mut wire in deaf {
        assert!(wire.send("x").is_err(), "nobody is there any more");
    }
    goes_on(&scene, "after them");
}

#[test]
fn more_connections_than_are_served_wait_their_turn() {
    let scene = Scene::of(&["one"], "");
    let idle: Vec<Wire<UnixStream>> = (0..300).filter_map(|_| Wire::connect(&scene.home).ok()).collect();
    assert!(idle.len() > 256, "{}", idle.len());
    goes_on(&scene, "beside three hundred idle ones");
    // Behind them in the queue; served when the first of them have been idle for too long.
    assert_eq!(Wire::open(&scene.home).get("/v1/status").status, 200);
    let open = fs::read_dir(format!("/proc/{}/fd", scene.daemon.pid())).map(Iterator::count);
    assert!(open.is_err() || open.is_ok_and(|open| open < 400), "descriptors do not pile up");
}

#[test]
fn everything_of_ours_is_for_our_user_alone() {
    let scene = Scene::of(&["one"], "[http]\nlisten = \"127.0.0.1:0\"\n");
    let socket = socket(&scene.home);
    let state = scene.home.path().join("state/skillmeatd");
    for (path, mode) in [
        (socket.as_path(), 0o600),
        (socket.parent().expect("its directory"), 0o700),
        (&socket.with_file_name("cookies"), 0o700),
        (&state, 0o700),
        (&state.join("http-token"), 0o600),
    ] {
        let found = fs::metadata(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert_eq!(found.permissions().mode() & 0o777, mode, "{}", path.display());
    }
}

/// A command as another user of the machine. `None` when this test may not become one.
fn as_another_user(program: &str) -> Option<Command> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not root, so there is no other user to try with");
        return None;
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", program]);
    Some(command)
}

#[test]
fn another_user_can_neither_read_nor_call_anything() {
    let scene = Scene::of(&["one"], "[http]\nlisten = \"127.0.0.1:0\"\n");
    let socket = socket(&scene.home);
    let state = scene.home.path().join("state/skillmeatd");
    let http = scene.status()["http"].as_str().expect("an address").to_owned();
    // Somebody has opened the way to our directories; their own modes have to do.
    for way in [scene.home.path(), &scene.home.path().join("run"), &scene.home.path().join("state")] {
        fs::set_permissions(way, fs::Permissions::from_mode(0o755)).expect("an open way");
    }
    let curl = |arguments: &[&str]| {
        let mut command = as_another_user("curl")?;
        command
            .args(["--silent", "--show-error", "--max-time", "10", "--write-out", "%{http_code}"])
            .args(arguments);
        Some(finish(command, "", Duration::from_secs(30)))
    };
    let url = "http://skillmeatd/v1/status";
    let path = socket.to_str().expect("UTF-8");
    let Some(refused) = curl(&["--unix-socket", path, url]) else { return };
    assert_eq!((refused.status.code(), refused.stdout.as_str()), (Some(7), "000"), "{refused:?}");
    for secret in [state.join("http-token"), state.join("state.db"), socket.clone()] {
        let mut command = as_another_user("cat").expect("as before");
        command.arg(&secret);
        assert!(!finish(command, "", Duration::from_secs(10)).status.success(), "{}", secret.display());
    }
    // Even with every mode wide open, the daemon asks the kernel who is calling.
    fs::set_permissions(socket.parent().expect("it"), fs::Permissions::from_mode(0o777)).expect("a mode");
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).expect("a mode");
    let refused = curl(&["--unix-socket", path, url]).expect("as before");
    assert!(!refused.status.success() && refused.stdout == "000", "{refused:?}");
    // The port is open to all, and answers nobody without the token.
    let refused = curl(&[&format!("http://{http}/v1/status"), "--output", "/dev/null"]).expect("as before");
    assert_eq!(refused.stdout, "401", "{refused:?}");
    // And the owner is served all along.
    assert_eq!(Wire::open(&scene.home).get("/v1/status").status, 200);
}

#[test]
fn a_daemon_of_another_version_is_told_from_a_broken_one() {
    use std::io::{Read as _, Write as _};
    let home = crate::faults::scene::home(&["one"], "");
    let path = socket(&home);
    fs::create_dir_all(path.parent().expect("a directory")).expect("it");
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
    let other = std::thread::spawn(move || {
        for answer in ["{}", "{\"schema\": 2, \"everything\": \"else\"}"] {
            let (mut stream, _) = listener.accept().expect("a call");
            let _ = stream.read(&mut [0; 4096]);
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nserver: skillmeatd/9.9.9\r\nskillmeatd-protocol: {}\r\ncontent-length: {}\r\n\r\n{answer}",
                if answer == "{}" { 1 } else { 2 },
                answer.len()
            );
        }
    });
    for _ in 0..2 {
        let answer = crate::daemon::call(&home, &["status"]);
        assert_eq!(answer.status.code(), Some(1), "{answer:?}");
        assert!(
            answer.stderr.contains("skillmeatd/9.9.9") && answer.stderr.contains("restart"),
            "{answer:?}"
        );
    }
    other.join().expect("the other daemon");
}
