//! Bringing `groups` and `tag_definitions` to what they shall hold.
//!
//! Both are lists of tables, written as `[[…]]` headers or as one inline array; the form a file has is kept, because both
//! forms in one file are no TOML. A table is found by its key (a group's name, a tag's slug), changed where it stands, and
//! goes with the comments directly above it. A new list is written where and as SkillMeat's writer would.
//!
//! An entry that the manifest reader cannot read is never touched, and none of the same name is put beside it: a problem
//! is not an absence. Of two entries with one key the first counts and the second stays as it is.
//!
//! What this module does not do: decide what the lists shall hold, or set `[collection].updated`.

mod items;
mod sequence;
mod splices;
mod target;

use std::collections::BTreeSet;

use toml_edit::Item as Node;

use super::EditError;
use super::place::parse;
use super::scan::{Section, indent, line_end, newline, sections};
use crate::domain::manifest;
use items::{Form, Item};
use sequence::{Placed, sequence};
use splices::Splices;
pub(super) use target::Target;
use target::{Entry, Read};

/// The text with the list as wanted; the same text when it reads so already.
pub(super) fn apply(text: &str, target: &Target) -> Result<String, EditError> {
    let parts = sections(text)?;
    let out = match items::find(text, &parts, target.key())? {
        Form::Absent => added(text, &parts, target)?,
        Form::Inline(items) if items.is_empty() && target.entries.is_empty() => return Ok(text.to_owned()),
        Form::Inline(items) if items.is_empty() => {
            let text = without_key(text, target.key())?;
            added(&text, &sections(&text)?, target)?
        }
        Form::Inline(items) => {
            let list = List { text, target, items: &items, inline: true };
            match list.changed()? {
                (out, true) => without_key(&out, target.key())?,
                (out, false) => out,
            }
        }
        Form::Tables(items) => List { text, target, items: &items, inline: false }.changed()?.0,
    };
    if out != text {
        check(&out, target)?;
    }
    Ok(out)
}

/// A list that has entries.
struct List<'a> {
    text: &'a str,
    target: &'a Target,
    items: &'a [Item],
    inline: bool,
}

impl List<'_> {
    /// The text with the list changed, and whether no entry is left.
    fn changed(&self) -> Result<(String, bool), EditError> {
        let mut read: Vec<Read> =
            self.items.iter().map(|item| self.target.read(&self.standing(item))).collect();
        self.target.rename(&mut read);
        let new = sequence(self.target, &read);
        let kept: Vec<usize> = new.iter().filter_map(Placed::kept).collect();
        let mut splices = Splices::new(self.text);
        for (index, item) in self.items.iter().enumerate() {
            if !kept.contains(&index) {
                splices.cut(item.cut.clone());
                item.apart.iter().for_each(|range| splices.cut(range.clone()));
            }
        }
        let slots = {
            let mut slots = kept.clone();
            slots.sort_unstable();
            slots
        };
        let mut uncommaed = BTreeSet::new();
        let own_lines = slots.iter().zip(&kept).all(|(slot, index)| {
            slot == index || self.items[*slot].own_lines && self.items[*index].own_lines
        });
        for (slot, index) in slots.iter().zip(&kept) {
            self.fill(&mut splices, *slot, *index, &read, own_lines)?;
            // What moves as a line has its comma.
            if slot == index || !own_lines {
                uncommaed.extend(self.items[*slot].lacks_comma.then_some(*slot));
            }
        }
        self.put_in(&mut splices, &new, &slots, &uncommaed);
        Ok((splices.finish(self.target.key())?, new.is_empty()))
    }

    /// An entry as a text of its own, which reads as the list with that one entry.
    fn standing(&self, item: &Item) -> String {
        let body = &self.text[item.body.clone()];
        if self.inline {
            return format!("{} = [{body}]", self.target.key());
        }
        let mut standing = body.to_owned();
        for apart in &item.apart {
            standing.push('\n');
            standing.push_str(&self.text[apart.clone()]);
        }
        standing
    }

    /// An entry's text as it shall be; `None` when it stays as it is.
    fn body(&self, index: usize, read: &[Read]) -> Result<Option<String>, EditError> {
        let (target, item) = (self.target, &self.items[index]);
        let Read::Entry(have) = &read[index] else { return Ok(None) };
        let first = read.iter().position(|read| read.id() == Some(have.id.as_str()));
        let Some(want) = target.entry(&have.id).filter(|_| first == Some(index)) else { return Ok(None) };
        if target.holds(have, want) {
            return Ok(None);
        }
        let body = &self.text[item.body.clone()];
        if !self.inline {
            return target.edited(body, have, want).map(Some);
        }
        let edited = target.edited(&self.standing(item), have, want)?;
        let inner = edited.split_once('[').and_then(|(_, inner)| inner.strip_suffix(']'));
        inner.map(|inner| Some(inner.to_owned())).ok_or(EditError::SectionNotKept { section: target.key() })
    }

    /// Puts the entry `index` where the entry `slot` stands.
    fn fill(
        &self,
        splices: &mut Splices<'_>,
        slot: usize,
        index: usize,
        read: &[Read],
        own_lines: bool,
    ) -> Result<(), EditError> {
        let body = self.body(index, read)?;
        let (place, item) = (&self.items[slot], &self.items[index]);
        if slot == index {
            if let Some(body) = body {
                splices.replace(item.body.clone(), body);
            }
            return Ok(());
        }
        if !place.apart.is_empty() || !item.apart.is_empty() {
            return Err(EditError::Shape { path: self.target.key().to_owned() });
        }
        let body = body.as_deref().unwrap_or(&self.text[item.body.clone()]);
        if !own_lines {
            splices.replace(place.body.clone(), body);
            return Ok(());
        }
        let above = &self.text[item.whole.start..item.body.start];
        let comma = if item.lacks_comma { "," } else { "" };
        let below = &self.text[item.body.end..item.whole.end];
        let mut moved = format!("{above}{body}{comma}{below}");
        if !moved.ends_with('\n') {
            moved.push_str(newline(self.text));
        }
        splices.replace(place.whole.clone(), moved);
        Ok(())
    }

    /// Puts the new entries in, each behind the entry it follows.
    fn put_in(
        &self,
        splices: &mut Splices<'_>,
        new: &[Placed],
        slots: &[usize],
        uncommaed: &BTreeSet<usize>,
    ) {
        let mut slots_passed = 0_usize;
        let mut run: Vec<&Entry> = Vec::new();
        for placed in new.iter().map(Some).chain([None]) {
            match placed {
                Some(Placed::New(wanted)) => run.extend(self.target.entries.get(*wanted)),
                Some(Placed::Kept(_)) | None => {
                    if !run.is_empty() {
                        let behind = slots_passed.checked_sub(1).and_then(|last| slots.get(last));
                        if let Some(last) = behind.filter(|behind| uncommaed.contains(*behind)) {
                            splices.insert(self.items[*last].body.end, ",");
                        }
                        self.put_run(splices, &run, behind.copied(), slots.get(slots_passed).copied());
                        run.clear();
                    }
                    slots_passed += 1;
                }
            }
        }
    }

    /// New entries behind one that stays, or before the first that does, or in place of all.
    fn put_run(
        &self,
        splices: &mut Splices<'_>,
        run: &[&Entry],
        behind: Option<usize>,
        before: Option<usize>,
    ) {
        let newline = newline(self.text);
        let Some(anchor) = behind.or(before).or(Some(0)).and_then(|anchor| self.items.get(anchor)) else {
            return;
        };
        if !self.inline {
            let block = tables(self.target, run, newline);
            match (behind, before) {
                (Some(_), _) => {
                    splices.insert(anchor.behind, parted(self.text, anchor.behind, &block, anchor.behind));
                }
                (None, Some(_)) => splices.insert(anchor.whole.start, format!("{block}{newline}")),
                (None, None) => {
                    let cuts = self.items.iter().map(|item| &item.cut);
                    let end =
                        cuts.fold(0, |end, cut| if end == 0 || cut.start <= end { cut.end } else { end });
                    splices.insert(anchor.cut.start, parted(self.text, anchor.cut.start, &block, end));
                }
            }
            return;
        }
        let texts: Vec<String> = run.iter().map(|entry| self.target.inline(entry)).collect();
        match (behind, anchor.own_lines) {
            (_, true) => {
                let indent = indent(self.text, anchor.body.start);
                let lines: String = texts.iter().map(|text| format!("{indent}{text},{newline}")).collect();
                splices.insert(if behind.is_some() { anchor.behind } else { anchor.whole.start }, lines);
            }
            (Some(_), false) => splices.insert(anchor.behind, format!(", {}", texts.join(", "))),
            (None, false) => {
                let comma = if before.is_some() { ", " } else { "" };
                splices.insert(anchor.body.start, format!("{}{comma}", texts.join(", ")));
            }
        }
    }
}

/// The text with a list it does not have yet.
fn added(text: &str, parts: &[Section<'_>], target: &Target) -> Result<String, EditError> {
    if target.entries.is_empty() {
        return Ok(text.to_owned());
    }
    let newline = newline(text);
    let mut splices = Splices::new(text);
    if target.fits_inline() {
        let lines: String =
            target.entries.iter().map(|entry| format!("    {},{newline}", target.inline(entry))).collect();
        let at = items::place_of_array(text, parts, target.key())?;
        let lead = if at > 0 && !text[..at].ends_with('\n') { newline } else { "" };
        // A blank line before what is not another key.
        let fits = at < parts[0].body_end || text[at..].is_empty() || starts_blank(&text[at..]);
        let tail = if fits { "" } else { newline };
        splices.insert(at, format!("{lead}{} = [{newline}{lines}]{newline}{tail}", target.key()));
    } else {
        let new: Vec<&Entry> = target.entries.iter().collect();
        let at = items::place_of_tables(text, parts, target.key());
        splices.insert(at, parted(text, at, &tables(target, &new, newline), at));
    }
    splices.finish(target.key())
}

/// New `[[…]]` tables with a blank line between two.
fn tables(target: &Target, new: &[&Entry], newline: &str) -> String {
    new.iter().map(|entry| target.table(entry, newline)).collect::<Vec<_>>().join(newline)
}

/// Tables to be put in where a line ends, parted by blank lines from what is above and from what follows from `below` on.
fn parted(text: &str, at: usize, block: &str, below: usize) -> String {
    let newline = newline(text);
    let lead = match &text[..at] {
        above if above.is_empty() || ends_blank(above) => "",
        above if above.ends_with('\n') => newline,
        _ => return format!("{newline}{newline}{block}"),
    };
    let below = &text[below..];
    let tail = if below.is_empty() || starts_blank(below) { "" } else { newline };
    format!("{lead}{block}{tail}")
}

fn ends_blank(text: &str) -> bool {
    text.ends_with("\n\n") || text.ends_with("\n\r\n")
}

fn starts_blank(text: &str) -> bool {
    text.lines().next().is_none_or(|line| line.trim().is_empty())
}

/// The text without the key of an empty inline list; comments in it stay.
fn without_key(text: &str, key: &'static str) -> Result<String, EditError> {
    let parts = sections(text)?;
    let (root, rest) = text.split_at(parts[0].range.end);
    let document = parse(root)?;
    let Some(table) = super::place::place(&document, &[])? else { return Ok(text.to_owned()) };
    let end = table.get(key).and_then(Node::span).map_or(root.len(), |span| line_end(text, span.end));
    let out = format!("{}{rest}", table.remove(root, key)?);
    let (above, below) = out.split_at(out.len() - (text.len() - end));
    if above.is_empty() || ends_blank(above) {
        // The blank line that parted the list from what follows would be the text's first, or the second of two.
        let less = below.strip_prefix("\r\n").or_else(|| below.strip_prefix('\n'));
        return Ok(format!("{above}{}", less.unwrap_or(below)));
    }
    // Comments that stay are not those of the next header.
    let is_comment = |line: &&str| line.trim_start().starts_with('#');
    let header =
        below.lines().find(|line| !is_comment(line)).is_some_and(|line| line.trim_start().starts_with('['));
    let joined = header && above.lines().next_back().is_some_and(|line| is_comment(&line));
    let tail = if joined { newline(text) } else { "" };
    Ok(format!("{above}{tail}{below}"))
}

/// Reads the list back from a new text.
fn check(text: &str, target: &Target) -> Result<(), EditError> {
    let parts = sections(text)?;
    let owned = |section: &&Section<'_>| {
        section.path.first().is_none_or(|first| first == "groups" || first == "tag_definitions")
    };
    let alone: String = parts.iter().filter(owned).map(|section| &text[section.range.clone()]).collect();
    let reads = manifest::read_lists(&alone).is_some_and(|read| target.is_in(&read));
    if reads { Ok(()) } else { Err(EditError::SectionNotKept { section: target.key() }) }
}
