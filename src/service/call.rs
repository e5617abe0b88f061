//! Running the programs that a service manager is asked with.
//!
//! What this module does not do: know what they say.

use std::io;
use std::process::{Command, Stdio};

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The exit status was 0.
    pub ok: bool,
    /// The exit status, when it ended by itself.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error, without the line end.
    pub stderr: String,
}

impl Said {
    /// The last thing it said about what went wrong.
    #[must_use]
    pub fn complaint(&self) -> String {
        let said = [&self.stderr, &self.stdout].into_iter().find_map(|text| text.lines().last());
        said.map_or_else(|| format!("exit status {:?}", self.code), ToOwned::to_owned)
    }
}

/// A program, its arguments before all others, and how to call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program(Vec<String>);

impl Program {
    /// The program, looked for on `PATH`, with these first arguments.
    #[must_use]
    pub fn new(words: &[&str]) -> Self {
        Self(words.iter().map(|word| (*word).to_owned()).collect())
    }

    /// The whole command line, to be shown.
    #[must_use]
    pub fn line(&self, arguments: &[&str]) -> String {
        let quoted = |word: &str| {
            let plain = |c: char| c.is_alphanumeric() || "/._-=:%@+,".contains(c);
            if !word.is_empty() && word.chars().all(plain) {
                word.to_owned()
            } else {
                format!("'{}'", word.replace('\'', "'\\''"))
            }
        };
        let words = self.0.iter().map(String::as_str).chain(arguments.iter().copied());
        words.map(quoted).collect::<Vec<_>>().join(" ")
    }

    /// The command, not yet run: in the C locale, with nothing to read.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.0[0]);
        command.args(&self.0[1..]).args(arguments).env("LC_ALL", "C").env("SYSTEMD_COLORS", "0");
        command.stdin(Stdio::null());
        command
    }

    /// Run it to its end.
    ///
    /// # Errors
    /// When it cannot be started: it is not there.
    pub fn call(&self, arguments: &[&str]) -> io::Result<Said> {
        let output = self.command(arguments).output()?;
        Ok(Said {
            ok: output.status.success(),
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).trim_end().to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_can_be_copied() {
        let program = Program::new(&["systemctl", "--user"]);
        assert_eq!(
            program.line(&["enable", "skillmeatd.service"]),
            "systemctl --user enable skillmeatd.service"
        );
        assert_eq!(program.line(&["", "it's"]), r"systemctl --user '' 'it'\''s'");
    }

    #[test]
    fn what_it_said_is_kept() {
        let said = Program::new(&["sh", "-c"]).call(&["echo out; echo why >&2; exit 3"]).unwrap();
        assert_eq!((said.ok, said.code, said.stdout.as_str()), (false, Some(3), "out\n"));
        assert_eq!(said.complaint(), "why");
        assert!(Program::new(&["no-such-program-at-all"]).call(&[]).is_err());
    }
}
