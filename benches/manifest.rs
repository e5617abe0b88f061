//! How long a `collection.toml` takes: parsed for the first time, after one entry changed, and unchanged.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark may stop at the first surprise"
)]

#[allow(dead_code, reason = "each benchmark uses a part")]
mod tree;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use skillmeatd::domain::manifest::parse;

fn manifests(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("manifest");
    group.sample_size(20);
    for count in [1_000, 5_000] {
        let text = tree::manifest(count);
        let before = text.as_bytes();
        // What every save of SkillMeat's changes: the time stamp, and the entry it is about.
        let changed = text.replace("01:00:00.000001", "02:00:00.000002").replacen(
            "license = \"MIT\"",
            "license = \"Apache-2.0\"",
            1,
        );
        let after = changed.as_bytes();
        // Triple quotes anywhere near an entry send the parser to the whole text.
        let whole = text.replacen("license = \"MIT\"", "license = \"\"\"MIT\"\"\"", 1);
        let previous = parse(before, None).unwrap();
        assert_eq!(previous.manifest.entries.len(), count);
        group.bench_function(BenchmarkId::new("first", count), |bencher| {
            bencher.iter(|| parse(before, None).unwrap());
        });
        group.bench_function(BenchmarkId::new("whole", count), |bencher| {
            bencher.iter(|| parse(whole.as_bytes(), None).unwrap());
        });
        group.bench_function(BenchmarkId::new("one entry changed", count), |bencher| {
            bencher.iter(|| parse(after, Some(&previous)).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, manifests);
criterion_main!(benches);
