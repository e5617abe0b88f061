//! skillmeatd beside the real SkillMeat 0.74.0: the same files, the same machine, one run, a table with ratios.
//!
//! ```text
//! cargo bench --bench compare                     # everything, about ten minutes, most of it SkillMeat's
//! cargo bench --bench compare -- cold idle        # some parts
//! cargo bench --bench compare -- --quick          # small sizes, to see whether it works
//! ```
//!
//! What this does not do: judge. A number without the machine under it says little, so the machine comes first.
#![allow(clippy::expect_used, clippy::panic, reason = "a measurement that cannot go on is over")]

mod checkout;
mod cold;
mod control;
mod edit;
mod idle;
mod page;
mod report;

/// The harness of the integration tests: homes, processes, SkillMeat.
#[path = "../../tests/it"]
#[allow(dead_code, reason = "the measurements use a part of what the tests use")]
mod it {
    pub(crate) mod child;
    pub(crate) mod control {
        pub(crate) mod wire;
    }
    pub(crate) mod daemon;
    pub(crate) mod generate;
    pub(crate) mod home;
    pub(crate) mod interop {
        pub(crate) mod api;
        pub(crate) mod cache;
        pub(crate) mod http;
        pub(crate) mod skillmeat;
        pub(crate) mod venv;
    }
    pub(crate) mod web {
        pub(crate) mod client;
    }
}

use it::{child, daemon, generate, home, interop};

use std::sync::Arc;
use std::time::Duration;

use generate::{Mix, Recipe, generate};
use home::Home;
use interop::skillmeat::SkillMeat;
use report::Report;

/// Longest a measurement waits for what it measures.
const PATIENCE: Duration = Duration::from_secs(120);

/// How big the measurements are.
#[derive(Clone, Copy)]
struct Sizes {
    /// Collections that both sides populate.
    cold: &'static [usize],
    /// A collection only the daemon populates: SkillMeat would take an hour.
    cold_alone: usize,
    /// The collection behind the list page, and behind the edits.
    page: usize,
    /// Edits that are timed.
    edits: usize,
    /// Barriers that are timed, and half the list pages.
    requests: usize,
    /// Artifacts that appear at once.
    checkout: usize,
    /// Skills of three files each that lie still.
    idle: usize,
    /// How long stillness is watched.
    stillness: Duration,
}

const FULL: Sizes = Sizes {
    cold: &[100, 1_000],
    cold_alone: 10_000,
    page: 1_000,
    edits: 200,
    requests: 1_000,
    checkout: 5_000,
    idle: 3_334,
    stillness: Duration::from_secs(60),
};

const QUICK: Sizes = Sizes {
    cold: &[20],
    cold_alone: 200,
    page: 60,
    edits: 20,
    requests: 100,
    checkout: 200,
    idle: 100,
    stillness: Duration::from_secs(5),
};

/// A part of the comparison.
type Part = fn(Sizes, &mut Report);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --all-targets` runs benches, too, without this word.
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("the comparison runs with `cargo bench --bench compare`");
        return;
    }
    let parts: [(&str, Part); 6] = [
        ("cold", cold::measure),
        ("page", page::measure),
        ("control", control::measure),
        ("edit", edit::measure),
        ("checkout", checkout::measure),
        ("idle", idle::measure),
    ];
    let wanted: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with("--")).collect();
    if let Some(unknown) = wanted.iter().find(|word| !parts.iter().any(|(name, _)| name == *word)) {
        let names = parts.map(|(name, _)| name).join(", ");
        eprintln!("there is no part `{unknown}`; there are: {names}");
        std::process::exit(2);
    }
    let sizes = if arguments.iter().any(|argument| argument == "--quick") { QUICK } else { FULL };
    let mut report = Report::new();
    for (name, measure) in parts {
        if wanted.is_empty() || wanted.iter().any(|word| *word == name) {
            eprintln!("measuring: {name}");
            measure(sizes, &mut report);
        }
    }
    print!("{report}");
}

/// A home with an empty collection and a cache that SkillMeat's command line made.
fn empty_home() -> Home {
    let home = Home::new();
    SkillMeat::new(&home).run(&["init", "--name", "default"]);
    SkillMeat::new(&home).make_cache();
    home
}

/// The same with `artifacts` skills of three files in the collection, none of them in the cache.
fn home_of(artifacts: usize) -> Arc<Home> {
    let home = empty_home();
    fill(&home, artifacts);
    Arc::new(home)
}

/// Puts `artifacts` skills into the default collection.
fn fill(home: &Home, artifacts: usize) {
    generate(&home.skillmeat(), Recipe { collection: "default", artifacts, seed: 1, mix: Mix::Skills });
}
