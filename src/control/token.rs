//! The secret that a request over TCP has to bring: any user of the machine can connect to a port, but only ours can read
//! the file.
//!
//! What this module does not do: check a request. See [`super::server`].

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use uuid::Uuid;

/// Letters of a token: two random UUIDs of 122 random bits each.
const LENGTH: usize = 64;

/// A secret. Its `Debug` form does not tell it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Token {
    /// Reads the token in `path`, or makes one. A file that others could have read or written is replaced.
    ///
    /// # Errors
    /// When it can be neither read nor made.
    pub fn of_file(path: &Path) -> io::Result<Self> {
        match read(path) {
            Ok(Some(token)) => return Ok(token),
            Ok(None) => fs::remove_file(path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let token = Self(format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple()));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(token.0.as_bytes())?;
        Ok(token)
    }

    /// Whether `offered` is the secret. Takes the same time wherever the two differ.
    #[must_use]
    pub fn is(&self, offered: &str) -> bool {
        let differences = self.0.bytes().zip(offered.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b));
        self.0.len() == offered.len() && differences == 0
    }
}

fn read(path: &Path) -> io::Result<Option<Token>> {
    let found = path.symlink_metadata()?;
    let ours = found.is_file()
        && found.uid() == rustix::process::geteuid().as_raw()
        && found.mode() & 0o077 == 0
        && found.len() == LENGTH as u64;
    if !ours {
        return Ok(None);
    }
    let text = fs::read_to_string(path)?;
    Ok(text.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(Token(text)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_token_is_made_once_for_its_owner_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let token = Token::of_file(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Token::of_file(&path).unwrap(), token);
        let text = fs::read_to_string(&path).unwrap();
        assert!(token.is(&text));
        for wrong in ["", &text[1..], &format!("{text}0"), &text.replace(|_: char| true, "0")] {
            assert!(!token.is(wrong), "{wrong}");
        }
        assert!(!format!("{token:?}").contains(&text));
    }

    #[test]
    fn a_token_that_others_may_know_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let first = Token::of_file(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let second = Token::of_file(&path).unwrap();
        assert_ne!(second, first);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "short").unwrap();
        assert_ne!(Token::of_file(&path).unwrap(), second);
    }
}
