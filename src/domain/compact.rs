//! Entries, rows and hashes as the daemon remembers them: one allocation where the plain form takes fifteen.
//!
//! Ten thousand files are three thousand entries, and every one is kept for as long as the daemon runs; when everything
//! is compared there are as many rows beside them. The plain forms ([`Entry`], [`Row`]) are made from these where they are
//! needed.
//!
//! What this module does not do: store anything outside the process. The form may change from build to build.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::model::{ArtifactId, Entry, Kind, Metadata, Origin, Row};

/// An [`Entry`], packed. Two are equal when the entries are.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PackedEntry(Box<[u8]>);

/// How many texts an entry may have or not have.
const OPTIONAL: usize = 9;

impl PackedEntry {
    /// Pack an entry.
    #[must_use]
    pub fn new(entry: &Entry) -> Self {
        let Entry { id, path, origin, origin_source, upstream, resolved_sha, resolved_version, metadata } =
            entry;
        let Metadata { title, description, author, license, version, tags, tools } = metadata;
        let mut packer = Packer(Vec::with_capacity(512));
        packer.0.push(id.kind as u8);
        packer.0.push(*origin as u8);
        packer.text(&id.name);
        packer.text(path);
        let optional: [&Option<String>; OPTIONAL] = [
            origin_source,
            upstream,
            resolved_sha,
            resolved_version,
            title,
            description,
            author,
            license,
            version,
        ];
        optional.iter().for_each(|text| packer.optional(text.as_deref()));
        packer.lists([tags, tools]);
        Self(packer.0.into_boxed_slice())
    }

    /// What was packed.
    #[must_use]
    pub fn unpack(&self) -> Entry {
        let mut reader = Reader(&self.0);
        let (kind, origin) = (reader.kind(), reader.origin());
        let id = ArtifactId { kind, name: reader.slice().into() };
        let path = reader.text();
        Entry {
            id,
            path,
            origin,
            origin_source: reader.optional(),
            upstream: reader.optional(),
            resolved_sha: reader.optional(),
            resolved_version: reader.optional(),
            metadata: Metadata {
                title: reader.optional(),
                description: reader.optional(),
                author: reader.optional(),
                license: reader.optional(),
                version: reader.optional(),
                tags: reader.list(),
                tools: reader.list(),
            },
        }
    }

    /// The entry's id.
    #[must_use]
    pub fn id(&self) -> ArtifactId {
        let (kind, name) = self.key();
        ArtifactId::new(kind, name)
    }

    /// The entry's id, taken apart.
    #[must_use]
    pub fn key(&self) -> (Kind, &str) {
        let mut reader = Reader(&self.0);
        let (kind, _) = (reader.kind(), reader.origin());
        (kind, reader.slice())
    }

    /// The entry's tags.
    #[must_use]
    pub fn tags(&self) -> Vec<String> {
        let mut reader = Reader(self.0.get(2..).unwrap_or_default());
        for _ in 0..2 {
            reader.slice();
        }
        for _ in 0..OPTIONAL {
            reader.skip_optional();
        }
        reader.list()
    }

    /// The entry's path, as written.
    #[must_use]
    pub fn path(&self) -> &str {
        let mut reader = Reader(self.0.get(2..).unwrap_or_default());
        reader.slice();
        reader.slice()
    }
}

impl fmt::Debug for PackedEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.unpack().fmt(f)
    }
}

/// A [`Row`], packed. Two are equal when the rows are.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PackedRow(Box<[u8]>);

impl PackedRow {
    /// Pack a row.
    #[must_use]
    pub fn new(row: &Row) -> Self {
        let Row {
            description,
            author,
            license,
            tags,
            tools,
            version,
            content_hash,
            structure_hash,
            file_count,
            total_size,
            source,
            origin,
            origin_source,
            resolved_sha,
            resolved_version,
        } = row;
        let mut packer = Packer(Vec::with_capacity(512));
        for text in [
            description,
            author,
            license,
            version,
            content_hash,
            structure_hash,
            source,
            origin,
            origin_source,
            resolved_sha,
            resolved_version,
        ] {
            packer.optional(text.as_deref());
        }
        packer.lists([tags, tools]);
        packer.0.extend_from_slice(&file_count.to_le_bytes());
        packer.0.extend_from_slice(&total_size.to_le_bytes());
        Self(packer.0.into_boxed_slice())
    }

    /// What was packed.
    #[must_use]
    pub fn unpack(&self) -> Row {
        let mut reader = Reader(&self.0);
        Row {
            description: reader.optional(),
            author: reader.optional(),
            license: reader.optional(),
            version: reader.optional(),
            content_hash: reader.optional(),
            structure_hash: reader.optional(),
            source: reader.optional(),
            origin: reader.optional(),
            origin_source: reader.optional(),
            resolved_sha: reader.optional(),
            resolved_version: reader.optional(),
            tags: reader.list(),
            tools: reader.list(),
            file_count: reader.integer(),
            total_size: reader.integer(),
        }
    }
}

#[cfg(test)]
impl PackedRow {
    /// Pack it anew with a change.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Row)) {
        let mut row = self.unpack();
        change(&mut row);
        *self = row.into();
    }
}

impl From<Row> for PackedRow {
    fn from(row: Row) -> Self {
        Self::new(&row)
    }
}

impl Default for PackedRow {
    fn default() -> Self {
        Row::default().into()
    }
}

impl fmt::Debug for PackedRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.unpack().fmt(f)
    }
}

struct Packer(Vec<u8>);

impl Packer {
    /// Seven bits a byte, the lowest first, the top bit set on all but the last.
    fn number(&mut self, mut number: usize) {
        while number > 0x7f {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    fn optional(&mut self, text: Option<&str>) {
        self.number(text.map_or(0, |text| text.len() + 1));
        self.0.extend_from_slice(text.unwrap_or_default().as_bytes());
    }

    fn lists(&mut self, lists: [&Vec<String>; 2]) {
        for list in lists {
            self.number(list.len());
            list.iter().for_each(|text| self.text(text));
        }
    }
}

/// Reads what [`Packer`] wrote, and nothing else.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn kind(&mut self) -> Kind {
        let byte = self.byte();
        Kind::ALL.into_iter().find(|kind| *kind as u8 == byte).unwrap_or(Kind::Skill)
    }

    fn origin(&mut self) -> Origin {
        let byte = self.byte();
        let all = [Origin::Local, Origin::Github, Origin::Marketplace];
        all.into_iter().find(|origin| *origin as u8 == byte).unwrap_or(Origin::Local)
    }

    fn number(&mut self) -> usize {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            number |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 || shift >= usize::BITS {
                return number;
            }
        }
    }

    fn bytes(&mut self, length: usize) -> &'a str {
        let (text, rest) = self.0.split_at_checked(length).unwrap_or_default();
        self.0 = rest;
        str::from_utf8(text).unwrap_or_default()
    }

    fn slice(&mut self) -> &'a str {
        let length = self.number();
        self.bytes(length)
    }

    fn text(&mut self) -> String {
        self.slice().to_owned()
    }

    fn optional(&mut self) -> Option<String> {
        let length = self.number().checked_sub(1)?;
        Some(self.bytes(length).to_owned())
    }

    fn skip_optional(&mut self) {
        if let Some(length) = self.number().checked_sub(1) {
            self.bytes(length);
        }
    }

    fn integer(&mut self) -> i64 {
        let (bytes, rest) = self.0.split_first_chunk().unwrap_or((&[0; 8], &[]));
        self.0 = rest;
        i64::from_le_bytes(*bytes)
    }

    fn list(&mut self) -> Vec<String> {
        (0..self.number()).map(|_| self.text()).collect()
    }
}

/// A SHA-256, shown and stored as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256Hex(pub [u8; 32]);

impl fmt::Display for Sha256Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut digits = [0; 64];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        // At once: one at a time, there are more calls for them than for all else about an artifact.
        f.write_str(std::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Sha256Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq<str> for Sha256Hex {
    fn eq(&self, hex: &str) -> bool {
        Self::parse(hex).as_ref() == Some(self)
    }
}

impl Sha256Hex {
    /// From its digits; `None` for anything but 64 of them.
    #[must_use]
    pub fn parse(hex: &str) -> Option<Self> {
        let digits = hex.as_bytes();
        let mut bytes = [0; 32];
        if digits.len() != 64 {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            for digit in pair {
                let value = match digit {
                    b'0'..=b'9' => digit - b'0',
                    b'a'..=b'f' => digit - b'a' + 10,
                    _ => return None,
                };
                *byte = *byte << 4 | value;
            }
        }
        Some(Self(bytes))
    }
}

impl Serialize for Sha256Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sha256Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let hex = String::deserialize(deserializer)?;
        Self::parse(&hex).ok_or_else(|| serde::de::Error::custom("not 64 hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text() -> impl Strategy<Value = String> {
        proptest::string::string_regex("[\\PC\n]{0,200}").unwrap()
    }

    fn maybe() -> impl Strategy<Value = Option<String>> {
        proptest::option::of(text())
    }

    fn entry() -> impl Strategy<Value = Entry> {
        let metadata = (
            maybe(),
            maybe(),
            maybe(),
            maybe(),
            maybe(),
            proptest::collection::vec(text(), 0..4),
            proptest::collection::vec(text(), 0..200),
        );
        let metadata = metadata.prop_map(|(title, description, author, license, version, tags, tools)| {
            Metadata { title, description, author, license, version, tags, tools }
        });
        let id = (0..Kind::ALL.len(), text()).prop_map(|(kind, name)| ArtifactId::new(Kind::ALL[kind], name));
        let origin = prop_oneof![Just(Origin::Local), Just(Origin::Github), Just(Origin::Marketplace)];
        (id, text(), origin, maybe(), maybe(), maybe(), maybe(), metadata).prop_map(
            |(id, path, origin, origin_source, upstream, resolved_sha, resolved_version, metadata)| Entry {
                id,
                path,
                origin,
                origin_source,
                upstream,
                resolved_sha,
                resolved_version,
                metadata,
            },
        )
    }

    fn row() -> impl Strategy<Value = Row> {
        let lists = proptest::array::uniform2(proptest::collection::vec(text(), 0..4));
        (proptest::array::uniform11(maybe()), lists, any::<i64>(), any::<i64>()).prop_map(
            |(texts, [tags, tools], file_count, total_size)| {
                let [description, author, license, version, content_hash, structure_hash, rest @ ..] = texts;
                let [source, origin, origin_source, resolved_sha, resolved_version] = rest;
                Row {
                    description,
                    author,
                    license,
                    tags,
                    tools,
                    version,
                    content_hash,
                    structure_hash,
                    file_count,
                    total_size,
                    source,
                    origin,
                    origin_source,
                    resolved_sha,
                    resolved_version,
                }
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn an_entry_comes_out_as_it_went_in(entry in entry()) {
            let packed = PackedEntry::new(&entry);
            prop_assert_eq!(packed.id(), entry.id.clone());
            prop_assert_eq!(packed.path(), entry.path.as_str());
            prop_assert_eq!(&packed.tags(), &entry.metadata.tags);
            prop_assert_eq!(packed.unpack(), entry);
        }

        #[test]
        fn a_row_comes_out_as_it_went_in(one in row(), other in row()) {
            prop_assert_eq!(PackedRow::new(&one).unpack(), one.clone());
            prop_assert_eq!(PackedRow::new(&one) == PackedRow::new(&other), one == other);
        }

        #[test]
        fn packed_entries_are_equal_when_the_entries_are(one in entry(), other in entry()) {
            prop_assert_eq!(PackedEntry::new(&one) == PackedEntry::new(&other), one == other);
        }
    }

    #[test]
    fn a_packed_entry_is_hardly_longer_than_its_texts() {
        let entry = Entry {
            id: ArtifactId::new(Kind::Skill, "n".repeat(20)),
            path: "p".repeat(30),
            origin: Origin::Github,
            origin_source: None,
            upstream: Some("u".repeat(70)),
            resolved_sha: Some("s".repeat(40)),
            resolved_version: None,
            metadata: Metadata {
                description: Some("d".repeat(200)),
                tags: vec!["t".repeat(5); 3],
                ..Metadata::default()
            },
        };
        assert!(PackedEntry::new(&entry).0.len() <= 20 + 30 + 70 + 40 + 200 + 3 * 5 + 24);
    }

    #[test]
    fn a_missing_text_is_not_an_empty_one() {
        let entry = |title: Option<&str>| Entry {
            id: ArtifactId::new(Kind::Skill, "a"),
            path: "p".into(),
            origin: Origin::Local,
            origin_source: None,
            upstream: None,
            resolved_sha: None,
            resolved_version: None,
            metadata: Metadata { title: title.map(Into::into), ..Metadata::default() },
        };
        assert_ne!(PackedEntry::new(&entry(None)), PackedEntry::new(&entry(Some(""))));
    }

    #[test]
    fn a_hash_is_64_lower_case_digits() {
        let hex = "0123456789abcdef".repeat(4);
        let hash = Sha256Hex::parse(&hex).unwrap();
        assert_eq!(hash.to_string(), hex);
        assert_eq!(serde_json::from_str::<Sha256Hex>(&format!("\"{hex}\"")).unwrap(), hash);
        for bad in ["", "0", &hex[1..], &hex.to_uppercase(), &format!("{}g", &hex[1..])] {
            assert_eq!(Sha256Hex::parse(bad), None, "{bad}");
        }
    }
}
