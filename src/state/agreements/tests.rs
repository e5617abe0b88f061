use super::*;
use crate::domain::model::Kind;
use crate::state::tests::{open, reopen};

fn agreement<'a>(
    base: &'a &'static str,
    seen: &'a [(&'static str, String)],
    conflicts: &'a BTreeMap<String, String>,
) -> Agreement<'a, &'static str, String> {
    Agreement { collection: "default", base, seen, conflicts }
}

fn conflicts(of: &[(&str, &str)]) -> BTreeMap<String, String> {
    of.iter().map(|(id, text)| ((*id).to_owned(), (*text).to_owned())).collect()
}

#[tokio::test]
async fn an_agreement_is_there_again_with_all_that_belongs_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let state = open(&dir).await;
    let seen = [("groups", "g1".to_owned()), ("tags", "t1".to_owned()), ("groups", "g2".to_owned())];
    let told = conflicts(&[("c1", "first"), ("c2", "other")]);
    state.save_agreement(&agreement(&"one", &seen, &told), 5).await.unwrap();
    let again = conflicts(&[("c1", "told anew")]);
    state.save_agreement(&agreement(&"two", &[], &again), 6).await.unwrap();

    let state = reopen(&dir, state).await;
    assert_eq!(
        state.agreements::<String>().await.unwrap(),
        BTreeMap::from([("default".into(), "two".into())])
    );
    assert_eq!(
        state.seen_sections().await.unwrap(),
        BTreeMap::from([
            (("default".to_owned(), "groups".to_owned()), vec!["g1".to_owned(), "g2".to_owned()]),
            (("default".to_owned(), "tags".to_owned()), vec!["t1".to_owned()]),
        ])
    );
    let kept = state.conflicts::<String>().await.unwrap();
    let kept: Vec<_> = kept.iter().map(|c| (c.id.as_str(), c.conflict.as_str(), c.at_ms)).collect();
    assert_eq!(kept, [("c1", "first", 5), ("c2", "other", 5)]);
    state.forget_conflicts(&["c1".to_owned()]).await.unwrap();
    assert_eq!(state.conflicts::<String>().await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_last_two_hundred_sections_are_known_and_one_seen_again_is_the_newest() {
    let dir = tempfile::tempdir().unwrap();
    let state = open(&dir).await;
    let digests: Vec<_> = (0..KEPT_DIGESTS + 5).map(|n| ("groups", n.to_string())).collect();
    state.save_seen_sections("default", &digests).await.unwrap();
    state.save_seen_sections("default", &[("groups", "7".to_owned())]).await.unwrap();
    let seen = state.seen_sections().await.unwrap();
    let seen = &seen[&("default".to_owned(), "groups".to_owned())];
    assert_eq!(seen.len(), KEPT_DIGESTS);
    assert_eq!((seen[0].as_str(), seen[KEPT_DIGESTS - 1].as_str()), ("5", "7"));
}

#[tokio::test]
async fn agreed_tags_by_artifact() {
    let dir = tempfile::tempdir().unwrap();
    let state = open(&dir).await;
    let key = |name: &str| ("default".to_owned(), ArtifactId::new(Kind::Skill, name));
    let tags = |digest: u64, names: &[&str]| {
        Some((digest, names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()))
    };
    let changes = BTreeMap::from([
        (key("a"), tags(u64::MAX - 1, &["x", "ü y"])),
        (key("b"), tags(0, &[])),
        (key("c"), tags(3, &["z"])),
    ]);
    state.save_agreed_tags(&changes).await.unwrap();
    state.save_agreed_tags(&BTreeMap::from([(key("c"), None), (key("b"), tags(4, &["n"]))])).await.unwrap();
    let state = reopen(&dir, state).await;
    assert_eq!(
        state.agreed_tag_digests().await.unwrap(),
        BTreeMap::from([(key("a"), u64::MAX - 1), (key("b"), 4)])
    );
    let some = state.agreed_tags_of("default", [key("b").1, key("c").1].iter()).await.unwrap();
    assert_eq!(some, BTreeMap::from([(key("b").1, vec!["n".to_owned()])]));
}
