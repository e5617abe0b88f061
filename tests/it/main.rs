//! The integration tests: one binary, real temp trees, the real SQLite and, in `interop`, the real SkillMeat.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod child;
mod cli;
mod contract;
mod control;
mod daemon;
mod faults;
mod generate;
mod groups;
mod home;
mod interop;
mod lists;
mod package;
mod service;
mod tidy;
mod web;
