//! Words of messages: what of a file is quoted in them, and the likely meaning of a misspelt field.

use crate::text::escape;

/// No more of a name than this is quoted.
const LONGEST: usize = 64;

/// A name from the file, in quotes.
pub(super) fn quoted(name: &str) -> String {
    let shown = match name.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", escape(&name[..end])),
        None => escape(name),
    };
    format!("\"{shown}\"")
}

/// Half a sentence as a whole one.
pub(super) fn sentence(half: &str) -> String {
    let mut characters = half.chars();
    let first = characters.next();
    let capital = first.map(|first| first.to_uppercase().to_string());
    format!("{}{}.", capital.unwrap_or_default(), characters.as_str())
}

/// What a misspelt name was likely meant to be.
pub(super) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    if name.chars().count() > LONGEST {
        return None;
    }
    let near = known.iter().map(|known| (distance(name, known), *known));
    near.min()
        .filter(|(distance, known)| *distance <= known.len().div_ceil(2))
        .map(|(_, known)| known)
}

/// The number of letters to insert, delete, exchange or swap with their neighbour to get from one word to another.
pub(super) fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut table = vec![vec![0_usize; other.len() + 1]; one.len() + 1];
    for at in 0..=one.len() {
        for to in 0..=other.len() {
            table[at][to] = if at == 0 || to == 0 {
                at + to
            } else {
                let exchanged = table[at - 1][to - 1] + usize::from(one[at - 1] != other[to - 1]);
                let least = exchanged
                    .min(table[at - 1][to] + 1)
                    .min(table[at][to - 1] + 1);
                let is_swap = at > 1
                    && to > 1
                    && one[at - 1] == other[to - 2]
                    && one[at - 2] == other[to - 1];
                if is_swap {
                    least.min(table[at - 2][to - 2] + 1)
                } else {
                    least
                }
            };
        }
    }
    table[one.len()][other.len()]
}
