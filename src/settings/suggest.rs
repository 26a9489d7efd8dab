//! "Did you mean": the known word nearest to one that nobody knows.

/// The candidate that a person most likely meant, if any is near enough: at most one slip in five letters, and two.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.chars().collect();
    let allowed = (word.len() / 5).clamp(1, 2);
    candidates
        .into_iter()
        .filter_map(|candidate| Some((distance(&word, candidate, allowed)?, candidate)))
        .min()
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours that make one word of the other
/// (optimal string alignment); `None` where it takes more than `most`.
///
/// Every key that is not about backups is held against every one that is, so it gives up as early as it can.
fn distance(a: &[char], b: &str, most: usize) -> Option<usize> {
    if a.len().abs_diff(b.chars().count()) > most {
        return None;
    }
    let b: Vec<char> = b.chars().collect();
    let mut before_last = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut row = Vec::with_capacity(b.len() + 1);
    for (i, x) in a.iter().enumerate() {
        row.clear();
        row.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before_last[j - 1] + 1);
            }
            row.push(best);
        }
        // No later row falls below the least of this one: also a swap costs no less than leaving a letter out.
        if row.iter().all(|distance| *distance > most) {
            return None;
        }
        std::mem::swap(&mut before_last, &mut last);
        std::mem::swap(&mut last, &mut row);
    }
    last.last().copied().filter(|distance| *distance <= most)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn slips_are_found_and_other_words_left_alone() {
        let known = ["versioning", "tls_only", "region"];
        assert_eq!(nearest("verisoning", known), Some("versioning"));
        assert_eq!(nearest("tls-only", known), Some("tls_only"));
        assert_eq!(nearest("reason", known), None);
        assert_eq!(nearest("encryption", known), None);
        assert_eq!(nearest("", known), None);
    }

    /// By the definition: the cheapest way to make the front of one word that of the other.
    fn slowly(a: &[char], b: &[char]) -> usize {
        let ([a_rest @ .., x], [b_rest @ .., y]) = (a, b) else { return a.len().max(b.len()) };
        let mut best = slowly(a_rest, b_rest) + usize::from(x != y);
        best = best.min(slowly(a_rest, b) + 1).min(slowly(a, b_rest) + 1);
        match (a_rest, b_rest) {
            ([a_front @ .., w], [b_front @ .., v]) if w == y && x == v => {
                best.min(slowly(a_front, b_front) + 1)
            }
            _ => best,
        }
    }

    proptest! {
        #[test]
        fn giving_up_early_changes_no_distance(a in "[a-cö]{0,6}", b in "[a-cö]{0,6}", most in 0usize..4) {
            let (a, letters): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
            let wanted = slowly(&a, &letters);
            prop_assert_eq!(distance(&a, &b, most), (wanted <= most).then_some(wanted));
        }
    }
}
