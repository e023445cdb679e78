//! Text of another process, fit for a terminal: what a service sends must not move the cursor, colour the screen or
//! turn the line around.

/// The text with everything that a terminal would obey written out, such as `\u{1b}`.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_turning(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Characters that change the direction of what follows (Unicode Standard Annex 9, section 2), or are no text at all.
fn is_turning(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{61c}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_obeys_nothing_that_a_service_sends() {
        assert_eq!(shown("Bücher, 3 €"), "Bücher, 3 €");
        assert_eq!(shown("\u{1b}[2Jgone\r\n"), "\\u{1b}[2Jgone\\u{d}\\u{a}");
        assert_eq!(shown("a\u{202e}cba"), "a\\u{202e}cba");
    }
}
