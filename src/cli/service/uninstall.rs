//! `service uninstall`: the service goes, and everything that was made for it.

use std::path::Path;

use clap::Args;

use super::install::show;
use super::{manager, no_manager};
use crate::cli::{Context, Exit, Failure};
use crate::daemon::lifecycle::InstanceLock;
use crate::paths::Paths;
use crate::service::Kind;
use crate::service::plan;

/// Stop the service and take it away
///
/// Removes what `install` has made and nothing else. Work in hand is finished first. What the daemon remembers stays,
/// previous texts of your manifests among it, unless you ask for that to go, too.
#[derive(Debug, Args)]
pub(in crate::cli) struct UninstallArgs {
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Take away a unit that was changed by hand, or is not ours, as well; it is kept under another name
    #[arg(long)]
    force: bool,
    /// Remove what the daemon remembers, too: its state, with the previous texts of your manifests
    #[arg(long)]
    purge: bool,
}

pub(super) fn run(args: &UninstallArgs, context: &Context) -> anyhow::Result<Exit> {
    let manager = manager(context)?;
    let (found, answer) = manager.found();
    let acts = plan::uninstall(&found, manager.commands(), args.force)
        .map_err(|refusal| Failure::new(Exit::Failed, refusal.to_string()))?;
    let state = &context.paths.state_dir;
    if args.dry_run {
        show(&acts, "there is no service of ours")?;
        if args.purge && state.exists() {
            println!("would remove what the daemon remembers in {}", state.display());
        }
        return Ok(Exit::Done);
    }
    // Without a manager nothing runs under it, and its files can go; but there must be files.
    if let Err(why) = answer
        && found.text.is_none()
    {
        return Err(no_manager(manager.kind(), &why));
    }
    for act in &acts {
        println!("{}", act.says());
        act.take()?;
    }
    if acts.is_empty() {
        println!("there is no service of ours");
    }
    if let Some(elsewhere) = &found.elsewhere {
        println!("{} belongs to a package and stays", elsewhere.display());
    }
    tidy(context, args.purge, &manager)?;
    Ok(Exit::Done)
}

/// What daemons leave behind. Only the one who holds the lock may touch that.
fn tidy(context: &Context, purge: bool, manager: &crate::service::Manager) -> anyhow::Result<()> {
    let Paths { state_dir, runtime_dir, config_file, .. } = &context.paths;
    if !state_dir.exists() {
        return Ok(());
    }
    let lock = match InstanceLock::acquire(&context.paths.lock) {
        Ok(lock) => lock,
        Err(error) if purge => return Err(error.into()),
        Err(_) => {
            println!("another daemon runs on: {} stays", state_dir.display());
            return Ok(());
        }
    };
    if purge {
        remove_all_but(state_dir, config_file)?;
        println!("remove {}", state_dir.display());
    } else {
        println!("what the daemon remembers stays in {} (--purge removes it)", state_dir.display());
    }
    // Empty after a clean end; whatever is in them otherwise is not ours to judge.
    let _ = std::fs::remove_dir(runtime_dir.join("cookies"));
    let _ = std::fs::remove_dir(runtime_dir);
    if purge {
        let _ = std::fs::remove_dir(state_dir);
        if manager.kind() == Kind::Launchd {
            let _ = std::fs::remove_file(context.paths.home.join("Library/Logs/skillmeatd.log"));
        }
    }
    drop(lock);
    Ok(())
}

/// On macOS a person's configuration lies in the same directory.
fn remove_all_but(directory: &Path, kept: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path == kept {
            continue;
        }
        if path.symlink_metadata()?.is_dir() {
            std::fs::remove_dir_all(&path)?;
        } else {
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}
