//! The rules about tag definitions, one by one.
