//! skillmeatd keeps SkillMeat's files and its web backend's cache database in step, in both directions.

pub mod domain;
pub mod fs;
