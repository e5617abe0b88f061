//! The hashes SkillMeat takes of an artifact's files, computed from a stream so that each file is read once.
//!
//! A directory is one SHA-256 over each file's relative path and bytes, with nothing between them, in
//! [component order](by_component); `skillmeat.utils.filesystem.compute_content_hash` (the lock's) and
//! `skillmeat.core.hashing.compute_artifact_fingerprint` (the cache's) agree on it. For a single file they do not: the
//! lock hashes the bytes alone, the cache hashes the name first. The structure hash
//! (`skillmeat.api.services.artifact_cache_service.compute_artifact_fingerprints`) is over the paths alone, sorted as
//! whole strings.
//!
//! What this module does not do: open files or decide which files belong to an artifact.

use std::cmp::Ordering;

use sha2::{Digest, Sha256};

use super::compact::Sha256Hex;
use super::model::Fingerprint;

/// SkillMeat's order of the files of a directory: Python compares two `pathlib` paths component by component, by code
/// point. `a/b` comes before `a-b`, although `/` is greater than `-`.
///
/// Both arguments are `/`-separated relative paths without NUL.
#[must_use]
pub fn by_component(a: &str, b: &str) -> Ordering {
    // No file name holds NUL, so with NUL for the separator a whole-string comparison is a comparison by component.
    let key = |byte: u8| if byte == b'/' { 0 } else { byte };
    a.bytes().map(key).cmp(b.bytes().map(key))
}

/// Takes in the files of one artifact and ends as its [`Fingerprint`].
///
/// For a directory call [`Hasher::begin`] with each relative path in [component order](by_component), and
/// [`Hasher::bytes`] with that file's content in pieces of any size.
#[derive(Debug, Clone)]
pub struct Hasher {
    content: Sha256,
    /// Hashes the name before the bytes; only a single file needs it.
    named: Option<Sha256>,
    paths: Vec<String>,
    total_size: u64,
}

impl Hasher {
    /// For an artifact that is a directory.
    #[must_use]
    pub fn directory() -> Self {
        Self { content: Sha256::new(), named: None, paths: Vec::new(), total_size: 0 }
    }

    /// For an artifact that is one file of this name (the last component of its path).
    #[must_use]
    pub fn single_file(name: &str) -> Self {
        let mut named = Sha256::new();
        named.update(name.as_bytes());
        Self { content: Sha256::new(), named: Some(named), paths: vec![name.to_owned()], total_size: 0 }
    }

    /// The next file of a directory. Has no meaning for a single file, which has begun already.
    pub fn begin(&mut self, path: &str) {
        if self.named.is_none() {
            self.content.update(path.as_bytes());
            self.paths.push(path.to_owned());
        }
    }

    /// The next bytes of the current file.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.content.update(bytes);
        if let Some(named) = &mut self.named {
            named.update(bytes);
        }
        self.total_size = self.total_size.saturating_add(bytes.len() as u64);
    }

    /// The sum of it all. A directory without files has the hash of nothing, as in SkillMeat.
    #[must_use]
    pub fn finish(mut self) -> Fingerprint {
        self.paths.sort_unstable();
        let mut structure = Sha256::new();
        for path in &self.paths {
            structure.update(path.as_bytes());
        }
        let lock_content_hash = Sha256Hex(self.content.finalize().into());
        Fingerprint {
            artifact_fingerprint: self
                .named
                .map_or(lock_content_hash, |named| Sha256Hex(named.finalize().into())),
            lock_content_hash,
            structure_hash: Sha256Hex(structure.finalize().into()),
            file_count: self.paths.len() as u64,
            total_size: self.total_size,
        }
    }
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

#[cfg(test)]
mod tests;
