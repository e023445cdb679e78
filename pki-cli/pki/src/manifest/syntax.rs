//! What is no TOML, in our words: the parser says what it found, and a person wants to know what to do about it.

use super::message::quoted;
use crate::text::escape;

/// The parser's message as a sentence. `what` is the place in the file that it is about.
pub(super) fn sentence(message: &str, what: &str) -> String {
    let said = message
        .split_once(", expected")
        .map_or(message, |(said, _)| said);
    if said == "duplicate key" {
        return format!(
            "{} is there for the second time; keep one of the two.",
            quoted(what)
        );
    }
    if said.starts_with("cannot extend value") {
        return format!(
            "{} has a value already, to which nothing can be added; write all of it in one place.",
            quoted(what)
        );
    }
    let known = KNOWN
        .iter()
        .find(|(starts, _)| starts.iter().any(|start| said.starts_with(start)));
    match known {
        Some((_, sentence)) => (*sentence).to_owned(),
        // A later parser may know more to say.
        None => format!(
            "This is no TOML ({}); mend the line, or take it out.",
            escape(said)
        ),
    }
}

/// What the parser says, by its beginning, and what is said instead.
const KNOWN: [(&[&str], &str); 15] = [
    (
        &["unclosed array table"],
        "The name of a table has two brackets, and no table of a manifest is a list; write one on each side, as in [ca].",
    ),
    (
        &["unclosed table", "missing table open"],
        "The name of a table is not between brackets; write it as in [ca].",
    ),
    (
        &["unclosed array", "missing array opening"],
        "A list is not closed, or not opened; write it as in dns = [\"a.example.org\", \"b.example.org\"].",
    ),
    (
        &["missing comma between array elements"],
        "Between two elements of a list something else stands than a comma, or the list is not closed; write it as in dns = [\"a.example.org\", \"b.example.org\"].",
    ),
    (
        &["extra comma in array", "unexpected `=` in array"],
        "In a list a comma or an equals sign stands where text should; take it out, or close the list before it with ].",
    ),
    (
        &[
            "unclosed inline table",
            "missing inline table opening",
            "extra comma in inline table",
            "extra assignment",
            "missing key for inline",
            "missing assignment",
            "missing comma between key-value",
            "invalid inline table",
        ],
        "A table in braces is not written as one; write it as in { profile = \"client\", days = 7 }, or as a table of its own.",
    ),
    (
        &["cannot recurse further", "recursion limit"],
        "Lists or tables stand too deep within each other; nothing in a manifest needs more than a list of texts, so take them out.",
    ),
    (
        &[
            "key with no value",
            "missing value",
            "extra `=`",
            "invalid key-value pair",
        ],
        "A field is a key, one equals sign and a value, on one line; write it as in days = 60, or put # in front of a remark.",
    ),
    (
        &["unexpected key or value", "unexpected content"],
        "Something stands behind the end of a value or of a table's name; put it on a line of its own, or take it out.",
    ),
    (
        &[
            "invalid unquoted key",
            "unquoted keys cannot be empty",
            "keys cannot be multi-line",
            "invalid key",
            "invalid table",
        ],
        "A key, or the name of a table, is letters, digits, hyphens and underscores; put any other into quotes, as in [certificate.\"a.example.org\"].",
    ),
    (
        &["missing escaped value", "too few unicode", "invalid value"],
        "In double quotes a backslash stands for what follows it, which is not known here; write it twice, or put the text into single quotes.",
    ),
    (
        &[
            "invalid basic string",
            "invalid literal string",
            "invalid multi-line",
            "invalid string",
        ],
        "Text is not closed before its line ends, or holds a control character; end it with the quote that it began with, and take such characters out.",
    ),
    (
        &["invalid comment"],
        "A remark holds a control character; take it out.",
    ),
    (
        &["carriage return"],
        "A carriage return stands alone; end each line with a line feed, or with both.",
    ),
    // Numbers, dates, and text without quotes, which might have become any of them.
    (
        &[
            "string values must be quoted",
            "missing opening quote",
            "invalid ",
            "unexpected ",
            "redundant ",
            "radix must",
            "integers with a radix",
            "`_` may only",
        ],
        "This is neither text nor a number; text stands in quotes, as in key = \"p256\", and a number is digits alone, as in days = 60.",
    ),
];
