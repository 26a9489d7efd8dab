//! A directory on a host: where backups or job files lie. It cannot carry a mark, so it is ours when present and never
//! removed.

pub mod live;

use super::{Field, Judgement};
use crate::vocab::{OsUser, Risk, Value};

/// A directory in its normal form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostDirectory {
    /// Absolute.
    pub path: String,
    pub owner: OsUser,
    pub group: OsUser,
    /// Permission bits, such as 0o700.
    pub mode: u32,
}

impl HostDirectory {
    pub fn fields(&self) -> Vec<Field> {
        let HostDirectory { path, owner, group, mode } = self;
        vec![
            Field::new("path", path.as_str()),
            Field::new("owner", owner.as_str()),
            Field::new("group", group.as_str()),
            Field::new("mode", mode_text(*mode)),
        ]
    }
}

/// Permission bits as chmod(1) takes them: four octal digits.
pub fn mode_text(mode: u32) -> String {
    format!("{mode:04o}")
}

/// Another owner, or more bits, means that somebody can read backups who could not before.
pub fn risk(name: &str, from: &Value, to: &Value) -> Judgement {
    match name {
        "owner" | "group" => Risk::Widening.into(),
        "mode" if more_bits(from, to) => Risk::Widening.into(),
        _ => Risk::Routine.into(),
    }
}

fn more_bits(from: &Value, to: &Value) -> bool {
    let bits = |value: &Value| value.as_text().and_then(|text| u32::from_str_radix(text, 8).ok());
    match (bits(from), bits(to)) {
        (Some(from), Some(to)) => to & !from != 0,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_bits_widen_and_fewer_do_not() {
        assert_eq!(risk("mode", &"0700".into(), &"0750".into()).risk, Risk::Widening);
        assert_eq!(risk("mode", &"0755".into(), &"0700".into()).risk, Risk::Routine);
    }
}
