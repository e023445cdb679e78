//! Names from certificates are hostile until shown otherwise: what reaches a log or an error message goes through here.

use std::fmt::{self, Write};

/// Shows `0` with every character escaped that could move a cursor, hide a part or reorder what a person reads.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if is_hostile(character) {
                write!(f, "\\u{{{:x}}}", u32::from(character))?;
            } else {
                f.write_char(character)?;
            }
        }
        Ok(())
    }
}

/// Control characters, and the marks that are invisible or change the direction of writing (Unicode TR 36, 3.2).
fn is_hostile(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{115f}'
                | '\u{1160}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_name_is_shown_as_it_is() {
        assert_eq!(Escaped("Ödön's order.dev").to_string(), "Ödön's order.dev");
    }

    #[test]
    fn line_breaks_escape_sequences_and_direction_marks_are_escaped() {
        assert_eq!(
            Escaped("a\nb\u{1b}[2J\u{202e}c\u{200b}").to_string(),
            "a\\u{a}b\\u{1b}[2J\\u{202e}c\\u{200b}"
        );
    }
}
