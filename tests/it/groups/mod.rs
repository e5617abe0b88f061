//! Groups and tag definitions between a running daemon's two sides: the real binary, the kernel's own events, and a
//! neighbour at the database that writes the rows the web page would.
//!
//! What these tests do not do: run SkillMeat (see [`crate::interop`]), or use any code of ours to read a side.

mod web;

mod clobber;
mod command_line;
mod kill;
mod lost;
mod measure;
mod model;
mod quiet;
#[cfg(target_os = "linux")]
mod syscalls;
mod ways;
