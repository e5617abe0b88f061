//! The running daemon: what joins the file side and the database side.

pub mod lifecycle;
