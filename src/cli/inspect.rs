//! `inspect`: what we read from one file.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::domain::model::Kind;

use super::{Context, Exit};

/// Show what is read from an artifact or a collection.toml
///
/// Prints the metadata, the problems and the fingerprints exactly as they would go to the database. Changes
/// nothing.
#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// An artifact file, an artifact directory, or a collection.toml
    path: PathBuf,
    /// Read it as this type of artifact instead of guessing
    #[arg(long = "type", value_name = "TYPE", value_parser = kind())]
    kind: Option<Kind>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn kind() -> impl TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(Kind::ALL.map(Kind::as_str)).try_map(|text| text.parse::<Kind>())
}

pub(super) fn run(args: InspectArgs, context: &Context) -> anyhow::Result<Exit> {
    let InspectArgs { path, kind, json } = args;
    let _ = (context.config()?, path, kind, json);
    anyhow::bail!("`inspect` is not joined to the readers on this branch")
}
