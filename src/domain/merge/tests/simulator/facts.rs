//! What somebody has said and nobody has taken back.

use super::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Database,
    File,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Exists,
    Text(Field, String),
    Position(i64),
    Member(String),
    Tag,
    Colour(String),
}

#[derive(Debug, Clone)]
struct Fact {
    /// Which group, by what it was first called, or tag.
    subject: String,
    what: What,
    said_on: Side,
    stands: bool,
}

#[derive(Debug, Default)]
pub(super) struct Facts {
    facts: Vec<Fact>,
    /// Every name that a group has had, by its first.
    names: BTreeMap<String, Vec<String>>,
    /// What was taken out of the file when a command wrote the file, before anybody had carried it.
    back: BTreeSet<String>,
}

type Sections<'a> = (&'a Groups, &'a Tags);

impl Facts {
    fn first_name(&self, name: &str) -> String {
        let known = self.names.iter().find(|(_, names)| names.iter().any(|other| other == name));
        known.map_or_else(|| name.to_owned(), |(first, _)| first.clone())
    }

    fn all_names(&self, fact: &Fact) -> Vec<String> {
        self.names.get(&fact.subject).cloned().unwrap_or_else(|| vec![fact.subject.clone()])
    }

    /// Whether the fact can be seen there.
    fn shows(&self, fact: &Fact, (groups, tags): Sections<'_>) -> bool {
        match &fact.what {
            What::Tag => return tags.contains_key(&fact.subject),
            What::Colour(color) => return tags.get(&fact.subject).is_some_and(|tag| tag.color == *color),
            _ => {}
        }
        let names = self.all_names(fact);
        names.iter().filter_map(|name| groups.by_name.get(name)).any(|group| in_group(&fact.what, group))
    }

    fn shows_in_base(&self, fact: &Fact, base: Option<&Agreed>) -> bool {
        base.is_some_and(|base| self.shows(fact, (&base.groups, &base.tags)))
    }

    /// Somebody says something who sees these sections.
    pub(super) fn hear(
        &mut self,
        side: Side,
        said: &Said,
        groups: &Groups,
        tags: &Tags,
        base: Option<&Agreed>,
    ) {
        let (name, new) = match said {
            Said::Made(name) => (name, Some(What::Exists)),
            Said::Deleted(name) | Said::Moved(name, _) | Said::Left(name, _) | Said::Undefined(name) => {
                (name, None)
            }
            Said::Renamed(old, new) => {
                let first = self.first_name(old);
                self.names.entry(first).or_insert_with(|| vec![old.clone()]).push(new.clone());
                return;
            }
            Said::Text(name, field, text) => (name, Some(What::Text(*field, text.clone()))),
            Said::Position(name, position) => (name, Some(What::Position(*position))),
            Said::Joined(name, member) => (name, Some(What::Member(member.clone()))),
            Said::Tag(slug) => (slug, Some(What::Tag)),
            Said::Colour(slug, color) => (slug, Some(What::Colour(color.clone()))),
        };
        let subject = self.first_name(name);
        let ends = |what: &What| match said {
            Said::Deleted(_) | Said::Undefined(_) => true,
            Said::Left(_, member) => *what == What::Member(member.clone()),
            Said::Text(_, field, _) => matches!(what, What::Text(other, _) if other == field),
            Said::Position(..) => matches!(what, What::Position(_)),
            Said::Colour(..) => matches!(what, What::Colour(_)),
            _ => false,
        };
        let ended: Vec<bool> = self
            .facts
            .iter()
            .map(|fact| {
                // A group goes with the members that it has lost to a lost row.
                let lost = matches!(said, Said::Deleted(_)) && matches!(fact.what, What::Member(_));
                let is_known = fact.said_on == side || self.shows_in_base(fact, base);
                let is_seen = lost && is_known || self.shows(fact, (groups, tags));
                fact.subject == subject && ends(&fact.what) && is_seen
            })
            .collect();
        self.end(ended);
        if let Some(what) = new {
            let fact = Fact { subject, what, said_on: side, stands: true };
            let is_same =
                |other: &Fact| other.stands && (&other.subject, &other.what) == (&fact.subject, &fact.what);
            // Who takes a member out and puts it in again before anybody has looked has said nothing.
            if !self.shows_in_base(&fact, base) && !self.facts.iter().any(is_same) {
                self.facts.push(fact);
            }
        }
    }

    fn end(&mut self, ended: Vec<bool>) {
        for (fact, ended) in self.facts.iter_mut().zip(ended) {
            fact.stands &= !ended;
        }
    }

    /// SkillMeat has written the file. Edits by hand that nobody had carried yet are gone, and not by our doing.
    pub(super) fn overwritten(
        &mut self,
        before: Sections<'_>,
        after: Sections<'_>,
        db: Sections<'_>,
        base: Option<&Agreed>,
    ) {
        let gone = |fact: &Fact| {
            self.shows(fact, before)
                && !self.shows(fact, after)
                && !self.shows(fact, db)
                && !self.shows_in_base(fact, base)
        };
        let gone = self.facts.iter().map(gone).collect();
        let back = |fact: &&Fact| !fact.stands && self.shows(fact, db);
        let back: Vec<String> = self.facts.iter().filter(back).map(|fact| fact.subject.clone()).collect();
        self.back.extend(back);
        self.end(gone);
    }

    /// The database is gone with all that was nowhere else.
    pub(super) fn database_lost(
        &mut self,
        file: Sections<'_>,
        garbled: Option<&(String, GroupValue)>,
        base: Option<&Agreed>,
    ) {
        let mut groups = file.0.clone();
        if let Some((name, value)) = garbled {
            groups.push(name, value.clone());
        }
        let gone = |fact: &Fact| {
            fact.said_on == Side::Database
                && !self.shows(fact, (&groups, file.1))
                && !self.shows_in_base(fact, base)
        };
        let gone = self.facts.iter().map(gone).collect();
        self.end(gone);
    }

    /// An artifact's row is gone, and with it the memberships that nobody else knows of.
    pub(super) fn row_lost(
        &mut self,
        member: &str,
        file: Sections<'_>,
        garbled: Option<&(String, GroupValue)>,
        base: Option<&Agreed>,
    ) {
        let mut groups = file.0.clone();
        if let Some((name, value)) = garbled {
            groups.push(name, value.clone());
        }
        let gone = |fact: &Fact| {
            fact.what == What::Member(member.to_owned())
                && fact.said_on == Side::Database
                && !self.shows(fact, (&groups, file.1))
                && !self.shows_in_base(fact, base)
        };
        let gone = self.facts.iter().map(gone).collect();
        self.end(gone);
    }

    fn in_conflict(&self, fact: &Fact, conflicts: &[Conflict]) -> bool {
        let names = self.all_names(fact);
        conflicts.iter().any(|conflict| {
            let is_it = match &conflict.subject {
                Subject::Group(name) => names.contains(name),
                Subject::Tag(slug) => *slug == fact.subject,
            };
            is_it
                && match (&fact.what, &conflict.theirs) {
                    (What::Text(field, text), Some(Value::Text(theirs))) => {
                        *field == conflict.field && text == theirs
                    }
                    (What::Colour(text), Some(Value::Text(theirs))) => text == theirs,
                    (What::Position(number), Some(Value::Number(theirs))) => number == theirs,
                    (What::Member(member), Some(Value::List(theirs))) => theirs.contains(member),
                    (what, Some(Value::Group(theirs))) => in_group(what, theirs),
                    (What::Tag, Some(Value::Tag(_))) => true,
                    (What::Colour(text), Some(Value::Tag(theirs))) => theirs.color == *text,
                    _ => false,
                }
        })
    }

    /// Both sides are equal and look like `sides`: every fact that stands is there or in a conflict; and if `strictly`,
    /// what was taken back is not there.
    pub(super) fn check(&self, sides: Sections<'_>, conflicts: &[Conflict], strictly: bool) {
        for fact in self.facts.iter().filter(|fact| fact.stands) {
            assert!(
                self.shows(fact, sides) || self.in_conflict(fact, conflicts),
                "{fact:?} ({:?}) is lost: {sides:#?} {conflicts:#?}",
                self.all_names(fact)
            );
        }
        if !strictly {
            return;
        }
        for name in sides.0.by_name.keys() {
            let first = self.first_name(name);
            let mut of_it = self.facts.iter().filter(|fact| fact.subject == first);
            let disputed = conflicts.iter().any(|conflict| match &conflict.subject {
                Subject::Group(of) => self.first_name(of) == first,
                Subject::Tag(_) => false,
            });
            let back = self.back.contains(&first);
            assert!(
                disputed || back || of_it.any(|fact| fact.stands),
                "{name} was deleted and is there again"
            );
        }
    }
}

fn in_group(what: &What, group: &GroupValue) -> bool {
    match what {
        What::Exists => true,
        What::Text(Field::Color, text) => group.color == *text,
        What::Text(Field::Icon, text) => group.icon == *text,
        What::Text(_, text) => group.description == *text,
        What::Position(position) => group.position == *position,
        What::Member(member) => group.members.contains(member),
        What::Tag | What::Colour(_) => false,
    }
}
