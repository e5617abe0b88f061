//! The table, and the few statistics in it.

use std::fmt;
use std::time::Duration;

/// What one line of the table compares.
struct Line {
    what: String,
    skillmeat: Option<String>,
    ours: String,
    ratio: Option<f64>,
}

/// Lines in the order they were measured.
pub(crate) struct Report {
    lines: Vec<Line>,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self { lines: Vec::new() }
    }

    /// A time of both sides.
    pub(crate) fn compare(&mut self, what: impl Into<String>, skillmeat: Duration, ours: Duration) {
        self.lines.push(Line {
            what: what.into(),
            skillmeat: Some(time(skillmeat)),
            ours: time(ours),
            ratio: Some(skillmeat.as_secs_f64() / ours.as_secs_f64()),
        });
    }

    /// How many a second on both sides.
    pub(crate) fn rates(&mut self, what: impl Into<String>, skillmeat: f64, ours: f64) {
        self.lines.push(Line {
            what: what.into(),
            skillmeat: Some(format!("{skillmeat:.1}")),
            ours: format!("{ours:.0}"),
            ratio: Some(ours / skillmeat),
        });
    }

    /// Something with no counterpart, or one that is no number.
    pub(crate) fn tell(
        &mut self,
        what: impl Into<String>,
        skillmeat: Option<String>,
        ours: impl Into<String>,
    ) {
        self.lines.push(Line { what: what.into(), skillmeat, ours: ours.into(), ratio: None });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", machine())?;
        writeln!(f, "| measured | SkillMeat 0.74.0 | skillmeatd | ratio |")?;
        writeln!(f, "|---|---:|---:|---:|")?;
        for line in &self.lines {
            let skillmeat = line.skillmeat.as_deref().unwrap_or("–");
            let ratio = line.ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.1} ×"));
            writeln!(f, "| {} | {skillmeat} | {} | {ratio} |", line.what, line.ours)?;
        }
        Ok(())
    }
}

/// A time with three digits.
pub(crate) fn time(time: Duration) -> String {
    match time.as_secs_f64() {
        s if s >= 100.0 => format!("{s:.0} s"),
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 0.01 => format!("{:.0} ms", s * 1e3),
        s => format!("{:.2} ms", s * 1e3),
    }
}

/// The value below which `percent` of the sorted times lie.
pub(crate) fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    let index = (times.len() * percent).div_ceil(100).saturating_sub(1);
    times.get(index).copied().unwrap_or_default()
}

/// Processor, number of processors, kernel.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let release = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    format!(
        "{}, {processors} processors, {} {}, load {}",
        model.unwrap_or("unknown processor"),
        std::env::consts::OS,
        release.trim(),
        load.split(' ').next().unwrap_or("unknown")
    )
}
