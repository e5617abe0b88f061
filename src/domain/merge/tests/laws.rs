//! What holds for any two sides.

use proptest::prelude::*;

use super::*;

/// The names a test world has; few, so that sides meet.
const NAMES: [&str; 4] = ["A", "B", "C", "D"];
const MEMBERS: [&str; 6] = ["a", "b", "c", "d", "zz", "yy"];

fn group() -> impl Strategy<Value = GroupValue> {
    let word = |words: &'static [&'static str]| proptest::sample::select(words).prop_map(str::to_owned);
    let members =
        proptest::collection::btree_set(word(&MEMBERS), 0..5).prop_map(Vec::from_iter).prop_shuffle();
    (
        word(&["", "d", "e"]),
        word(&["slate", "", "#ABC", "#aabbcc", "rose"]),
        word(&["layers", "", "i"]),
        -1..3_i64,
        members,
        proptest::option::of(Just(vec!["t".to_owned()])),
    )
        .prop_map(|(description, color, icon, position, members, tags)| GroupValue {
            description,
            color,
            icon,
            position,
            members: members.iter().map(|name| skill(name)).collect(),
            tags,
            visibility: None,
        })
}

fn some_groups() -> impl Strategy<Value = Groups> {
    proptest::collection::btree_map(proptest::sample::select(&NAMES[..]), group(), 0..4).prop_map(|by_name| {
        let mut groups = Groups::default();
        by_name.into_iter().for_each(|(name, value)| groups.push(name, value));
        groups
    })
}

fn some_tags() -> impl Strategy<Value = Tags> {
    let colors = proptest::sample::select(&["", "#aa0000", "#BB0000", "red"][..]);
    let descriptions = proptest::sample::select(&["", "d", "e"][..]);
    let tag = |((slug, (color, description)), named): ((&str, (&str, &str)), bool)| {
        let name = if named { slug.to_uppercase() } else { format!("{slug} named") };
        let value = TagValue { name, color: color.into(), description: Some(description.into()) };
        (slug.to_owned(), value)
    };
    let tag = ((proptest::sample::select(&["a", "b", "c"][..]), (colors, descriptions)), any::<bool>())
        .prop_map(tag);
    proptest::collection::vec(tag, 0..3).prop_map(|tags| tags.into_iter().collect())
}

/// A value as a database holds it.
fn as_db(groups: &Groups) -> Groups {
    let mut db = Groups::default();
    for (name, value) in groups.iter() {
        let mut value = spelling::group(value);
        value.members.retain(|member| !member.ends_with("zz") && !member.ends_with("yy"));
        value.tags.get_or_insert_default();
        value.visibility = Some("private".into());
        db.push(name, value);
    }
    db
}

fn as_file(groups: &Groups) -> Groups {
    let mut file = groups.clone();
    for value in file.by_name.values_mut() {
        (value.tags, value.visibility) = (None, None);
    }
    file
}

fn db_tags(tags: &Tags) -> Tags {
    tags.iter()
        .map(|(slug, tag)| (slug.clone(), TagValue { description: None, ..spelling::tag(tag) }))
        .collect()
}

impl World {
    fn with(db: &Groups, db_tags_of: &Tags, file: &Groups, file_tags: &Tags) -> Self {
        let mut world = Self::new();
        world.set_db_to(db);
        world.db.tags = db_tags(db_tags_of);
        world.file = FileSide { groups: as_file(file), tags: file_tags.clone(), ..FileSide::default() };
        world
    }

    fn set_db_to(&mut self, groups: &Groups) {
        let groups = as_db(groups);
        self.db.group_ids =
            groups.by_name.keys().map(|name| (name.clone(), format!("id of {name}"))).collect();
        self.db.groups = Some(groups);
    }
}

/// What the file means, as far as it has a place in the database.
fn told(groups: &Groups, members_too: bool) -> BTreeMap<String, GroupValue> {
    let told = |(name, value): (&String, &GroupValue)| {
        let mut value = GroupValue { tags: None, visibility: None, ..spelling::group(value) };
        value.members.retain(|member| members_too || !member.ends_with("zz") && !member.ends_with("yy"));
        (name.clone(), value)
    };
    groups.by_name.iter().map(told).collect()
}

fn plain_tags(tags: &Tags) -> BTreeMap<String, (String, String)> {
    tags.iter().map(|(slug, tag)| (slug.clone(), (tag.name.clone(), spelling::tag(tag).color))).collect()
}

impl World {
    /// Both sides say the same, as far as both can.
    fn assert_equal(&self) {
        assert_eq!(told(self.db.groups.as_ref().unwrap(), false), told(&self.file.groups, false));
        let defined: BTreeMap<_, _> = plain_tags(&self.file.tags);
        for (slug, tag) in plain_tags(&self.db.tags) {
            assert_eq!(defined.get(&slug), Some(&tag), "every tag here is loose, so all are defined");
        }
    }
}

/// Every value of a side, as text: what must not get lost.
fn values(groups: &Groups) -> BTreeSet<String> {
    let mut values = BTreeSet::new();
    for (name, value) in &groups.by_name {
        let value = spelling::group(value);
        values.insert(name.clone());
        values.extend(value.members.iter().map(|member| format!("{name} member {member}")));
        for (field, text) in
            [("description", &value.description), ("color", &value.color), ("icon", &value.icon)]
        {
            values.insert(format!("{name} {field} {text}"));
        }
        values.insert(format!("{name} position {}", value.position));
    }
    values
}

fn disputed(conflicts: &[Conflict]) -> BTreeSet<String> {
    let mut values = BTreeSet::new();
    for conflict in conflicts {
        let Subject::Group(name) = &conflict.subject else { continue };
        match (conflict.field, &conflict.theirs) {
            (Field::Whole, Some(Value::Group(group))) => {
                let mut groups = Groups::default();
                groups.push(name, group.clone());
                values.extend(laws::values(&groups));
            }
            (Field::Members, Some(Value::List(list))) => {
                values.extend(list.iter().map(|member| format!("{name} member {member}")));
            }
            (field, Some(Value::Text(text))) => {
                values.insert(format!("{name} {field} {text}"));
            }
            (field, Some(Value::Number(number))) => {
                values.insert(format!("{name} {field} {number}"));
            }
            _ => {}
        }
    }
    values
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn what_one_side_changed_is_what_both_have(
        base in some_groups(), changed in some_groups(), base_tags in some_tags(), changed_tags in some_tags(),
    ) {
        let mut world = World::with(&Groups::default(), &Tags::new(), &base, &base_tags);
        world.settle();
        let agreed = world.clone();

        // merge(b, b, y) = y
        world.file = FileSide { groups: as_file(&changed), tags: changed_tags, ..FileSide::default() };
        world.by_hand = true;
        let file = world.file.clone();
        let merged = world.settle();
        prop_assert_eq!(&world.file.groups, &file.groups);
        prop_assert_eq!(merged.file.groups, None);
        world.assert_equal();
        prop_assert!(merged.conflicts.iter().all(|conflict| conflict.field == Field::Name), "{:?}", merged.conflicts);

        // merge(b, x, b) = x
        let mut world = agreed;
        world.set_db_to(&changed);
        let db = world.db.clone();
        let merged = world.settle();
        let edits = merged.db.update_groups.values().filter(|edit| edit.members.is_none());
        prop_assert_eq!(edits.count(), merged.db.update_groups.len(), "only lost members are put back");
        prop_assert_eq!(told(world.db.groups.as_ref().unwrap(), false), told(db.groups.as_ref().unwrap(), false));
        world.assert_equal();
    }

    #[test]
    fn what_both_have_changed_alike_is_no_conflict(base in some_groups(), changed in some_groups()) {
        // merge(b, x, x) = x
        let none = Tags::new();
        let mut world = World::with(&Groups::default(), &none, &base, &none);
        world.settle();
        let changed = as_db(&changed);
        world.set_db_to(&changed);
        world.file.groups = as_file(&changed);
        world.by_hand = true;
        let merged = world.settle();
        prop_assert!(merged.conflicts.is_empty(), "{:?}", merged.conflicts);
        prop_assert!(merged.is_quiet(), "{:?}", merged);
    }

    /// From any two sides and any agreement: both sides are equal afterwards, a second merge is quiet (`settle` sees to
    /// that), and what is in neither was taken back by the other side or is kept as a conflict.
    #[test]
    fn nothing_is_lost(
        base in proptest::option::of(some_groups()), db in some_groups(), file in some_groups(),
        tags in (some_tags(), some_tags(), some_tags()), is_new in any::<bool>(),
    ) {
        let mut world = World::new();
        if let Some(base) = &base {
            world = World::with(&Groups::default(), &Tags::new(), base, &tags.0);
            world.settle();
        }
        let agreed = world.base.as_ref().map(|base| base.groups.clone()).unwrap_or_default();
        if is_new {
            world.reset();
        }
        world.set_db_to(&db);
        world.db.tags = db_tags(&tags.1);
        world.file = FileSide { groups: as_file(&file), tags: tags.2, ..FileSide::default() };
        world.by_hand = true;
        let before = world.clone();
        let merged = world.settle();
        world.assert_equal();

        let conflicts = disputed(&merged.conflicts);
        let (in_db, in_file, in_base) =
            (values(before.db.groups.as_ref().unwrap()), values(&before.file.groups), values(&agreed));
        let mut after = values(&world.file.groups);
        after.extend(values(world.db.groups.as_ref().unwrap()));
        let fresh = base.is_none() || is_new;
        for value in in_db.union(&in_file) {
            let is_default = [" description ", " color slate", " icon layers", " position 0"]
                .iter().any(|default| value.ends_with(default));
            let taken_back = !fresh && in_base.contains(value) && !(in_db.contains(value) && in_file.contains(value));
            let renamed = !merged.db.rename_groups.is_empty();
            prop_assert!(
                after.contains(value) || conflicts.contains(value) || taken_back || is_default || renamed,
                "{} is lost: {:?}", value, merged
            );
        }
        if is_new {
            for value in in_base.iter().filter(|value| !value.contains(' ')) {
                prop_assert!(after.contains(value), "{} is not recovered", value);
            }
        }
    }
}
