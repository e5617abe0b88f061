//! Server and client together, over a real socket, with a daemon made of one closure.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tokio::net::UnixStream;

use super::super::client::{Client, ClientError};
use super::super::protocol::{Problems, Refusal, Resumed, VERSION};
use super::*;
use crate::domain::model::Problem;

struct Scene {
    _directory: tempfile::TempDir,
    path: PathBuf,
    client: Client,
    /// Dropped to stop.
    stop: watch::Sender<()>,
    loops: tokio::task::JoinHandle<()>,
    server: tokio::task::JoinHandle<()>,
}

fn serve_with(mut daemon: impl FnMut(Ask) + Send + 'static) -> Scene {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let recent = Recent {
        events: crate::control::events::Events::new("e"),
        metrics: crate::control::metrics::Metrics::new(0.0),
        trace: crate::control::trace::Trace::default(),
    };
    let (asks, mut questions) = mpsc::unbounded_channel();
    let (stop, stopped) = watch::channel(());
    let server = tokio::spawn(serve(bind(&path).unwrap(), router(asks, &recent), stopped));
    let loops = tokio::spawn(async move {
        while let Some(question) = questions.recv().await {
            daemon(question);
        }
    });
    Scene { client: Client::new(&path), path, stop, loops, server, _directory: directory }
}

#[tokio::test]
async fn an_answer_comes_from_the_daemon_itself() {
    let scene = serve_with(|ask| {
        if let Ask::Problems(answer) = ask {
            let problems = vec![Problem::new("collections/work", "is odd")];
            answer.send(Problems { schema: VERSION, problems }).unwrap();
        }
    });
    assert_eq!(scene.client.problems().await.unwrap().problems[0].message, "is odd");
}

#[tokio::test]
async fn a_body_reaches_the_daemon_and_a_refusal_comes_back_whole() {
    let scene = serve_with(|ask| {
        if let Ask::Resume { collection, answer } = ask {
            let reply = match collection.as_str() {
                "work" => Ok(Resumed { schema: VERSION, collection, removed: vec!["skill:a".into()] }),
                _ => Err(Refusal::new(404, "not halted", "nothing to resume")),
            };
            answer.send(reply).unwrap();
        }
    });
    assert_eq!(scene.client.resume("work").await.unwrap().removed, ["skill:a"]);
    match scene.client.resume("other").await {
        Err(ClientError::Refused(refusal)) => assert_eq!(refusal.title, "not halted"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_daemon_that_stops_before_it_answers_is_said_to_be_stopping() {
    let scene = serve_with(drop);
    match scene.client.status().await {
        Err(ClientError::Refused(refusal)) => assert_eq!(refusal.status, 503),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn whoever_waits_when_the_daemon_stops_is_told_and_nobody_is_waited_for() {
    let (asked, mut heard) = mpsc::unbounded_channel();
    let scene = serve_with(move |ask| asked.send(ask).unwrap());
    let client = Client::new(&scene.path);
    let waiting = tokio::spawn(async move { client.problems().await });
    // Asked, and never answered.
    let _kept = heard.recv().await.unwrap();
    let _idle = UnixStream::connect(&scene.path).await.unwrap();
    scene.loops.abort();
    drop(scene.stop);
    match waiting.await.unwrap() {
        Err(ClientError::Refused(refusal)) => assert_eq!(refusal.status, 503),
        other => panic!("{other:?}"),
    }
    tokio::time::timeout(std::time::Duration::from_secs(60), scene.server).await.unwrap().unwrap();
    assert!(!scene.path.exists());
}

#[tokio::test]
async fn nobody_behind_the_socket_is_not_running_and_a_stale_socket_is_taken_over() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let client = Client::new(&path);
    assert!(matches!(client.status().await, Err(ClientError::NotRunning(_))));
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    assert!(matches!(client.status().await, Err(ClientError::NotRunning(_))));
    let socket = bind(&path).unwrap();
    assert_eq!(bind(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse, "a live one is not taken over");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    drop(socket);
    assert!(!path.exists());
}

#[tokio::test]
async fn what_is_not_understood_is_refused_with_the_reason() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let scene = serve_with(drop);
    for (request, expected) in [
        ("GET /v2/status HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", "404"),
        ("DELETE /v1/status HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", "405"),
        ("POST /v1/resume HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}", "422"),
        (
            "POST /v1/resume HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 9999999\r\n\r\n{}",
            "413",
        ),
    ] {
        let mut stream = UnixStream::connect(&scene.path).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{request}\n{answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
    }
}

#[tokio::test]
async fn a_body_that_nobody_wants_is_taken_before_the_answer() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let scene = serve_with(drop);
    let mut stream = UnixStream::connect(&scene.path).await.unwrap();
    for (line, expected) in
        [("GET /v2/status", "404"), ("PATCH /v1/resume", "405"), ("GET /v1/history?x=1", "422")]
    {
        let head = format!("{line} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        for _ in 0..3 {
            // The daemon has had the time to answer, as it answers others.
            let _ = scene.client.status().await;
        }
        stream.write_all(b"{}").await.unwrap();
        let mut answer = [0; 4096];
        let length = stream.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]);
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{line}\n{answer}");
    }
}
