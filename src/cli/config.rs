//! `config`: what the configuration is, where it came from, and what is wrong with it.

use std::fmt::Write as _;
use std::io::Write as _;

use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};

use crate::config::{ConfigFile, KEYS, Loaded, Origin};

use super::exit::BadConfig;
use super::{Context, Exit, Output};

/// Show, check or find the configuration
#[derive(Debug, Args)]
#[command(after_long_help = keys())]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Show every setting and its value
    ///
    /// What is printed is itself a valid configuration file.
    Show(ShowArgs),
    /// Check the configuration and list everything that is wrong with it
    ///
    /// Looks at the file, at the SKILLMEATD_ variables and at the flags, as a start of the daemon would. Exit
    /// code 2 if anything is wrong.
    Check,
    /// Print the path of the configuration file, whether it exists or not
    Path,
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// Say where each value comes from
    #[arg(long)]
    origin: bool,
    /// Print JSON, with the origin of each value
    #[arg(long)]
    json: bool,
}

/// Every key, for the long help.
fn keys() -> String {
    let mut text = "Keys, each of them optional:\n".to_owned();
    for key in KEYS {
        let default = match key.default_value() {
            Json::Null => "not set".to_owned(),
            Json::String(word) => word,
            other => other.to_string(),
        };
        let _ = write!(
            text,
            "\n  {}\n      {}\n      Accepts {}. Default: {default}. Variable: {}\n",
            key.name,
            key.doc,
            key.accepts,
            key.variable()
        );
    }
    text.push_str("\nA flag (--set KEY=VALUE) wins over a variable, a variable over the file, the file over the default.\n");
    text
}

pub(super) fn run(args: ConfigArgs, context: &Context) -> anyhow::Result<Exit> {
    let mut out = Output::stdout();
    match args.command {
        ConfigCommand::Path => writeln!(out, "{}", context.config_file().display())?,
        ConfigCommand::Check => check(context, &mut out)?,
        ConfigCommand::Show(show) => {
            let loaded = context.config()?;
            if show.json {
                out.json(&as_json(&loaded, context))?;
            } else {
                out.write_all(as_text(&loaded, show.origin).as_bytes())?;
            }
        }
    }
    out.finish()?;
    Ok(Exit::Done)
}

fn check(context: &Context, out: &mut Output) -> anyhow::Result<()> {
    context.load_config().map_err(BadConfig)?;
    let path = context.config_file();
    match ConfigFile::read(path)? {
        Some(_) => writeln!(out, "{}: no errors", path.display())?,
        None => writeln!(out, "{}: no such file, the defaults apply", path.display())?,
    }
    Ok(())
}

fn as_text(loaded: &Loaded, origin: bool) -> String {
    let lines: Vec<String> = KEYS
        .iter()
        .map(|key| match key.toml(&loaded.config) {
            Some(value) => format!("{} = {value}", key.name),
            None => format!("# {} is not set", key.name),
        })
        .collect();
    let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (key, line) in KEYS.iter().zip(&lines) {
        let _ = if origin {
            writeln!(text, "{line:width$}  # {}", place(loaded.origin(key)))
        } else {
            writeln!(text, "{line}")
        };
    }
    text
}

fn place(origin: &Origin) -> String {
    match origin {
        Origin::File { path, line, .. } => format!("from {}:{line}", path.display()),
        other => other.to_string(),
    }
}

fn as_json(loaded: &Loaded, context: &Context) -> Json {
    let value = |key: &crate::config::Key| {
        let origin = loaded.origin(key);
        let mut place = json!({ "layer": origin.layer() });
        match origin {
            Origin::Default => {}
            Origin::File { path, line, column } => {
                place["file"] = path.display().to_string().into();
                place["line"] = (*line).into();
                place["column"] = (*column).into();
            }
            Origin::Variable(name) | Origin::Flag(name) => place["name"] = name.as_str().into(),
        }
        json!({
            "key": key.name,
            "value": key.value(&loaded.config),
            "default": key.default_value(),
            "variable": key.variable(),
            "origin": place,
        })
    };
    json!({
        "version": 1,
        "file": context.config_file().display().to_string(),
        "values": KEYS.iter().map(value).collect::<Vec<_>>(),
    })
}
