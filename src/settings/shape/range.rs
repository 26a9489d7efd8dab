//! What is wrong with a number or a text that breaks a limit or a pattern of the schema, in words, and which check it is.

use serde_json::Value as Json;

use crate::settings::checks::table;
use crate::vocab::Check;

/// The patterns of the schema, for people who do not read them.
pub(super) fn pattern_in_words(pattern: &str) -> (Check, &'static str) {
    match pattern {
        r"^[0-9]{12}$" => (table::BAD_ACCOUNT, "an AWS account of twelve digits"),
        r"^[1-9][0-9]{0,3}d$" => (table::BAD_VALUE, "a number of days such as 7d"),
        r"^[1-9][0-9]{0,4}(m|h|d|w)$" => (table::BAD_VALUE, "a duration such as 26h, 7d or 4w"),
        r"^[0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2}$" => {
            (table::BAD_WINDOW, "a window in UTC such as \"16:00-16:30\"")
        }
        r"^[a-z0-9_-]{1,32}$" => {
            (table::BAD_NAME, "a name of at most 32 lower-case letters, digits, `-`, `_`")
        }
        r"^[A-Za-z0-9._-]{1,200}$" => (table::BAD_NAME, "a name of letters, digits, `-`, `_`, `.`"),
        r"^vpc-[0-9a-z]+$" => (table::BAD_VALUE, "a VPC such as vpc-0123456789abcdef0"),
        r"^db\.[a-z0-9]+\.[a-z0-9]+$" => (table::BAD_VALUE, "a class such as db.t3.micro"),
        pattern if pattern.starts_with("^arn:") => (table::BAD_VALUE, "the ARN of a KMS key"),
        _ => (table::BAD_VALUE, "of the right form"),
    }
}

/// Whether a number says how long or how many backups are kept.
fn is_retention(path: &[String]) -> bool {
    const WORDS: [&str; 7] = ["days", "keep_days", "retention_days", "hourly", "daily", "weekly", "monthly"];
    path.last().is_some_and(|last| WORDS.contains(&last.as_str()))
}

pub(super) fn too_small(path: &[String], number: &Json) -> (Check, String) {
    let is = |name: &str| path.iter().any(|part| part == name);
    match is_retention(path) {
        true if is("retention_days") => (
            table::BAD_RETENTION,
            format!("{number} days would switch automated backups off, and AWS would delete those there are"),
        ),
        true if is("object_lock") => (table::BAD_RETENTION, format!("{number} days would lock nothing")),
        true => (table::BAD_RETENTION, format!("{number} would keep no backup at all")),
        false => (table::OUT_OF_RANGE, format!("{number} is too small")),
    }
}

pub(super) fn too_large(path: &[String], number: &Json) -> (Check, String) {
    let is = |name: &str| path.iter().any(|part| part == name);
    match is_retention(path) {
        true if is("retention_days") => (
            table::BAD_RETENTION,
            format!(
                "{number} days are more than RDS keeps automated backups: long_term keeps snapshots longer"
            ),
        ),
        true => (table::BAD_RETENTION, format!("{number} is longer than anything is kept")),
        false => (table::OUT_OF_RANGE, format!("{number} is too large")),
    }
}
