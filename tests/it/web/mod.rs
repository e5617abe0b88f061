//! SkillMeat's own paths, and ours beside them, as a client on the control socket sees them: no SkillMeat is needed.

mod client;
mod held;
mod openapi;
mod pages;
mod refresh;
mod refusals;
mod stale;
mod write;

use std::sync::Arc;
use std::thread;

use crate::daemon::{Daemon, call};
use crate::generate::{Mix, Recipe, generate};
use crate::home::Home;
use crate::interop::cache;

pub(crate) use client::Web;

/// A daemon that notices nothing by itself, so that what a request leads to cannot come from anything else.
const DEAF: &str = "database.create = \"standalone\"\n[watch]\nmode = \"poll\"\npoll_interval = \"1h\"\n";

/// A home of generated skills, a daemon that has looked at it once, and a client.
struct Scene {
    home: Arc<Home>,
    daemon: Daemon,
    web: Web,
}

impl Scene {
    fn of(skills: usize, settings: &str) -> Self {
        let home = Home::new();
        home.configure(settings);
        generate(
            &home.skillmeat(),
            Recipe { collection: "default", artifacts: skills, seed: 1, mix: Mix::Skills },
        );
        let home = Arc::new(home);
        let daemon = Daemon::start(&home);
        call(&home, &["sync"]).succeeded();
        let web = Web::of(&home);
        Self { home, daemon, web }
    }

    /// Number of the last reconcile: files are read in none but these.
    fn revision(&self) -> u64 {
        self.daemon.status().expect("an answer")["last_reconcile"]["revision"].as_u64().expect("a number")
    }

    /// Changes the database behind the daemon's back.
    fn change(&self, sql: &str) {
        let connection = rusqlite::Connection::open(self.home.cache_db()).expect("the cache");
        connection.busy_timeout(std::time::Duration::from_secs(5)).expect("patience");
        connection.execute_batch(sql).expect("the change");
    }

    /// The first refusal when this is asked for by a hundred clients at once, so that a slow machine does not make it a
    /// trickle.
    fn flooded(&self, target: &str, body: Option<&str>) -> client::Answer {
        for _ in 0..10 {
            let answers: Vec<_> = thread::scope(|scope| {
                let clients: Vec<_> =
                    (0..100).map(|_| scope.spawn(|| self.web.send("POST", target, body))).collect();
                clients.into_iter().map(|client| client.join().expect("an answer")).collect()
            });
            let odd = answers.iter().find(|answer| ![200, 429].contains(&answer.status));
            assert!(odd.is_none(), "{odd:?}");
            if let Some(refused) = answers.into_iter().find(|answer| answer.status == 429) {
                return refused;
            }
        }
        panic!("a thousand times {target}, and nobody was turned away");
    }

    /// `synced_at` of every row of the default collection, by artifact.
    fn stamps(&self) -> Vec<(String, serde_json::Value)> {
        let connection = cache::open(&self.home.cache_db()).expect("the cache");
        let members = cache::members(&connection).expect("its rows");
        members.into_iter().map(|(id, row)| (id, row["synced_at"].clone())).collect()
    }
}
