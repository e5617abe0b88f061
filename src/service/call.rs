//! Running the programs that a service manager is asked with, none of them for longer than it may take.
//!
//! What this module does not do: know what they say.

use std::io::{self, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

/// How long a question may take: systemctl answers in milliseconds when there is anybody to ask.
const QUESTION: Duration = Duration::from_secs(10);
/// Between two looks whether a program that has nothing more to say has ended.
const LOOK: Duration = Duration::from_millis(2);

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

/// Why a program gave no answer.
pub(super) fn unasked(program: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut => format!("{program} does not answer: {error}"),
        _ => format!("there is no {program}: {error}"),
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

    /// Ask it something: run it to its end, for ten seconds at most.
    ///
    /// # Errors
    /// When it cannot be started: it is not there. `TimedOut` when it did not come to its end; it is killed then.
    pub fn call(&self, arguments: &[&str]) -> io::Result<Said> {
        self.call_within(arguments, QUESTION)
    }

    /// Run it to its end, for `limit` at most.
    ///
    /// # Errors
    /// As [`Program::call`].
    pub fn call_within(&self, arguments: &[&str], limit: Duration) -> io::Result<Said> {
        let mut command = self.command(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let streams = (child.stdout.take().map(drain), child.stderr.take().map(drain));
        let ended = to_its_end(&mut child, &streams, Instant::now() + limit);
        if !matches!(ended, Ok(Some(_))) {
            let _ = child.kill();
            let _ = child.wait();
        }
        ended?.ok_or_else(|| {
            let why = format!("it did not end within {} s", limit.as_secs_f64());
            io::Error::new(io::ErrorKind::TimedOut, why)
        })
    }
}

/// What comes out of a pipe until all who could write to it are gone, read beside us: a pipe that nobody reads stops
/// the writer.
fn drain(mut pipe: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = sync_channel(1);
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        let _ = sender.send(bytes);
    });
    receiver
}

type Stream = Option<Receiver<Vec<u8>>>;

/// `None` when it takes until later than `end`.
fn to_its_end(child: &mut Child, streams: &(Stream, Stream), end: Instant) -> io::Result<Option<Said>> {
    let left = || end.saturating_duration_since(Instant::now());
    let text = |stream: &Stream| {
        let bytes = stream.as_ref().and_then(|stream| stream.recv_timeout(left()).ok())?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    let (Some(stdout), Some(stderr)) = (text(&streams.0), text(&streams.1)) else { return Ok(None) };
    loop {
        if let Some(status) = child.try_wait()? {
            let stderr = stderr.trim_end().to_owned();
            return Ok(Some(Said { ok: status.success(), code: status.code(), stdout, stderr }));
        }
        if left().is_zero() {
            return Ok(None);
        }
        std::thread::sleep(LOOK);
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
        // More than a pipe holds, on both.
        let lines = "i=0; while [ $i -lt 20000 ]; do echo 0123456789; echo 0123456789 >&2; i=$((i+1)); done";
        let said = Program::new(&["sh", "-c"]).call(&[lines]).unwrap();
        assert_eq!((said.ok, said.stdout.len(), said.stderr.len()), (true, 220_000, 219_999));
    }

    #[test]
    fn who_does_not_come_to_an_end_is_not_waited_for() {
        let limit = Duration::from_millis(300);
        // One that says nothing, one that closes its mouth and stays, and one whose child stays.
        for script in ["exec sleep 60", "exec >/dev/null 2>&1 sleep 60", "sleep 5 & exit 0"] {
            let began = Instant::now();
            let error = Program::new(&["sh", "-c"]).call_within(&[script], limit).unwrap_err();
            assert_eq!(
                (error.kind(), error.to_string().as_str()),
                (io::ErrorKind::TimedOut, "it did not end within 0.3 s")
            );
            assert!(began.elapsed() >= limit && began.elapsed() < Duration::from_secs(30), "{script}");
        }
    }
}
