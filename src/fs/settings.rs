//! Which collection is the active one: `settings.default-collection` of `~/.skillmeat/config.toml`
//! (`skillmeat.config.ConfigManager.get_active_collection`).
//!
//! What this module does not do: read our own configuration, or any other key of SkillMeat's.

use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use toml::de::DeTable;

use super::open::read_below;
use crate::domain::model::Problem;

/// The name of the file, below `~/.skillmeat`.
pub const FILE: &str = "config.toml";

/// SkillMeat's default where nothing is set.
pub const DEFAULT: &str = "default";

const MAX_BYTES: usize = 1024 * 1024;

/// The active collection's name, given what it was `before`. A file that cannot be read changes nothing and is a
/// problem; a missing one is not.
#[must_use]
pub fn active(root: BorrowedFd<'_>, before: &str) -> (String, Option<Problem>) {
    let kept = |mut problem: Problem| {
        problem.path = FILE.to_owned();
        problem.message = format!("{}; `{before}` stays the active collection", problem.message);
        (before.to_owned(), Some(problem))
    };
    match read_below(root, FILE, MAX_BYTES) {
        Ok((bytes, _)) => match parse(&bytes) {
            Ok(name) => (name, None),
            Err(problem) => kept(problem),
        },
        Err(Errno::NOENT) => (DEFAULT.to_owned(), None),
        Err(Errno::INVAL) => kept(Problem::new("", "it is not a regular file")),
        Err(errno) => kept(Problem::new("", format!("it cannot be read: {errno}"))),
    }
}

fn parse(bytes: &[u8]) -> Result<String, Problem> {
    if bytes.len() > MAX_BYTES {
        return Err(Problem::new("", "it is too long"));
    }
    let text = str::from_utf8(bytes).map_err(|_| Problem::new("", "it is not UTF-8"))?;
    let root = DeTable::parse(text).map_err(|error| {
        let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or_default();
        let line = u32::try_from(before.matches('\n').count() + 1).ok();
        Problem { line, ..Problem::new("", format!("not valid TOML: {}", error.message())) }
    })?;
    let setting = root
        .get_ref()
        .get("settings")
        .and_then(|settings| settings.get_ref().as_table())
        .and_then(|settings| settings.get("default-collection"));
    match setting.map(|setting| setting.get_ref().as_str()) {
        None => Ok(DEFAULT.to_owned()),
        Some(Some(name)) if !name.is_empty() => Ok(name.to_owned()),
        Some(_) => Err(Problem::new("", "`settings.default-collection` must be a string that is not empty")),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn only_a_readable_setting_changes_the_active_collection() {
        let home = tempfile::tempdir().unwrap();
        let root = std::fs::File::open(home.path()).unwrap();
        let file = home.path().join(FILE);
        let now = |text: &str| {
            std::fs::write(&file, text).unwrap();
            let (name, problem) = active(root.as_fd(), "before");
            (name, problem.map(|problem| problem.to_string()))
        };
        assert_eq!(active(root.as_fd(), "before"), (DEFAULT.into(), None), "no file");
        assert_eq!(now(""), (DEFAULT.into(), None));
        assert_eq!(now("[settings]\ndefault-collection = \"work\"\n"), ("work".into(), None));
        assert_eq!(
            now("active_collection = \"work\"\n"),
            (DEFAULT.into(), None),
            "SkillMeat does not look there"
        );
        for (text, place) in
            [("[settings\n", "config.toml:1: "), ("[settings]\ndefault-collection = 5\n", "config.toml: ")]
        {
            let (name, problem) = now(text);
            assert_eq!(name, "before");
            assert!(problem.is_some_and(|problem| problem.starts_with(place)), "{text}");
        }
    }
}
