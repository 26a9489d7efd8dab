//! "Did you mean": the known word nearest to one that nobody knows.

/// The candidate that a person most likely meant, if any is near enough: at most one slip in five letters, and two.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (word.chars().count() / 5).clamp(1, 2);
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours that make one word of the other
/// (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    // Words of very different length are far apart; counting would only take time.
    if a.len().abs_diff(b.len()) > 2 {
        return usize::MAX;
    }
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (rows[i][j] + usize::from(x != y)).min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_other_words_left_alone() {
        let known = ["versioning", "tls_only", "region"];
        assert_eq!(nearest("verisoning", known), Some("versioning"));
        assert_eq!(nearest("tls-only", known), Some("tls_only"));
        assert_eq!(nearest("reason", known), None);
        assert_eq!(nearest("encryption", known), None);
        assert_eq!((distance("ab", "ba"), distance("", "ab"), distance("kitten", "sitten")), (1, 2, 1));
    }
}
