//! Views: what is decided elsewhere, made readable: for people (text) and for programs (JSON, GitHub).
//!
//! Place on the data's path: last. Views only make text; they decide nothing, and they must never print a secret or
//! let a control character of somebody's file reach a terminal.

pub mod problems;
pub mod settings;
pub mod text;
