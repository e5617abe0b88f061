//! SkillMeat's web backend as a child process, and what its pages say.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::http::{Response, escape, request};
use super::skillmeat::environment;
use super::venv;
use crate::child::Running;
use crate::home::{Home, eventually};

/// Longest a request may take: the backend answers 504 after 30 s by itself.
const REQUEST: Duration = Duration::from_secs(40);

/// Longest a start may take; SkillMeat's tag sync at start grows faster than the collection.
const START: Duration = Duration::from_secs(300);

/// The backend on a free port of the loopback interface. Dropping it stops it.
pub(crate) struct Api {
    home: Arc<Home>,
    address: SocketAddr,
    running: Running,
}

impl Api {
    /// Starts it and waits until it serves, population of the cache included.
    pub(crate) fn start(home: &Arc<Home>) -> Self {
        Self::start_on(home, free_address())
    }

    fn start_on(home: &Arc<Home>, address: SocketAddr) -> Self {
        let mut api = Self { home: Arc::clone(home), address, running: spawn(home, address) };
        let mut attempts = 1;
        eventually(START, "the web backend serves", || {
            if let Some(status) = api.running.exited() {
                // Between finding a port free and using it, somebody else may have taken it.
                assert!(
                    attempts < 3 && api.running.log().contains("address already in use"),
                    "the web backend ended at once: {status}\n{}",
                    api.running.log()
                );
                attempts += 1;
                api.address = free_address();
                api.running = spawn(&api.home, api.address);
            }
            match request(api.address, "GET", "/health/live", None, REQUEST) {
                Ok(Response { status: 200, .. }) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
        api
    }

    /// Stops and starts it at the same address.
    pub(crate) fn restart(&mut self) {
        self.running.stop();
        *self = Self::start_on(&self.home, self.address);
    }

    /// Stops it; [`Self::restart`] starts it again.
    #[allow(dead_code, reason = "the comparison in benches/ never does")]
    pub(crate) fn stop(&mut self) {
        self.running.stop();
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    #[allow(dead_code, reason = "the comparison in benches/ looks into /proc")]
    pub(crate) fn pid(&self) -> u32 {
        self.running.pid()
    }

    pub(crate) fn log(&self) -> String {
        self.running.log()
    }

    /// The answer to `GET /api/v1{path}`, whatever its status. A frozen or restarting backend is an `Err`.
    pub(crate) fn get(&self, path: &str) -> Result<Value, String> {
        let (status, body) = self.send("GET", path, None)?;
        if status == 200 { Ok(body) } else { Err(format!("GET {path}: {status} {body}")) }
    }

    /// Sends a change and insists on success.
    pub(crate) fn change(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let (status, answer) =
            self.send(method, path, body).unwrap_or_else(|e| panic!("{method} {path}: {e}"));
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    /// Any request below `/api/v1`; the status and the parsed body, `null` when there is none.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(u16, Value), String> {
        // The backend locks an address out that sends the same request twenty times in ten seconds.
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let joint = if path.contains('?') { '&' } else { '?' };
        let target = format!("/api/v1{path}{joint}_={}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let body = body.map(Value::to_string);
        let answer = request(self.address, method, &target, body.as_deref(), REQUEST)
            .map_err(|e| format!("{method} {path}: {e}"))?;
        Ok((answer.status, serde_json::from_slice(&answer.body).unwrap_or(Value::Null)))
    }

    /// Every item of the default collection's pages, by artifact id.
    pub(crate) fn artifacts(&self) -> Result<BTreeMap<String, Value>, String> {
        let mut items = BTreeMap::new();
        let mut after = String::new();
        loop {
            let page = self.get(&format!("/user-collections/default/artifacts?limit=100{after}"))?;
            for item in page["items"].as_array().into_iter().flatten() {
                let id = item["id"].as_str().unwrap_or_default().to_owned();
                if items.insert(id.clone(), item.clone()).is_some() {
                    return Err(format!("{id} is listed twice"));
                }
            }
            match page["page_info"]["end_cursor"].as_str() {
                Some(cursor) if page["page_info"]["has_next_page"] == true => {
                    after = format!("&after={}", escape(cursor));
                }
                _ => return Ok(items),
            }
        }
    }
}

fn spawn(home: &Arc<Home>, address: SocketAddr) -> Running {
    let mut command = home.command(venv::bin().join("python"));
    environment(&mut command, Some(address));
    command
        .args([
            "-m",
            "uvicorn",
            "skillmeat.api.server:app",
            "--no-access-log",
            "--host",
            "127.0.0.1",
            "--port",
        ])
        .arg(address.port().to_string());
    Running::spawn("web-backend", command, &home.logs())
}

fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .expect("a free port on the loopback interface")
}
