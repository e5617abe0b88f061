//! The integration tests: one binary, real temp trees, the real SQLite and, in `interop`, the real SkillMeat.

mod child;
mod cli;
mod daemon;
mod generate;
mod home;
mod interop;
mod tidy;
