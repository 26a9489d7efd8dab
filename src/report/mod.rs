//! Views: data in, text out. They decide nothing; docs/output-style.md says what they look like.
//!
//! Must never print themselves (`cli` does), read a clock, or hold a secret: what they are given has none.

pub mod desired;
pub mod jobs;
pub mod plan;
mod plan_json;
mod plan_markdown;
mod plan_words;
pub mod text;
