//! One changed field of one entry in a manifest of 1,000 and 5,000, and one changed group beside 50 groups and 100 tag
//! definitions: the edit alone, and with the write to disk.
//!
//! `first` and `last` are the entry's place: entries are searched from the end. `all lists` writes every group and
//! definition into a manifest that has none yet; `one member` adds one to one group of a manifest that has them all.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run has nothing to report")]

use std::convert::Infallible;
use std::fmt::Write as _;
use std::hint::black_box;

use chrono::NaiveDateTime;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use skillmeatd::domain::edit::{EntryEdit, FieldEdit, TextField, edit, edit_sections};
use skillmeatd::domain::model::{ArtifactId, Kind};
use skillmeatd::domain::owned::{GroupValue, Groups, SectionEdits, TagValue};
use skillmeatd::fs::write::rewrite;

/// A manifest as SkillMeat writes it, with about 700 bytes per entry.
fn manifest(entries: usize) -> String {
    let mut text = String::from(
        "[collection]\nname = \"default\"\nversion = \"1.0.0\"\ncreated = \"2026-01-01T00:00:00\"\n\
         updated = \"2026-01-01T00:00:00\"\n",
    );
    for n in 0..entries {
        write!(
            text,
            "\n[[artifacts]]\nname = \"artifact-{n:05}\"\ntype = \"skill\"\npath = \"skills/artifact-{n:05}\"\n\
             origin = \"github\"\nadded = \"2026-01-01T00:00:00\"\nupstream = \"https://github.com/a/b/tree/main/{n}\"\n\
             tags = [\n    \"alpha\",\n    \"beta\",\n    \"t{n}\",\n]\nuuid = \"00000000000000000000000000{n:06}\"\n\n\
             [artifacts.metadata]\ntitle = \"Artifact {n}\"\ndescription = \"{}\"\nauthor = \"A\"\nlicense = \"MIT\"\n\
             tools = [\n    \"Bash\",\n    \"Read\",\n]\n",
            "What it is for, at some length. ".repeat(8),
        )
        .unwrap();
    }
    text
}

fn one_title(n: usize, title: &str) -> Vec<EntryEdit> {
    let id = ArtifactId::new(Kind::Skill, format!("artifact-{n:05}"));
    vec![EntryEdit { id, fields: vec![FieldEdit::Text(TextField::Title, Some(title.to_owned()))] }]
}

/// 50 groups of ten members and 100 definitions, as the database has them.
fn lists() -> SectionEdits {
    let group = |n: usize| GroupValue {
        description: format!("What group {n} is for"),
        color: "slate".into(),
        icon: "layers".into(),
        position: i64::try_from(n).unwrap(),
        members: (0..10).map(|member| format!("skill:artifact-{:05}", n * 10 + member)).collect(),
        ..GroupValue::default()
    };
    let names: Vec<String> = (0..50).map(|n| format!("Group {n}")).collect();
    let by_name = names.iter().cloned().zip((0..50).map(group)).collect();
    let tag = |n: usize| TagValue { name: format!("Tag {n}"), color: "#112233".into(), description: None };
    SectionEdits {
        groups: Some(Groups { by_name, order: names }),
        tags: Some((0..100).map(|n| (format!("tag-{n}"), tag(n))).collect()),
        ..SectionEdits::default()
    }
}

/// The same with one more member in a group.
fn one_member_more(round: u64) -> SectionEdits {
    let mut edits = lists();
    let group = edits.groups.as_mut().and_then(|groups| groups.by_name.get_mut("Group 25")).unwrap();
    group.members.push(format!("skill:more-{round}"));
    edits
}

fn benches(c: &mut Criterion) {
    let now = NaiveDateTime::default();
    for entries in [1_000, 5_000] {
        let text = manifest(entries);
        for (place, n) in [("first", 0), ("last", entries - 1)] {
            let edits = one_title(n, "Another");
            c.bench_function(&format!("edit/{place} of {entries}"), |b| {
                b.iter(|| edit(black_box(&text), &edits, now).unwrap());
            });
        }
        let all = lists();
        c.bench_function(&format!("edit/all lists, {entries} artifacts"), |b| {
            b.iter(|| edit_sections(black_box(&text), &all, now).unwrap());
        });
        let with_lists = edit_sections(&text, &all, now).unwrap();
        let one = one_member_more(0);
        c.bench_function(&format!("edit/one member, {entries} artifacts"), |b| {
            b.iter(|| edit_sections(black_box(&with_lists), &one, now).unwrap());
        });
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("collection.toml");
        std::fs::write(&path, &text).unwrap();
        let mut round = 0_u64;
        c.bench_with_input(BenchmarkId::new("edit and write, last of", entries), &entries, |b, &entries| {
            b.iter(|| {
                round += 1;
                let edits = one_title(entries - 1, &round.to_string());
                let mut patch = |text: &str| Ok::<_, Infallible>(edit(text, &edits, now).unwrap());
                rewrite(&path, &mut patch, &mut |_| {}).unwrap()
            });
        });
        std::fs::write(&path, &with_lists).unwrap();
        c.bench_function(&format!("write back one member, {entries} artifacts"), |b| {
            b.iter(|| {
                round += 1;
                let edits = one_member_more(round);
                let mut patch = |text: &str| Ok::<_, Infallible>(edit_sections(text, &edits, now).unwrap());
                rewrite(&path, &mut patch, &mut |_| {}).unwrap()
            });
        });
    }
}

criterion_group!(all, benches);
criterion_main!(all);
