//! skillmeatd keeps SkillMeat's files and its web backend's cache database in step, in both directions.
//!
//! This page is the map: what the parts are, which way data flows, what always holds, and who may import whom.
//!
//! # The parts
//!
//! * [`domain`]: the core. Every decision is a function of values here, and nothing here does I/O.
//! * [`paths`]: where everything is.
//! * [`config`]: the settings, in layers, each with the place it came from.
//! * [`observe`]: where the log goes.
//! * [`db`]: the database side: which one it is, its rows, its changes.
//! * [`state`]: what we remember between two runs, in a database of our own.
//! * [`fs`]: the file side: watching, reading, replacing.
//! * [`control`]: questions to the running daemon, over a Unix socket: its own, and SkillMeat's list pages and refresh
//!   hooks.
//! * [`daemon`]: what joins the files and the database, and runs.
//! * [`service`]: the daemon as a service under systemd or launchd: its files, and the steps to it and away from it.
//! * [`doctor`]: measures what a checkup judges.
//! * [`cli`]: the command line; the only part that prints answers and chooses exit codes.
//!
//! # Which way data flows
//!
//! From files to database: an event is a hint that something changed and says nothing about what. The hints
//! of a burst are gathered, the files they point at are read, and what was read becomes the wanted state. The
//! wanted and the actual rows are compared in one transaction and the difference is written.
//!
//! A client that asks for a list page is answered from the rows, on a connection beside the one that writes; the files
//! are looked at first only for rows that nobody has verified. Rows that stay as they are get marked as verified
//! (`synced_at`) once in their time to live.
//!
//! A client that edits, makes or removes an artifact has its entry file and its manifest written, both or neither; the
//! rows follow before the answer.
//!
//! From entry file to manifest: a field that was edited by hand in an artifact's frontmatter becomes an edit of
//! `collection.toml`, which replaces the file at once and whole, and goes on to the row from there.
//!
//! From database to files: a foreign commit leads at once to an exchange of what the database owns. Its groups and tags
//! and the manifests' are merged with what both last agreed on; the result goes into the manifests, then into the rows,
//! and then it is what both agree on. An edit of these sections by hand takes the same way to the rows. Then the rows of
//! artifacts are compared; tags that somebody has assigned in the database alone go into the entry before the row is made
//! equal to it.
//!
//! The same comparison runs at the start, on a hint, after lost events, when asked, and on a slow timer, so
//! an event that never came costs time and nothing else.
//!
//! # What always holds
//!
//! 1. *It converges.* When files and database are left alone, each mirrored row is a function of the files, and the
//!    groups and tag definitions of a manifest are those of the database.
//! 2. *It loses nothing.* A file has its old or its new content at every instant, whatever crashes. A change
//!    made by anybody else survives ours.
//! 3. *A problem is not an absence.* What cannot be read removes nothing. The last good state stays and the
//!    problem is shown until it is gone.
//! 4. *It is a guest.* No schema change in a database that SkillMeat made, no write outside the manifests,
//!    the artifacts' entry files, the mirrored rows and our own state directory.
//! 5. *It is quiet.* With nothing to do there are no writes, no wake-ups beyond the slow timers, and no
//!    reaction to what we wrote ourselves.
//! 6. *It is honest.* What `status` shows was asked of the running daemon just then.
//!
//! # Who may import whom
//!
//! | layer | may import |
//! |---|---|
//! | `domain`, `paths` | nothing of ours |
//! | `config`, `fs`, `db`, `state` | `domain` |
//! | `control` | `domain`, `paths` |
//! | `observe` | `config` |
//! | `service` | `domain`, `paths`, `config` |
//! | `daemon` | everything but `service`, `doctor` and `cli` |
//! | `doctor` | everything but `observe`, `daemon` and `cli` |
//! | `cli` | everything |
//!
//! So `fs` and `db` never see each other (the daemon carries values from one to the other), and `control`
//! does not know the daemon. Only `db`, `state` and the migration package name sea-orm, only `fs` names
//! notify, only `daemon` names sd-notify and landlock, only `cli` names clap and anyhow. In `domain` there is no runtime, no database, no file, no clock
//! and no environment: clippy's `disallowed_*` lists hold there, and `tests/it/tidy.rs` reads the sources to
//! hold this whole table.

pub mod cli;
pub mod config;
pub mod control;
pub mod daemon;
pub mod db;
pub mod doctor;
pub mod domain;
pub mod fs;
pub mod observe;
pub mod paths;
pub mod service;
pub mod state;
