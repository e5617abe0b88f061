//! `history`: the previous texts of the manifests that the daemon changed.

use std::io::Write;

use clap::{Args, Subcommand};

use super::{Context, Exit, Output};
use crate::control::protocol::review::Pick;

/// Look at previous texts of a collection.toml, and put one back
///
/// Whenever the daemon changes a collection.toml it keeps the text that was there, the last fifty of each collection.
#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the texts that are kept, the newest first
    List {
        /// Only of this collection, by the name of its directory
        #[arg(value_name = "COLLECTION")]
        collection: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print one text as it was
    Show {
        /// The collection, by the name of its directory
        #[arg(value_name = "COLLECTION")]
        collection: String,
        /// Which text, by the beginning of its id in `history list`
        #[arg(value_name = "VERSION")]
        version: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Put one text back in place; the database follows it
    ///
    /// The text that is there now is kept in the history too.
    Restore {
        /// The collection, by the name of its directory
        #[arg(value_name = "COLLECTION")]
        collection: String,
        /// Which text, by the beginning of its id in `history list`
        #[arg(value_name = "VERSION")]
        version: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(args: HistoryArgs, context: &Context) -> anyhow::Result<Exit> {
    let mut out = Output::stdout();
    match args.command {
        Command::List { collection, json } => {
            let history = context.ask(|client| async move { client.history(collection.as_deref()).await })?;
            if json {
                out.json(&history)?;
            } else if history.versions.is_empty() {
                writeln!(out, "no previous texts")?;
            } else {
                for version in &history.versions {
                    let short = version.version.get(..12).unwrap_or(&version.version);
                    let (at, bytes) = (&version.replaced_at, version.bytes);
                    writeln!(out, "{short}  {at}  {bytes:>8} bytes  {}", version.collection)?;
                }
            }
        }
        Command::Show { collection, version, json } => {
            let pick = Pick { collection, version };
            let text = context.ask(|client| async move { client.show(&pick).await })?;
            if json {
                out.json(&text)?;
            } else {
                out.write_all(text.text.as_bytes())?;
            }
        }
        Command::Restore { collection, version, json } => {
            let pick = Pick { collection, version };
            let restored = context.ask(|client| async move { client.restore(&pick).await })?;
            if json {
                out.json(&restored)?;
            } else if restored.changed {
                writeln!(
                    out,
                    "collection {}: the text {} is in place",
                    restored.collection, restored.version
                )?;
            } else {
                writeln!(out, "collection {} has this text already", restored.collection)?;
            }
        }
    }
    out.finish()?;
    Ok(Exit::Done)
}
