//! How long a scan takes: of everything for the first time, of everything when nothing changed, after a restart with
//! the stat cache, and of one artifact that was edited.

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
use std::time::{Duration, Instant, SystemTime};

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use skillmeatd::domain::dirty::{Dirt, ScanScope};
use skillmeatd::fs::scan::Scanner;

fn scans(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scan");
    group.sample_size(10);
    for count in [100, 1_000, 10_000] {
        let home = tempfile::tempdir().unwrap();
        tree::write(home.path(), count);
        let root = || home.path().to_path_buf();
        // A reading of files changed just now proves nothing: wait for the clock to leave them behind.
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut scanner = loop {
            let mut scanner = Scanner::new(root(), Vec::new());
            scanner.scan(&ScanScope::All, SystemTime::now()).unwrap();
            if scanner.scan(&ScanScope::All, SystemTime::now()).unwrap().stats.read == 0 {
                break scanner;
            }
            assert!(Instant::now() < deadline, "the tree does not settle");
        };
        let (rows, _) = scanner.take_dirty();
        assert_eq!(rows.len(), count);

        group.bench_function(BenchmarkId::new("cold", count), |bencher| {
            bencher.iter_batched(
                || Scanner::new(root(), Vec::new()),
                |mut scanner| {
                    scanner.scan(&ScanScope::All, SystemTime::now()).unwrap();
                    scanner
                },
                BatchSize::PerIteration,
            );
        });
        group.bench_function(BenchmarkId::new("restart", count), |bencher| {
            bencher.iter_batched(
                || rows.clone(),
                |rows| {
                    let mut scanner = Scanner::new(root(), rows);
                    scanner.scan(&ScanScope::All, SystemTime::now()).unwrap();
                    scanner
                },
                BatchSize::PerIteration,
            );
        });
        group.bench_function(BenchmarkId::new("nothing changed", count), |bencher| {
            bencher.iter(|| {
                scanner.scan(&ScanScope::All, SystemTime::now()).unwrap();
                scanner.confirm();
            });
        });
        let edited = tree::name(count / 2);
        let file = home.path().join("collections/default/skills").join(&edited).join("SKILL.md");
        let dirt = Dirt::Parts { manifest: false, paths: BTreeSet::from([format!("skills/{edited}")]) };
        let scope = ScanScope::Collections(BTreeMap::from([("default".to_owned(), dirt)]));
        let mut text = fs::read_to_string(&file).unwrap();
        group.bench_function(BenchmarkId::new("one artifact", count), |bencher| {
            bencher.iter_custom(|iterations| {
                let mut took = Duration::ZERO;
                for _ in 0..iterations {
                    text.push('x');
                    fs::write(&file, &text).unwrap();
                    let now = SystemTime::now();
                    let start = Instant::now();
                    let scanned = scanner.scan(&scope, now).unwrap();
                    took += start.elapsed();
                    assert_eq!(scanned.stats.read, 1);
                    drop(scanned);
                    scanner.confirm();
                }
                took
            });
        });
    }
    group.finish();
}

criterion_group!(benches, scans);
criterion_main!(benches);
