//! Taking typed values out of a parsed table, with a note wherever a value is not of the type it should be.

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::place::Notes;

/// A value cannot be taken at all; the note says why.
pub(super) struct WrongType;

/// A text, or a number, truth value or date where a text was meant (`version = 1.0`), which is read as it is written.
pub(super) fn text(
    table: &DeTable<'_>,
    key: &str,
    label: &str,
    notes: &mut Notes<'_>,
) -> Result<Option<String>, WrongType> {
    let Some(value) = table.get(key) else { return Ok(None) };
    scalar(value, key, label, notes).map(Some)
}

/// All items of an array as texts.
pub(super) fn texts(
    items: &DeArray<'_>,
    key: &str,
    label: &str,
    notes: &mut Notes<'_>,
) -> Result<Vec<String>, WrongType> {
    items.iter().map(|item| scalar(item, key, label, notes)).collect()
}

fn scalar(
    value: &Spanned<DeValue<'_>>,
    key: &str,
    label: &str,
    notes: &mut Notes<'_>,
) -> Result<String, WrongType> {
    let written = match value.get_ref() {
        DeValue::String(text) => return Ok(text.clone().into_owned()),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Datetime(date) => date.to_string(),
        DeValue::Array(_) | DeValue::Table(_) => {
            let message = format!("{label}`{key}` must be a string, not {}", kind_of(value));
            notes.add(value.span().start, message);
            return Err(WrongType);
        }
    };
    notes.add(value.span().start, format!("{label}`{key}` must be a string; it is read as \"{written}\""));
    Ok(written)
}

/// Where a key's value is, or `otherwise` when there is none.
pub(super) fn place(table: &DeTable<'_>, key: &str, otherwise: usize) -> usize {
    table.get(key).map_or(otherwise, |value| value.span().start)
}

/// Whether Python can walk through it: SkillMeat takes a string or a table where a list belongs, though not as meant.
pub(super) fn is_iterable(value: &Spanned<DeValue<'_>>) -> bool {
    matches!(value.get_ref(), DeValue::Array(_) | DeValue::Table(_) | DeValue::String(_))
}

/// A value's type, with its article.
pub(super) fn kind_of(value: &Spanned<DeValue<'_>>) -> &'static str {
    match value.get_ref() {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "a truth value",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}
