//! Whether a backup is too small to be whole: the last ones of the same format say what is usual.

use super::Seen;

/// How many earlier backups say what is usual.
const LAST: usize = 5;

/// What backups of the format usually have, where this one has less than half, or nothing at all.
pub fn shrunk(newest: &Seen, seen: &[Seen]) -> Option<u64> {
    let mut before: Vec<&Seen> = seen
        .iter()
        .filter(|other| other.place == newest.place && other.ended < newest.ended)
        .filter(|other| newest.format.is_some() && other.format == newest.format)
        .collect();
    before.sort_by_key(|other| std::cmp::Reverse(other.ended));
    let mut sizes: Vec<u64> = before.iter().take(LAST).map(|other| other.bytes).collect();
    sizes.sort_unstable();
    let usual = sizes.get(sizes.len() / 2).copied();
    match usual {
        Some(usual) if newest.bytes < usual / 2 || (newest.bytes == 0 && usual > 0) => Some(usual),
        _ if newest.bytes == 0 => Some(0),
        _ => None,
    }
}
