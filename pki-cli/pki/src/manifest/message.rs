//! What the parser of TOML says, as a sentence, with the likely meaning of a misspelt field.

use crate::text::escape;

/// The parser's message as a sentence, with the likely meaning of a misspelt field.
pub(super) fn sentence(message: &str) -> String {
    // A field may have any name in quotes, with line ends in it as well.
    let first = if message.starts_with("unknown field") {
        message
    } else {
        message.lines().next().unwrap_or_default()
    };
    let first = escape(first);
    let first = first.trim_end_matches('.');
    let mut quoted = first.split('`').skip(1).step_by(2);
    let unknown = first
        .starts_with("unknown field")
        .then(|| quoted.next())
        .flatten();
    let nearest = unknown.and_then(|unknown| {
        let near = quoted.map(|known| (distance(unknown, known), known)).min();
        near.filter(|(distance, known)| *distance <= known.len().div_ceil(2))
            .map(|(_, known)| known)
    });
    let mut characters = first.chars();
    let capital = characters
        .next()
        .map(|first| first.to_uppercase().to_string())
        .unwrap_or_default();
    let rest = characters.as_str().replace('`', "\"");
    match nearest {
        Some(nearest) => format!("{capital}{rest}; did you mean \"{nearest}\"?"),
        None => format!("{capital}{rest}."),
    }
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
