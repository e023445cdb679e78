//! Text from files, made safe for a terminal.
//!
//! Names in certificates are written by strangers. A control character in them can move the cursor, change colours or
//! hide lines; a bidirectional mark can turn “evil.example” round. [`escape`] makes all of them visible. It does not
//! judge the text otherwise: a Cyrillic “а” is still shown as what it is.

/// Makes control characters, bidirectional marks and other invisible characters visible as `\u{202e}`.
///
/// A backslash is doubled, so that two different texts never look the same.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push_escaped(text, &mut out);
    out
}

/// Octets in hexadecimal, in small letters.
pub(crate) fn hexadecimal(octets: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 0xf)]);
    // Of a length that is known from the start: a batch writes three of these for each certificate.
    let mut text = String::with_capacity(2 * octets.len());
    for octet in octets {
        text.extend([digit(octet >> 4), digit(*octet)]);
    }
    text
}

/// The same where a backslash stands for what follows it already, as in a subject in openssl's slash form.
pub(crate) fn escape_escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match is_hostile(c) {
            true => out.extend(c.escape_unicode()),
            false => out.push(c),
        }
    }
    out
}

/// [`escape`], behind what is there.
pub(crate) fn push_escaped(text: &str, out: &mut String) {
    // Nearly all text is like this.
    if text
        .bytes()
        .all(|octet| matches!(octet, b' '..=b'~') && octet != b'\\')
    {
        return out.push_str(text);
    }
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            c if is_hostile(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
}

/// Makes finished JSON safe for a terminal: what [`escape`] would show as `\u{202e}` becomes JSON's own `\u202e`, so
/// that a reader of the JSON still gets the exact text.
pub fn escape_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        // Line feeds outside strings are the layout; inside strings a JSON writer has escaped them already.
        if c != '\n' && is_hostile(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// Whether a character could change how a terminal shows the text around it, or is not seen at all.
pub(crate) fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' // zero width, left-to-right and right-to-left marks
            | '\u{2028}' | '\u{2029}' // line and paragraph separators
            | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' // embeddings, overrides, isolates
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..='\u{10ffff}')
}

/// A number in decimal digits, behind what is there. As `write!` does it, without what that asks first.
pub(crate) fn push_number(number: u64, out: &mut String) {
    if number >= 10 {
        push_number(number / 10, out);
    }
    out.push(char::from(b'0' + (number % 10) as u8));
}

/// A number below 100 in two digits, behind what is there.
pub(crate) fn push_two_digits(number: u8, out: &mut String) {
    out.push(char::from(b'0' + number / 10 % 10));
    out.push(char::from(b'0' + number % 10));
}

/// Octets as `0a1b2c…`, lower case.
pub(crate) fn hex(octets: &[u8]) -> String {
    let mut out = String::with_capacity(octets.len() * 2);
    for octet in octets {
        out.push(HEX[usize::from(octet >> 4)]);
        out.push(HEX[usize::from(octet & 15)]);
    }
    out
}

/// Octets as `0A:1B:2C…`, as fingerprints and key identifiers are compared by eye.
pub(crate) fn hex_colons(octets: &[u8]) -> String {
    let mut out = String::with_capacity(octets.len() * 3);
    push_hex_colons(octets, &mut out);
    out
}

/// The same behind what is there.
pub(crate) fn push_hex_colons(octets: &[u8], out: &mut String) {
    const AT_ONCE: usize = 32;
    let start = out.len();
    for chunk in octets.chunks(AT_ONCE) {
        let mut shown = [b':'; 3 * AT_ONCE];
        for (three, octet) in shown.chunks_exact_mut(3).zip(chunk) {
            three[..2].copy_from_slice(&UPPER_HEX[usize::from(*octet)]);
        }
        out.extend(std::str::from_utf8(&shown[..3 * chunk.len()]));
    }
    // Between two octets only.
    if out.len() > start {
        out.pop();
    }
}

/// The two digits of every octet.
static UPPER_HEX: [[u8; 2]; 256] = {
    let digits = b"0123456789ABCDEF";
    let mut pairs = [[0; 2]; 256];
    let mut octet = 0;
    while octet < 256 {
        pairs[octet] = [digits[octet >> 4], digits[octet & 15]];
        octet += 1;
    }
    pairs
};

const HEX: [char; 16] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_bidirectional_marks_become_visible() {
        for (hostile, shown) in [
            ("plain näme 例え.テスト", "plain näme 例え.テスト"),
            ("red\u{1b}[31m", "red\\u{1b}[31m"),
            ("a\nb\tc\r", "a\\u{a}b\\u{9}c\\u{d}"),
            ("\u{202e}moc.live", "\\u{202e}moc.live"),
            ("zero\u{200b}width", "zero\\u{200b}width"),
            ("c1\u{9b}31m", "c1\\u{9b}31m"),
            ("\\u{1b}", "\\\\u{1b}"),
        ] {
            assert_eq!(escape(hostile), shown);
        }
    }

    #[test]
    fn escaped_json_still_means_the_same_text() {
        let json = "{\n  \"name\": \"a\u{202e}b\u{7f}c\u{e0001}\"\n}";
        assert_eq!(
            escape_json(json),
            "{\n  \"name\": \"a\\u202eb\\u007fc\\udb40\\udc01\"\n}"
        );
    }

    #[test]
    fn octets_are_shown_in_both_customary_ways() {
        assert_eq!(hex(&[0, 0x1f, 0xa0]), "001fa0");
        assert_eq!(hex_colons(&[0, 0x1f, 0xa0]), "00:1F:A0");
        assert_eq!(hex_colons(&[]), "");
        let many: Vec<u8> = (0..=255).collect();
        let one_by_one: Vec<_> = many.iter().map(|octet| format!("{octet:02X}")).collect();
        for count in [31, 32, 33, 64, 256] {
            assert_eq!(hex_colons(&many[..count]), one_by_one[..count].join(":"));
        }
    }
}
