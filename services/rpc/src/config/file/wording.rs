//! What is wrong with a value of the file, in the words of whoever wrote it: serde speaks of `u16`, sequences and
//! structs.

use std::ops::Range;

/// The longest value that is repeated in a sentence.
const LONGEST: usize = 60;

/// The sentence for one of toml's messages about the text in `span`.
pub(super) fn sentence(message: &str, text: &str, span: Range<usize>) -> String {
    if let Some(field) = message
        .strip_prefix("missing field `")
        .and_then(|rest| rest.strip_suffix('`'))
    {
        return format!("the field `{field}` is missing here");
    }
    let wrong = ["invalid type: ", "invalid value: ", "unknown variant "]
        .iter()
        .any(|prefix| message.starts_with(prefix));
    // The value itself may say "expected" too, and stands before.
    if wrong && let Some((said, expected)) = message.rsplit_once(", expected ") {
        let found = match text.get(span.clone()).map(str::trim) {
            Some(value) if !value.is_empty() && value.len() <= LONGEST && !value.contains('\n') => {
                value.to_owned()
            }
            _ => found(said).to_owned(),
        };
        let expected = expectation(expected);
        return match key(text, span.start) {
            Some(key) => format!("`{key}` is {found}, which is not {expected}"),
            None => format!("{found} is not {expected}"),
        };
    }
    match message {
        "wanted string or table" => "a name in quotes belongs here".to_owned(),
        // toml's guess at what `level = debug` or `listen =` was meant to be.
        _ if message.starts_with("string values must be quoted") => {
            "there is no value that TOML knows: a text stands in quotes, like \"1s\"".to_owned()
        }
        // toml's messages may run over several lines; ours are one sentence.
        _ => message
            .trim_end_matches(", expected nothing")
            .replace('\n', ", "),
    }
}

/// What a value that is too long to repeat is.
fn found(said: &str) -> &'static str {
    let kinds = [
        ("string", "this text"),
        ("sequence", "this list"),
        ("map", "this table"),
    ];
    kinds
        .into_iter()
        .find(|(kind, _)| said.contains(kind))
        .map_or("this", |(_, words)| words)
}

/// What serde expects, in words.
fn expectation(expected: &str) -> String {
    let range = match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" | "u128" => "a whole number, 0 or greater",
        "i8" => "a whole number from -128 to 127",
        "i16" => "a whole number from -32768 to 32767",
        "i32" => "a whole number from -2147483648 to 2147483647",
        "i64" | "isize" | "i128" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" | "a borrowed string" | "path string" => "a text in quotes",
        "a sequence" => "a list in square brackets",
        "a map" => "a table",
        _ if expected.starts_with("a nonzero ") => "a whole number, 1 or greater",
        _ if expected.starts_with("struct ") || expected.contains("tagged enum ") => "a table",
        _ if expected.starts_with("enum ") => "a name in quotes",
        other => return other.to_owned(),
    };
    range.to_owned()
}

/// The key before the value that begins at `start`, where both stand on one line.
fn key(text: &str, start: usize) -> Option<&str> {
    let before = text.get(..start)?;
    let line = before.rsplit('\n').next().unwrap_or(before);
    let name = line.trim_end().strip_suffix('=')?;
    // Within an inline table there are others before it.
    let name = name.rsplit(['{', ',']).next().unwrap_or(name).trim();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_expected_is_said_in_words() {
        for (message, text, span, said) in [
            (
                "invalid value: integer `70000`, expected u16",
                "workers = 70000",
                10..15,
                "`workers` is 70000, which is not a whole number from 0 to 65535",
            ),
            (
                "invalid type: integer `5`, expected struct FailureRatio",
                "a = { b = 1, failure_ratio = 5 }",
                29..30,
                "`failure_ratio` is 5, which is not a table",
            ),
            (
                "invalid type: string \"x, expected u8\", expected a sequence",
                "limits = \"x, expected u8\"",
                9..25,
                "`limits` is \"x, expected u8\", which is not a list in square brackets",
            ),
            (
                "invalid type: integer `5`, expected a string",
                "limits = [5]",
                10..11,
                "5 is not a text in quotes",
            ),
            (
                "invalid value: integer `0`, expected a nonzero u32",
                "n=0",
                2..3,
                "`n` is 0, which is not a whole number, 1 or greater",
            ),
            (
                "unknown variant `xml`, expected `text` or `json`",
                "format = 'xml'",
                9..14,
                "`format` is 'xml', which is not `text` or `json`",
            ),
            (
                "missing field `address`",
                "[peers.a]",
                0..9,
                "the field `address` is missing here",
            ),
            (
                "unexpected leading zero, expected nothing",
                "n = 01",
                4..4,
                "unexpected leading zero",
            ),
            (
                "string values must be quoted, expected literal string",
                "n = ",
                4..4,
                "there is no value that TOML knows: a text stands in quotes, like \"1s\"",
            ),
        ] {
            assert_eq!(sentence(message, text, span), said);
        }
    }

    #[test]
    fn a_long_value_is_not_repeated_and_a_span_outside_the_text_is_no_panic() {
        let text = format!("a = '{}'", "x".repeat(100));
        assert_eq!(
            sentence("invalid type: string \"…\", expected u8", &text, 4..106),
            "`a` is this text, which is not a whole number from 0 to 255"
        );
        assert_eq!(
            sentence("invalid type: map, expected a string", "é", 1..9),
            "this table is not a text in quotes"
        );
    }
}
