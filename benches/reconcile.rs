//! What a reconcile takes, from the files to the last committed row: everything for the first time, everything when
//! nothing changed, and one entry of the manifest that somebody changed.
//!
//! In process and without the loop around it; what a person sees from outside is measured by `compare`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark may stop at the first surprise"
)]

#[allow(dead_code, reason = "each benchmark uses a part")]
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, Instant};

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use skillmeatd::config::{Config, DatabaseCreate};
use skillmeatd::daemon::{Engine, Findings};
use skillmeatd::domain::dirty::{Dirt, ScanScope};
use skillmeatd::paths::{Environment, Paths, create_private};
use tempfile::TempDir;
use tokio::runtime::Runtime;

fn config() -> Config {
    let mut config = Config::default();
    config.database.create = DatabaseCreate::Standalone;
    config
}

/// The tree of `home`, with a state directory and a cache of their own.
fn fresh(home: &TempDir, aside: &TempDir, runtime: &Runtime) -> Engine {
    let mut paths = Paths::new(&Environment::under(home.path())).unwrap();
    paths.state_dir = aside.path().join("state");
    paths.cache_db = aside.path().join("cache/cache.db");
    create_private(&paths.state_dir).unwrap();
    runtime.block_on(Engine::open(paths, config())).unwrap()
}

fn look(engine: &mut Engine, scope: &ScanScope, runtime: &Runtime) -> Findings {
    let findings = runtime.block_on(engine.reconcile(scope, *scope == ScanScope::All));
    assert_eq!(findings.setback, None);
    findings
}

fn reconciles(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut group = criterion.benchmark_group("reconcile");
    group.sample_size(10);
    for count in [100, 1_000, 10_000] {
        let home = tempfile::tempdir().unwrap();
        tree::write(&home.path().join(".skillmeat"), count);

        group.bench_function(BenchmarkId::new("cold", count), |bencher| {
            bencher.iter_batched(
                || {
                    let aside = tempfile::tempdir().unwrap();
                    (fresh(&home, &aside, &runtime), aside)
                },
                |(mut engine, aside)| {
                    let findings = look(&mut engine, &ScanScope::All, &runtime);
                    assert_eq!(findings.cost.read, count);
                    (engine, aside)
                },
                BatchSize::PerIteration,
            );
        });

        let aside = tempfile::tempdir().unwrap();
        let mut engine = fresh(&home, &aside, &runtime);
        // A reading of files changed just now proves nothing: wait for the clock to leave them behind.
        let deadline = Instant::now() + Duration::from_secs(10);
        while look(&mut engine, &ScanScope::All, &runtime).cost.read > 0 {
            assert!(Instant::now() < deadline, "the tree does not settle");
        }
        runtime.block_on(async {
            engine.persist().await;
            engine.copy_log().await;
        });
        group.bench_function(BenchmarkId::new("nothing changed", count), |bencher| {
            bencher.iter(|| {
                let findings = look(&mut engine, &ScanScope::All, &runtime);
                assert_eq!((findings.cost.read, findings.cost.compared), (0, 0));
            });
        });

        let manifest = home.path().join(".skillmeat/collections/default/collection.toml");
        let dirt = Dirt::Parts { manifest: true, paths: BTreeSet::new() };
        let scope = ScanScope::Collections(BTreeMap::from([("default".to_owned(), dirt)]));
        let text = fs::read_to_string(&manifest).unwrap();
        let mut edits = 0;
        group.bench_function(BenchmarkId::new("one entry", count), |bencher| {
            bencher.iter_custom(|iterations| {
                let mut took = Duration::ZERO;
                for _ in 0..iterations {
                    edits += 1;
                    let edited = text.replacen("Use this skill to", &format!("Edit {edits}:"), 1);
                    fs::write(&manifest, edited).unwrap();
                    let start = Instant::now();
                    let findings = look(&mut engine, &scope, &runtime);
                    took += start.elapsed();
                    assert_eq!(findings.reconciled.rows, 1);
                    runtime.block_on(engine.persist());
                }
                took
            });
        });
    }
    group.finish();
}

criterion_group!(benches, reconciles);
criterion_main!(benches);
