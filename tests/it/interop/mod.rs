//! Beside the real SkillMeat 0.74.0, unmodified: its command line and its web backend are the judges.
//!
//! What these tests do not do: use any code of ours to read what either side holds. Manifests are read with a plain
//! TOML parser, the cache with SQLite, the web pages over HTTP.

mod api;
pub(crate) mod cache;
pub(crate) mod groups;
mod hook;
pub(crate) mod http;
pub(crate) mod judge;
mod scenario;
pub(crate) mod skillmeat;
pub(crate) mod venv;

mod control;
mod differential;
mod latency;
mod lifecycle;
mod lists;
mod ownership;
mod pages;
mod parallel;
mod tags;
mod write;
