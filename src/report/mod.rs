//! Views: what is decided elsewhere, made readable: for people (text), for programs (JSON), for reviews (Markdown,
//! GitHub, SARIF). docs/output-style.md says what they look like.
//!
//! Place on the data's path: last. Views only make text; they decide nothing, read no clock, and must never print a
//! secret or let a control character of somebody's file reach a terminal.

pub mod audit;
mod audit_matrix;
pub mod decision;
pub mod desired;
pub mod documents;
mod hosts;
pub mod jobs;
pub mod lock;
pub mod plan;
mod plan_markdown;
mod plan_takeover;
mod plan_words;
pub mod problems;
pub mod reference;
pub mod restore;
pub mod sarif;
pub mod settings;
pub mod snapshot;
pub mod status;
pub mod text;
pub mod times;
pub mod verify;
