//! From YAML text to a node graph, as `yaml.composer.Composer` builds it: an alias is the node itself, a document is
//! one at most.
//!
//! The events come one by one from the parser under `serde_yaml`, and are refused as soon as there are more of them, or
//! deeper ones, than the limits allow. That parser reads YAML 1.2, so what PyYAML refuses beyond it is refused here.

use std::collections::{BTreeMap, BTreeSet};

use serde_yaml::granit_parser::{
    ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, StructureStyle, Tag,
};

use super::lenient::Patched;
use super::python::Id;
use super::strict::{
    ALIASES_AN_ANCHOR, FEW_ALIASES, MAX_ALIASES, MAX_DEPTH, MAX_MERGE_KEYS, MAX_NODES, block, empty_document,
    plain, plain_name, printable, tab, too_deep,
};

const BYTE_ORDER_MARK: char = '\u{feff}';

/// One node. Several collections may hold it, and it may hold itself.
#[derive(Debug)]
pub(super) struct Node {
    /// The tag in full, `None` where it is to be resolved (none given, or `!`).
    pub(super) tag: Option<String>,
    /// Where it starts, in characters.
    pub(super) at: usize,
    pub(super) content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    /// The text, and whether its type may be guessed from it: it is plain, or its tag is `!`.
    Scalar(String, bool),
    Sequence(Vec<Id>),
    Mapping(Vec<(Id, Id)>),
}

/// Why a text could not be taken, and where, in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) at: usize,
    pub(super) why: Why,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Why {
    /// What is a `yaml.YAMLError` in SkillMeat, which then reads the frontmatter line by line.
    #[error("{0}")]
    Yaml(String),
    /// What is another exception in SkillMeat, or too much for us: nothing of the frontmatter is used.
    #[error("{0}")]
    Lost(String),
}

impl Refused {
    pub(super) fn yaml(at: usize, why: impl Into<String>) -> Self {
        Self { at, why: Why::Yaml(why.into()) }
    }

    pub(super) fn lost(at: usize, why: impl Into<String>) -> Self {
        Self { at, why: Why::Lost(why.into()) }
    }
}

/// The nodes of a document; empty if the text holds none.
#[derive(Debug, Default)]
pub(super) struct Graph {
    pub(super) nodes: Vec<Node>,
    pub(super) root: Option<Id>,
}

/// Reads a text that is already known to be short.
pub(super) fn compose(text: &str) -> Result<Graph, Refused> {
    printable(text)?;
    empty_document(text)?;
    if text.is_ascii() {
        return compose_lines(text.to_owned()); // none of the characters below is
    }
    // PyYAML ends a line here as well; one character for one keeps all places as they are.
    let mut text = text.replace('\u{85}', "\n");
    // A byte order mark is an ordinary character to PyYAML, except at the start.
    let marks = text.char_indices().skip(1).any(|(_, c)| c == BYTE_ORDER_MARK);
    let stand_in = ('\u{e000}'..='\u{f8ff}').find(|c| marks && !text.contains(*c));
    if let Some(stand_in) = stand_in {
        let start = text.chars().next().map_or(0, char::len_utf8);
        let rest = text.split_off(start).replace(BYTE_ORDER_MARK, stand_in.encode_utf8(&mut [0; 4]));
        text.push_str(&rest);
    }
    if text.contains(['\u{2028}', '\u{2029}']) {
        // And here, but keeps the character where lines are joined. So the lines only have to be sound.
        compose_lines(text.replace(['\u{2028}', '\u{2029}'], "\n"))?;
    }
    let mut graph = compose_lines(text)?;
    if let Some(stand_in) = stand_in {
        for node in &mut graph.nodes {
            if let Content::Scalar(text, _) = &mut node.content {
                *text = text.replace(stand_in, BYTE_ORDER_MARK.encode_utf8(&mut [0; 4]));
            }
        }
    }
    Ok(graph)
}

fn compose_lines(text: String) -> Result<Graph, Refused> {
    let mut patched = Patched::new(text);
    loop {
        match compose_once(&patched.text) {
            Ok(mut graph) => {
                for node in &mut graph.nodes {
                    node.at = patched.original(node.at);
                }
                return Ok(graph);
            }
            Err(Failure::Scan(error, seen)) => {
                if *error.kind() == ErrorKind::RecursionLimitExceeded {
                    return Err(too_deep(patched.original(error.marker().index())));
                }
                if !patched.mend(&error, seen) {
                    return Err(Refused::yaml(patched.original(error.marker().index()), error.info()));
                }
            }
            Err(Failure::Refused(refused)) => {
                return Err(Refused { at: patched.original(refused.at), why: refused.why });
            }
        }
    }
}

enum Failure {
    /// The parser's own error, and the byte up to which it had read finished scalars.
    Scan(ScanError, usize),
    Refused(Refused),
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

fn compose_once(text: &str) -> Result<Graph, Failure> {
    let options = serde_yaml::granit_parser::options! { emit_anchor_events: true, emit_comments: false };
    let mut composer = Composer::new(text);
    for item in Parser::new_from_str_with_options(text, options) {
        let (event, span) = item.map_err(|error| Failure::Scan(error, composer.seen))?;
        composer.event(event, span)?;
    }
    composer.gap(text.len(), text.chars().count())?;
    if composer.aliases >= FEW_ALIASES && composer.aliases > ALIASES_AN_ANCHOR * composer.names.len() {
        return Err(Refused::lost(0, "it has too many aliases for its anchors").into());
    }
    Ok(composer.graph)
}

/// A collection that is not closed yet.
struct Open {
    id: Id,
    /// The key that waits for its value.
    key: Option<Id>,
    flow: bool,
}

struct Composer<'a> {
    text: &'a str,
    graph: Graph,
    open: Vec<Open>,
    /// The parser's anchor number to the node.
    anchors: BTreeMap<usize, Id>,
    names: BTreeSet<String>,
    documents: usize,
    aliases: usize,
    merge_keys: usize,
    /// Byte up to which the text is accounted for by scalars.
    seen: usize,
}

impl<'a> Composer<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            graph: Graph::default(),
            open: Vec::new(),
            anchors: BTreeMap::new(),
            names: BTreeSet::new(),
            documents: 0,
            aliases: 0,
            merge_keys: 0,
            seen: 0,
        }
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Refused> {
        let at = span.start.index();
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Refused::yaml(at, "a second document starts here"));
                }
            }
            Event::Anchor(_, name) => self.anchor_name(&name, at)?,
            Event::Alias(anchor) => {
                self.aliases += 1;
                at_most(MAX_ALIASES, "aliases", self.aliases, at)?;
                let name = span.slice(self.text).and_then(|s| s.strip_prefix('*')).unwrap_or("");
                plain_name(name, at)?;
                let id = self.anchors.get(&anchor).copied();
                self.attach(id.ok_or_else(|| Refused::yaml(at, "an alias without an anchor"))?);
            }
            Event::UnresolvedAlias(_) => return Err(Refused::yaml(at, "an alias without an anchor")),
            Event::Scalar(value, style, anchor, tag) => {
                self.scalar_span(span, style)?;
                self.tag_end(span)?;
                if tag.is_none() && anchor == 0 && span.is_empty() {
                    self.empty_key(span)?;
                }
                let tag = full_tag(tag.as_deref());
                let guess = tag.as_deref() == Some("!") || (tag.is_none() && style == ScalarStyle::Plain);
                let mut value = value.into_owned();
                if self.ends_unfinished(span, style) && value.ends_with('\n') {
                    value.pop();
                }
                if guess && value == "<<" {
                    self.merge_keys += 1;
                    at_most(MAX_MERGE_KEYS, "merge keys", self.merge_keys, at)?;
                }
                let content = Content::Scalar(value, guess);
                let id = self.node(tag, at, content, anchor)?;
                self.attach(id);
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.tag_end(span)?;
                self.start(full_tag(tag.as_deref()), at, Content::Sequence(Vec::new()), anchor, style)?;
            }
            Event::MappingStart(style, anchor, tag) => {
                self.tag_end(span)?;
                self.start(full_tag(tag.as_deref()), at, Content::Mapping(Vec::new()), anchor, style)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.open.pop();
            }
            _ => {}
        }
        Ok(())
    }

    fn node(
        &mut self,
        tag: Option<String>,
        at: usize,
        content: Content,
        anchor: usize,
    ) -> Result<Id, Refused> {
        let id = self.graph.nodes.len();
        at_most(MAX_NODES, "values", id + 1, at)?;
        self.graph.nodes.push(Node { tag: tag.filter(|tag| tag != "!"), at, content });
        if anchor != 0 {
            self.anchors.insert(anchor, id);
        }
        Ok(id)
    }

    fn start(
        &mut self,
        tag: Option<String>,
        at: usize,
        content: Content,
        anchor: usize,
        style: StructureStyle,
    ) -> Result<(), Refused> {
        if self.open.len() == MAX_DEPTH {
            return Err(too_deep(at));
        }
        let id = self.node(tag, at, content, anchor)?;
        self.attach(id);
        let flow = style == StructureStyle::Flow || self.open.last().is_some_and(|open| open.flow);
        self.open.push(Open { id, key: None, flow });
        Ok(())
    }

    /// Puts a finished or just begun node where the parser is.
    fn attach(&mut self, id: Id) {
        let Some(parent) = self.open.last_mut() else {
            self.graph.root.get_or_insert(id);
            return;
        };
        match self.graph.nodes.get_mut(parent.id).map(|node| &mut node.content) {
            Some(Content::Sequence(items)) => items.push(id),
            Some(Content::Mapping(pairs)) => match parent.key.take() {
                Some(key) => pairs.push((key, id)),
                None => parent.key = Some(id),
            },
            _ => {}
        }
    }

    fn anchor_name(&mut self, name: &str, at: usize) -> Result<(), Refused> {
        plain_name(name, at)?;
        at_most(MAX_ALIASES, "anchors", self.names.len() + 1, at)?;
        if self.names.insert(name.to_owned()) {
            Ok(())
        } else {
            Err(Refused::yaml(at, format!("the anchor `{name}` is used twice")))
        }
    }

    /// Accounts for a scalar's text, and for what stands before it.
    fn scalar_span(&mut self, span: Span, style: ScalarStyle) -> Result<(), Refused> {
        let Some(bytes) = span.byte_range().filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
        let at = span.start.index();
        self.gap(bytes.start, at)?;
        let since = self.seen;
        self.seen = since.max(bytes.end);
        match style {
            ScalarStyle::Plain => {
                let flow = self.open.last().is_some_and(|open| open.flow);
                plain(self.text.get(bytes).unwrap_or(""), at, flow)
            }
            ScalarStyle::Literal | ScalarStyle::Folded => {
                block(self.text.get(since..bytes.end).unwrap_or(""), at, self.open.is_empty())
            }
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Ok(()),
        }
    }

    /// PyYAML wants white space after a tag, in brackets as well.
    fn tag_end(&self, span: Span) -> Result<(), Refused> {
        let Some(tag) = span.tag_span() else { return Ok(()) };
        let next =
            tag.byte_range().and_then(|bytes| self.text.get(bytes.end..)).and_then(|s| s.chars().next());
        match next {
            None | Some(' ' | '\n') => Ok(()),
            Some(_) => Err(Refused::yaml(tag.end.index(), "a tag must be followed by a space")),
        }
    }

    /// PyYAML takes a key that is not there only after a `?`.
    fn empty_key(&self, span: Span) -> Result<(), Refused> {
        let Some(parent) = self.open.last().filter(|parent| parent.key.is_none()) else { return Ok(()) };
        let mapping =
            matches!(self.graph.nodes.get(parent.id).map(|node| &node.content), Some(Content::Mapping(_)));
        let before = span.start.byte_offset().and_then(|byte| self.text.get(self.seen..byte)).unwrap_or("");
        if mapping && !before.contains('?') {
            return Err(Refused::yaml(span.start.index(), "a `:` without a key"));
        }
        Ok(())
    }

    /// Whether a block scalar ends with the text, in the middle of a line: PyYAML then has no line end to add.
    fn ends_unfinished(&self, span: Span, style: ScalarStyle) -> bool {
        let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        block
            && span.byte_range().is_some_and(|bytes| bytes.end >= self.text.len())
            && self.text.rsplit('\n').next().is_some_and(|line| !line.trim_start_matches(' ').is_empty())
    }

    /// Looks at the text between the last scalar and this byte, which is the `at`th character: a tab outside of
    /// comments is an error.
    fn gap(&self, byte: usize, at: usize) -> Result<(), Refused> {
        let gap = self.text.get(self.seen..byte).unwrap_or("");
        let mut comment = false;
        for (i, c) in gap.chars().enumerate() {
            match c {
                '\n' => comment = false,
                '#' => comment = true,
                '\t' if !comment => return Err(tab(at - gap.chars().count() + i)),
                _ => {}
            }
        }
        Ok(())
    }
}

fn at_most(most: usize, what: &str, count: usize, at: usize) -> Result<(), Refused> {
    if count > most { Err(Refused::lost(at, format!("it has more than {most} {what}"))) } else { Ok(()) }
}

fn full_tag(tag: Option<&Tag>) -> Option<String> {
    tag.map(|tag| format!("{}{}", tag.handle(), tag.suffix()))
}
