//! What a sync costs: a first mirror, finding nothing to do, and one changed row.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark may stop at the first surprise")]

use std::hint::black_box;
use std::path::PathBuf;

use chrono::NaiveDate;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use skillmeatd::db::Cache;
use skillmeatd::domain::compact::PackedRow;
use skillmeatd::domain::model::{ArtifactId, Kind, Row};
use skillmeatd::domain::plan::{Assignment, NewArtifact, NewTag, Plan, Upsert};
use skillmeatd::domain::rows::{Actual, Scope};
use tempfile::TempDir;
use tokio::runtime::Runtime;

fn row(n: usize, description: &str) -> Row {
    Row {
        description: Some(format!(
            "{description} {n}: what it does and when to use it, in a sentence or two"
        )),
        author: Some("Someone".to_owned()),
        license: Some("MIT".to_owned()),
        tags: vec![format!("tag-{}", n % 30), "common".to_owned()],
        tools: vec!["Bash".to_owned(), "Read".to_owned()],
        version: Some("1.0.0".to_owned()),
        content_hash: Some(format!("{n:064x}")),
        structure_hash: Some(format!("{n:064x}")),
        file_count: 3,
        total_size: 4096,
        source: Some("local".to_owned()),
        origin: Some("local".to_owned()),
        ..Row::default()
    }
}

fn id(n: usize) -> ArtifactId {
    ArtifactId::new(Kind::Skill, format!("artifact-{n:05}"))
}

fn first_plan(count: usize) -> Plan {
    Plan {
        sentinel: true,
        default_collection: true,
        new_artifacts: (0..count)
            .map(|n| NewArtifact { id: id(n), source: None, deployed_version: None })
            .collect(),
        new_tags: (0..30)
            .map(|n| format!("tag-{n}"))
            .chain(["common".to_owned()])
            .map(|tag| NewTag { name: tag.clone(), slug: tag })
            .collect(),
        upserts: (0..count)
            .map(|n| Upsert {
                collection: "default".to_owned(),
                artifact: id(n),
                row: row(n, "First").into(),
            })
            .collect(),
        tag: (0..count)
            .flat_map(|n| {
                [format!("tag-{}", n % 30), "common".to_owned()]
                    .map(|slug| Assignment { artifact: id(n), slug })
            })
            .collect(),
        ..Plan::default()
    }
}

fn change_one(actual: &Actual, n: usize, description: &str) -> Plan {
    let wanted = PackedRow::new(&row(n, description));
    let same = actual.memberships["default"].get(&id(n)).is_some_and(|found| found.row == wanted);
    let upserts = if same {
        vec![]
    } else {
        vec![Upsert { collection: "default".to_owned(), artifact: id(n), row: wanted }]
    };
    Plan { upserts, ..Plan::default() }
}

fn fresh(runtime: &Runtime) -> (TempDir, Cache) {
    let home = tempfile::tempdir().expect("a temporary directory");
    let path: PathBuf = home.path().join("cache.db");
    let cache = runtime
        .block_on(async { Cache::create_standalone(&path, home.path()).await.unwrap().usable().unwrap() });
    (home, cache)
}

fn benches(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let now = NaiveDate::from_ymd_opt(2026, 11, 21).unwrap().and_hms_opt(12, 0, 0).unwrap();

    let mut group = criterion.benchmark_group("cache/cold_upsert");
    group.sample_size(10);
    for count in [100, 1_000, 10_000] {
        let plan = first_plan(count);
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter_batched(
                || (fresh(&runtime), plan.clone()),
                |((home, mut cache), plan)| {
                    let mut plan = Some(plan);
                    let applied = runtime
                        .block_on(cache.sync(&Scope::All, now, |_, _| plan.take().unwrap_or_default()))
                        .unwrap();
                    (home, cache, black_box(applied))
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("cache/nothing_to_do");
    group.sample_size(20);
    for count in [100, 1_000, 10_000] {
        let (_home, mut cache) = fresh(&runtime);
        let plan = first_plan(count);
        runtime.block_on(cache.sync(&Scope::All, now, |_, _| plan.clone())).unwrap();
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter(|| {
                let applied = runtime
                    .block_on(cache.sync(&Scope::All, now, |actual, _| change_one(actual, 0, "First")));
                assert_eq!(applied.unwrap().transactions, 0);
            });
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("cache/one_row");
    for count in [100, 10_000] {
        let (_home, mut cache) = fresh(&runtime);
        let plan = first_plan(count);
        runtime.block_on(cache.sync(&Scope::All, now, |_, _| plan.clone())).unwrap();
        let scope = Scope::Artifacts([id(7)].into());
        let mut turn = 0_u32;
        group.bench_function(BenchmarkId::new("in", count), |bencher| {
            bencher.iter(|| {
                turn += 1;
                let text = format!("Edited {turn}");
                let applied =
                    runtime.block_on(cache.sync(&scope, now, |actual, _| change_one(actual, 7, &text)));
                assert_eq!(applied.unwrap().transactions, 1);
            });
        });
    }
    group.finish();
}

criterion_group!(cache, benches);
criterion_main!(cache);
