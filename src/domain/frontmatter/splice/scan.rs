//! Where the keys and values of a frontmatter are written.
//!
//! What this module does not do: know what they mean; positions are bytes of a text whose line endings are `\n`.

use std::ops::Range;

use serde_yaml::granit_parser::{Event, Parser, ScalarStyle, StructureStyle};

/// A frontmatter written as a block mapping, or one without any key.
#[derive(Debug, Default)]
pub(super) struct Frontmatter {
    /// The blanks before each key.
    pub(super) indent: String,
    pub(super) entries: Vec<Entry>,
}

/// A key and its value.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    /// Where the key's line starts.
    pub(super) start: usize,
    /// Behind the colon.
    pub(super) colon: usize,
    /// Where the value ends.
    pub(super) end: usize,
    /// The value, if it is a scalar.
    pub(super) text: String,
    pub(super) value: Shape,
}

/// How a value is written.
#[derive(Debug)]
pub(super) enum Shape {
    /// There is none; it would stand here.
    Null(usize),
    Scalar(Range<usize>, ScalarStyle),
    /// A list of scalars in brackets, brackets included.
    Flow(Range<usize>, Vec<Item>),
    /// A list of scalars with a line each.
    Block(Vec<Item>),
    /// Anything else: nested, or with an anchor or a tag.
    Other,
}

/// A scalar of a list.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) text: String,
    pub(super) range: Range<usize>,
}

/// `None` when the text is not a block mapping of plain keys, each on a line of its own.
pub(super) fn scan(source: &str) -> Option<Frontmatter> {
    let mut scan =
        Scan { source, found: Frontmatter::default(), depth: 0, key: None, value: None, done: false };
    let options = serde_yaml::granit_parser::options! { emit_anchor_events: false, emit_comments: false };
    for item in Parser::new_from_str_with_options(source, options) {
        let (event, span) = item.ok()?;
        scan.event(event, span.byte_range()?)?;
    }
    Some(scan.found)
}

/// A value being read.
struct Value {
    shape: Shape,
    text: String,
    end: usize,
}

struct Scan<'s> {
    source: &'s str,
    found: Frontmatter,
    depth: usize,
    /// A key that waits for its value: its text, the start of its line, the place behind its colon.
    key: Option<(String, usize, usize)>,
    value: Option<Value>,
    /// The root mapping has ended.
    done: bool,
}

impl Scan<'_> {
    fn event(&mut self, event: Event<'_>, range: Range<usize>) -> Option<()> {
        match event {
            Event::MappingStart(style, anchor, tag) => {
                if self.depth == 0 {
                    if self.done || style == StructureStyle::Flow || anchor != 0 || tag.is_some() {
                        return None;
                    }
                } else {
                    self.open(Shape::Other, range)?;
                }
                self.depth += 1;
            }
            Event::SequenceStart(style, anchor, tag) => {
                if self.depth == 0 {
                    return None;
                }
                let decorated = anchor != 0 || tag.is_some();
                let shape = match style {
                    _ if decorated => Shape::Other,
                    StructureStyle::Flow => Shape::Flow(range.clone(), Vec::new()),
                    StructureStyle::Block => Shape::Block(Vec::new()),
                };
                self.open(shape, range)?;
                self.depth += 1;
            }
            Event::MappingEnd | Event::SequenceEnd => {
                self.depth -= 1;
                match self.depth {
                    0 => self.done = true,
                    1 => {
                        if let Some(value) = &mut self.value
                            && let Shape::Flow(whole, _) = &mut value.shape
                        {
                            whole.end = range.end;
                            value.end = value.end.max(range.end);
                        }
                        self.close();
                    }
                    _ => {}
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let decorated = anchor != 0 || tag.is_some();
                self.scalar(text.into_owned(), style, range, decorated)?;
            }
            Event::Alias(_) => match self.depth {
                0 => return None,
                1 if self.key.is_none() => return None,
                1 => {
                    self.value = Some(Value { shape: Shape::Other, text: String::new(), end: range.end });
                    self.close();
                }
                _ => self.inside(None, range.end),
            },
            _ => {}
        }
        Some(())
    }

    /// A collection begins: the value of a key, or something inside one.
    fn open(&mut self, shape: Shape, range: Range<usize>) -> Option<()> {
        if self.depth == 1 {
            self.key.as_ref()?; // a collection as a key
            self.value = Some(Value { shape, text: String::new(), end: range.start });
        } else {
            self.inside(None, range.end);
        }
        Some(())
    }

    /// Something inside a value: an item of its list, or anything else, which makes it [`Shape::Other`].
    fn inside(&mut self, item: Option<Item>, end: usize) {
        let Some(value) = &mut self.value else { return };
        value.end = value.end.max(end);
        match (&mut value.shape, item) {
            (Shape::Flow(_, items) | Shape::Block(items), Some(item)) if self.depth == 2 => items.push(item),
            (shape, _) => *shape = Shape::Other,
        }
    }

    fn scalar(
        &mut self,
        text: String,
        style: ScalarStyle,
        range: Range<usize>,
        decorated: bool,
    ) -> Option<()> {
        let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        match (self.depth, &self.key) {
            // A text without any key: white space and comments are an empty scalar, anything else is no mapping.
            (0, _) => return (text.is_empty() && range.is_empty()).then_some(()),
            (1, None) => {
                let start = self.source[..range.start].rfind('\n').map_or(0, |at| at + 1);
                let indent = &self.source[start..range.start];
                let behind = self.source[range.end..].trim_start_matches(' ');
                let colon = self.source.len() - behind.len() + 1;
                let fits = self.found.entries.is_empty() || self.found.indent == indent;
                if block || !indent.bytes().all(|b| b == b' ') || !behind.starts_with(':') || !fits {
                    return None;
                }
                self.found.indent = indent.to_owned();
                self.key = Some((text, start, colon));
            }
            (1, Some((_, _, colon))) => {
                let colon = *colon;
                let range = if block {
                    let start = self.source[colon..].find(['|', '>'])? + colon;
                    let whole = &self.source[start..range.end.max(start + 1)];
                    let end = start + whole.trim_end_matches([' ', '\n']).len();
                    // A comment behind the bar would be lost with it.
                    let head = whole.split('\n').next().unwrap_or("");
                    if head.contains('#') { None } else { Some(start..end) }
                } else {
                    Some(range)
                };
                let shape = match range {
                    _ if decorated => Shape::Other,
                    None => Shape::Other,
                    Some(range) if range.is_empty() => Shape::Null(colon),
                    Some(range) => Shape::Scalar(range, style),
                };
                let end = match &shape {
                    Shape::Scalar(range, _) => range.end,
                    _ => colon,
                };
                self.value = Some(Value { shape, text, end });
                self.close();
            }
            _ => {
                let end = range.end;
                let item = (!decorated && !block && !range.is_empty()).then_some(Item { text, range });
                self.inside(item, end);
            }
        }
        Some(())
    }

    /// A value is complete.
    fn close(&mut self) {
        if let (Some((key, start, colon)), Some(Value { shape, text, end })) =
            (self.key.take(), self.value.take())
        {
            self.found.entries.push(Entry { key, start, colon, end, text, value: shape });
        }
    }
}
