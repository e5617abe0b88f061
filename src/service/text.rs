//! The text of a service file: the shipped one with what is the case here filled in.
//!
//! What this module does not do: find out what is the case.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Kind, ServiceError};

const UNIT: &str = include_str!("../../systemd/skillmeatd.service");
const AGENT: &str = include_str!("../../launchd/skillmeatd.plist");

/// The unit's words for the place `cargo install` puts programs in.
const SHIPPED_PROGRAM: &str = "%h/.cargo/bin/skillmeatd";
/// The directories of the unit's `PATH`.
const SHIPPED_PATH: &str = "PATH=%h/.local/bin:";
/// The agent's, likewise.
const AGENT_PATH: &str = "@HOME@/.local/bin:";
/// The last of the unit's own variables; ours follow it.
const SHIPPED_VARIABLE: &str =
    "Environment=MALLOC_ARENA_MAX=1 MALLOC_MMAP_THRESHOLD_=131072 MALLOC_TRIM_THRESHOLD_=32768\n";
/// Lines of the unit that older versions of systemd do not know, with the first that does.
const SINCE: [(&str, u32); 2] = [("#RestartSteps=", 254), ("#RestartMaxDelaySec=", 254)];
/// The agent's time to end, in seconds.
const AGENT_END: &str = "<integer>30</integer>\n    <key>EnvironmentVariables</key>";
/// What the end may take beyond `shutdown.grace`.
const END: Duration = Duration::from_secs(25);

/// What is to be run, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The program, an absolute path.
    pub program: PathBuf,
    /// What follows `run`.
    pub arguments: Vec<String>,
    /// Variables that the service has to have, because whoever asks it has them.
    pub variables: Vec<(String, String)>,
    /// A directory to be searched for programs before all others.
    pub search: Option<PathBuf>,
    /// The user's home directory; systemd knows it by itself.
    pub home: PathBuf,
    /// `shutdown.grace`. systemd is told by the daemon when it ends, launchd has to know before.
    pub grace: Duration,
    /// The version of systemd; unknown is taken for the oldest that does.
    pub systemd: Option<u32>,
}

impl Job {
    /// `program run`, and nothing special.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>, home: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            variables: Vec::new(),
            search: None,
            home: home.into(),
            grace: Duration::from_secs(5),
            systemd: None,
        }
    }

    /// The whole file that makes this service manager do the job.
    ///
    /// # Errors
    /// When a path holds control characters or is not UTF-8; for systemd, when the program's holds quotes or backslashes.
    pub fn text(&self, kind: Kind) -> Result<String, ServiceError> {
        match kind {
            Kind::Systemd => self.unit(),
            Kind::Launchd => self.agent(),
        }
    }

    fn unit(&self) -> Result<String, ServiceError> {
        let program = plain(&self.program)?;
        if program.contains(['"', '\'', '\\']) {
            return Err(ServiceError::QuoteInProgram(self.program.clone()));
        }
        let mut start = systemd_program(program) + " run";
        for argument in &self.arguments {
            start.push(' ');
            // In arguments, unlike in the program's name, a dollar sign begins a variable.
            start.push_str(&systemd_word(plain(Path::new(argument))?).replace('$', "$$"));
        }
        let mut text = UNIT.replace(&format!("{SHIPPED_PROGRAM} run"), &start);
        if let Some(search) = &self.search {
            let search = systemd_escaped(plain(search)?);
            text = text.replace(SHIPPED_PATH, &format!("PATH={search}:{}", &SHIPPED_PATH["PATH=".len()..]));
        }
        let mut variables = SHIPPED_VARIABLE.to_owned();
        for (name, value) in &self.variables {
            let value = systemd_escaped(plain(Path::new(value))?);
            variables.push_str(&format!("Environment=\"{name}={value}\"\n"));
        }
        text = text.replace(SHIPPED_VARIABLE, &variables);
        for (line, since) in SINCE {
            if self.systemd.is_some_and(|version| version >= since) {
                text = text.replace(line, &line[1..]);
            }
        }
        Ok(text)
    }

    fn agent(&self) -> Result<String, ServiceError> {
        let arguments: Result<String, ServiceError> = self
            .arguments
            .iter()
            .map(|argument| {
                Ok(format!("\n        <string>{}</string>", xml_text(plain(Path::new(argument))?)))
            })
            .collect();
        let end = self.grace.saturating_add(END).as_secs().max(30);
        let mut text = AGENT
            .replace("<string>run</string>", &format!("<string>run</string>{}", arguments?))
            .replace(AGENT_END, &AGENT_END.replace("30", &end.to_string()));
        if let Some(search) = &self.search {
            text = text.replace(AGENT_PATH, &format!("{}:{AGENT_PATH}", xml_text(plain(search)?)));
        }
        let text = text
            .replace("@PROGRAM@", &xml_text(plain(&self.program)?))
            .replace("@HOME@", &xml_text(plain(&self.home)?));
        Ok(text)
    }
}

fn plain(path: &Path) -> Result<&str, ServiceError> {
    path.to_str()
        .filter(|text| !text.contains(char::is_control))
        .ok_or_else(|| ServiceError::Unwritable(path.to_owned()))
}

/// A path as the first word of `ExecStart=` (systemd.service(5), "COMMAND LINES"): quoted where it has to be, and with
/// no specifiers in it. Quotes and backslashes cannot occur. A dollar sign stands for itself there: the program's name takes no variables.
fn systemd_program(path: &str) -> String {
    let path = path.replace('%', "%%");
    let safe = |c: char| c.is_alphanumeric() || "/._-+%".contains(c);
    if path.chars().all(safe) {
        return path;
    }
    format!("\"{path}\"")
}

/// A word of any other kind (systemd.syntax(7), "QUOTING").
fn systemd_word(text: &str) -> String {
    let safe = |c: char| c.is_alphanumeric() || "/._-+%=:,".contains(c);
    if !text.is_empty() && text.chars().all(safe) {
        return text.replace('%', "%%");
    }
    format!("\"{}\"", systemd_escaped(text))
}

/// Inside double quotes, with no specifiers.
fn systemd_escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%")
}

fn xml_text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests;
