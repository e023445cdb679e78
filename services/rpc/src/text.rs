//! Text of somebody else, fit for a terminal: what comes from a command line, a file or another process must not move
//! the cursor, colour the screen or turn the line around.

/// The text with everything that a terminal would obey written out, such as `\u{1b}`. It stays on one line.
#[must_use]
pub fn escaped(text: &str) -> String {
    escape(text, |_| false)
}

/// The same for a text of several lines, which keeps its line breaks.
#[must_use]
pub fn escaped_lines(text: &str) -> String {
    escape(text, |c| c == '\n')
}

fn escape(text: &str, keep: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if (c.is_control() || is_turning(c)) && !keep(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Characters that change the direction of what follows (Unicode Standard Annex 9, section 2), break the line (section
/// 5.8 of the Unicode Standard), or are no text at all.
fn is_turning(c: char) -> bool {
    matches!(
        c,
        '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_obeys_nothing_of_it() {
        assert_eq!(escaped("Bücher, 3 €"), "Bücher, 3 €");
        assert_eq!(
            escaped("\u{1b}[2Jgone\r\n\u{9b}31m"),
            "\\u{1b}[2Jgone\\u{d}\\u{a}\\u{9b}31m"
        );
        assert_eq!(escaped("a\u{202e}cba"), "a\\u{202e}cba");
        // What was escaped before stays as it is.
        assert_eq!(escaped(&escaped("\u{1b}")), "\\u{1b}");
    }

    #[test]
    fn lines_stay_lines_where_they_are_wanted() {
        assert_eq!(escaped_lines("a\u{1b}\n  b\r\n"), "a\\u{1b}\n  b\\u{d}\n");
    }
}
