//! Groups and tag definitions beside the real SkillMeat: what is done on the web stands in the right `collection.toml`,
//! what others write there is not lost, and a lost database comes back. A test's number is the scenario's.
//!
//! What these tests do not do: ask the daemon to look for what it has to find. Where they have to see that something does *not* happen, they wait
//! until it has looked at everything (`sync`), or watch for a stated time.

pub(crate) mod stage;

mod idle;
mod mapping;
mod members;
mod races;
mod reset;
mod stock;
