//! A text being edited, section by section, so that an edit costs the size of the section and not that of the file.

use std::collections::BTreeMap;

use toml_edit::Value;

use super::EditError;
use super::entry::Spot;
use super::place::{parse, place};
use super::scan::Section;
use super::value::NewValue;

/// The text, its sections, and the sections changed so far.
pub(super) struct Draft<'t> {
    text: &'t str,
    sections: &'t [Section<'t>],
    changed: BTreeMap<usize, String>,
}

impl<'t> Draft<'t> {
    pub(super) fn new(text: &'t str, sections: &'t [Section<'t>]) -> Self {
        Self { text, sections, changed: BTreeMap::new() }
    }

    /// A section's text as it is now.
    pub(super) fn section(&self, index: usize) -> &str {
        match self.changed.get(&index) {
            Some(text) => text,
            None => &self.text[self.sections[index].range.clone()],
        }
    }

    pub(super) fn replace(&mut self, index: usize, text: String) {
        self.changed.insert(index, text);
    }

    /// Whether any section differs from what it was.
    pub(super) fn is_changed(&self) -> bool {
        self.changed.iter().any(|(index, text)| self.text[self.sections[*index].range.clone()] != **text)
    }

    pub(super) fn exists(&self, spot: &Spot) -> Result<bool, EditError> {
        let text = self.section(spot.section);
        let document = parse(text).map_err(|error| self.place_error(spot, error))?;
        Ok(place(&document, &spot.path)?.is_some())
    }

    /// The value of a key, if the table has it and it is written as one value.
    pub(super) fn get(&self, spot: &Spot, key: &str) -> Result<Option<Value>, EditError> {
        let text = self.section(spot.section);
        let document = parse(text).map_err(|error| self.place_error(spot, error))?;
        match place(&document, &spot.path)?.as_ref().and_then(|table| table.get(key)) {
            None => Ok(None),
            Some(item) => match item.as_value() {
                Some(value) => Ok(Some(value.clone())),
                None => Err(EditError::Shape { path: key.to_owned() }),
            },
        }
    }

    pub(super) fn set(
        &mut self,
        spot: &Spot,
        key: &str,
        order: &[&str],
        value: NewValue<'_>,
    ) -> Result<(), EditError> {
        let text = self.section(spot.section);
        let document = parse(text).map_err(|error| self.place_error(spot, error))?;
        let Some(table) = place(&document, &spot.path)? else {
            return Err(EditError::Shape { path: key.to_owned() });
        };
        let text = table.set(text, key, order, value)?;
        self.replace(spot.section, text);
        Ok(())
    }

    pub(super) fn remove(&mut self, spot: &Spot, key: &str) -> Result<(), EditError> {
        let text = self.section(spot.section);
        let document = parse(text).map_err(|error| self.place_error(spot, error))?;
        if let Some(table) = place(&document, &spot.path)? {
            let text = table.remove(text, key)?;
            self.replace(spot.section, text);
        }
        Ok(())
    }

    /// The whole text.
    pub(super) fn finish(&self) -> String {
        let mut out = String::with_capacity(self.text.len() + 1024);
        let mut done = 0;
        for (index, text) in &self.changed {
            let range = &self.sections[*index].range;
            out.push_str(&self.text[done..range.start]);
            out.push_str(text);
            done = range.end;
        }
        out.push_str(&self.text[done..]);
        out
    }

    /// An error of a section's text, told with the line in the whole text.
    fn place_error(&self, spot: &Spot, error: EditError) -> EditError {
        error.below(self.text, self.sections[spot.section].range.start)
    }
}
