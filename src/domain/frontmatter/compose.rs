//! From YAML text to a node graph, as `yaml.composer.Composer` builds it: an alias is the node itself, a document is
//! one at most.
//!
//! The events come from the parser under `serde_yaml`, after its budget has let the text through. That parser reads
//! YAML 1.2, so what PyYAML refuses beyond it is refused here.

use std::collections::{BTreeMap, BTreeSet};

use serde_yaml::budget::{BudgetBreach, EnforcingPolicy, check_yaml_budget};
use serde_yaml::granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StructureStyle, Tag};

use super::lenient::Patched;
use super::python::Id;

/// Nested collections at most. PyYAML gives up at about 480, with an exception.
const MAX_DEPTH: usize = 64;

/// Scalars and collections at most.
pub(super) const MAX_NODES: usize = 10_000;

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
    // PyYAML ends a line here as well; one character for one keeps all places as they are.
    let text = text.replace('\u{85}', "\n");
    if text.contains(['\u{2028}', '\u{2029}']) {
        // And here, but keeps the character where lines are joined. So the lines only have to be sound.
        compose_lines(text.replace(['\u{2028}', '\u{2029}'], "\n"))?;
    }
    compose_lines(text)
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
    check_budget(text)?;
    let options = serde_yaml::granit_parser::options! { emit_anchor_events: true, emit_comments: false };
    let mut composer = Composer::new(text);
    for item in Parser::new_from_str_with_options(text, options) {
        let (event, span) = item.map_err(|error| Failure::Scan(error, composer.seen))?;
        composer.event(event, span)?;
    }
    composer.gap(text.len(), text.chars().count())?;
    Ok(composer.graph)
}

/// PyYAML takes no control characters but tab and line ends, no surrogates and no `U+FFFE`, `U+FFFF`.
fn printable(text: &str) -> Result<(), Refused> {
    let bad = |c: char| !matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..);
    match text.chars().position(bad) {
        Some(at) => Err(Refused::yaml(at, "a control character is not allowed in YAML")),
        None => Ok(()),
    }
}

fn check_budget(text: &str) -> Result<(), Refused> {
    let budget = serde_yaml::budget! {
        max_depth: MAX_DEPTH,
        max_nodes: MAX_NODES,
        max_events: 3 * MAX_NODES,
        max_aliases: 1_000,
        max_anchors: 1_000,
        max_documents: 8,
        max_merge_keys: 100,
        max_total_scalar_bytes: 1024 * 1024,
        alias_anchor_ratio_multiplier: 50,
    };
    let report = check_yaml_budget(text, budget.unwrap_or_default(), EnforcingPolicy::AllContent);
    match report.ok().and_then(|report| report.breached) {
        // An error in the text is met again, with what leads up to it.
        None => Ok(()),
        Some(BudgetBreach::Depth { .. }) => Err(too_deep(text)),
        Some(breach) => Err(Refused::lost(0, format!("too much YAML for a frontmatter: {breach:?}"))),
    }
}

/// Where the first collection is that nests too deep.
fn too_deep(text: &str) -> Refused {
    let mut depth = 0;
    let mut at = 0;
    for (event, span) in Parser::new_from_str(text).map_while(Result::ok) {
        match event {
            Event::SequenceStart(..) | Event::MappingStart(..) => depth += 1,
            Event::SequenceEnd | Event::MappingEnd => depth -= 1,
            _ => {}
        }
        at = span.start.index();
        if depth > MAX_DEPTH {
            break;
        }
    }
    Refused::lost(at, format!("collections nest more than {MAX_DEPTH} deep"))
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
                let content = Content::Scalar(value, guess);
                let id = self.node(tag, at, content, anchor);
                self.attach(id);
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.tag_end(span)?;
                self.start(full_tag(tag.as_deref()), at, Content::Sequence(Vec::new()), anchor, style);
            }
            Event::MappingStart(style, anchor, tag) => {
                self.tag_end(span)?;
                self.start(full_tag(tag.as_deref()), at, Content::Mapping(Vec::new()), anchor, style);
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.open.pop();
            }
            _ => {}
        }
        Ok(())
    }

    fn node(&mut self, tag: Option<String>, at: usize, content: Content, anchor: usize) -> Id {
        let id = self.graph.nodes.len();
        self.graph.nodes.push(Node { tag: tag.filter(|tag| tag != "!"), at, content });
        if anchor != 0 {
            self.anchors.insert(anchor, id);
        }
        id
    }

    fn start(
        &mut self,
        tag: Option<String>,
        at: usize,
        content: Content,
        anchor: usize,
        style: StructureStyle,
    ) {
        let id = self.node(tag, at, content, anchor);
        self.attach(id);
        let flow = style == StructureStyle::Flow || self.open.last().is_some_and(|open| open.flow);
        self.open.push(Open { id, key: None, flow });
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
        self.seen = self.seen.max(bytes.end);
        let flow = self.open.last().is_some_and(|open| open.flow);
        let text = self.text.get(bytes).unwrap_or("");
        match style {
            ScalarStyle::Plain => plain(text, at, flow),
            ScalarStyle::Literal | ScalarStyle::Folded => block(text, at, self.open.is_empty()),
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

/// PyYAML ends a plain scalar at a tab, and in brackets at a `?`, where nothing good can follow; in brackets none
/// begins with `:` either.
fn plain(text: &str, at: usize, flow: bool) -> Result<(), Refused> {
    for (i, c) in text.chars().enumerate() {
        match c {
            '\t' => return Err(tab(at + i)),
            '?' if flow => return Err(Refused::yaml(at + i, "an unquoted `?` in brackets")),
            ':' if flow && i == 0 => return Err(Refused::yaml(at, "a `:` without a key")),
            _ => {}
        }
    }
    Ok(())
}

/// PyYAML takes no tab in the line of the `|` or `>`, and no text without indentation under it, not even at the top.
fn block(text: &str, at: usize, top: bool) -> Result<(), Refused> {
    let (header, body) = text.split_once('\n').unwrap_or((text, ""));
    if let Some(i) = header.chars().take_while(|c| *c != '#').position(|c| c == '\t') {
        return Err(tab(at + i));
    }
    if top && body.lines().any(|line| !line.is_empty() && !line.starts_with(' ')) {
        return Err(Refused::yaml(at, "a block of text must be indented"));
    }
    Ok(())
}

fn tab(at: usize) -> Refused {
    Refused::yaml(at, "a tab is not allowed here")
}

/// PyYAML's anchors are ASCII letters, digits, `-` and `_`.
fn plain_name(name: &str, at: usize) -> Result<(), Refused> {
    if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        Ok(())
    } else {
        Err(Refused::yaml(at, "anchors are made of letters, digits, `-` and `_`"))
    }
}

fn full_tag(tag: Option<&Tag>) -> Option<String> {
    tag.map(|tag| format!("{}{}", tag.handle(), tag.suffix()))
}
