//! Every way to be wrong: one sentence with line, place, reason and way out, in our words and not in those of the parser.

use super::*;

/// A manifest of every kind of value, written in every way that TOML has.
const GOOD: &str = r#"# A remark
[ca]
subject = "/O=Example/CN=Example Root" # here
permit_dns = ["example.org", 'b.dev']
single_tier = false

[defaults]
days = 1_0

[certificate."ze.bra"]
profile = "server"
dns = [
  "zebra.example.org",
  """x.example.org""",
]
ip = ['127.0.0.1', '''::1''']

[certificate]
ant = { profile = "client", subject = "/CN=\u0061nt", days = 0x7 }
"#;

fn problem(text: &str) -> Option<ManifestError> {
    Manifest::parse(Path::new("pki.toml"), text).err()
}

#[test]
fn every_field_says_what_it_is_and_what_it_should_be() {
    let ca = "[ca]\nsubject = \"/CN=Root\"\n";
    let order = "[ca]\nsubject = \"/CN=Root\"\n[certificate.order]\nprofile = \"client\"\n";
    let text = |field, table, example| {
        format!(
            "The field {field} of {table} is a list, and text is expected; write {field} = \"{example}\"."
        )
    };
    let list = |field, table, example| {
        format!(
            "The field {field} of {table} is text, and a list of texts is expected; write {field} = [\"{example}\"]."
        )
    };
    let days = |field, table| {
        format!(
            "The field {field} of {table} is a date or time, and a whole number of days is expected; write {field} = 60."
        )
    };
    let flag = |field| {
        format!(
            "The field {field} of [ca] is a whole number, and true or false is expected; write {field} = true, or leave it out."
        )
    };
    let (in_order, in_defaults) = ("[certificate.order]", "[defaults]");
    for (before, field, value, expected) in [
        (
            "[ca]\n",
            "subject",
            "[]",
            text("subject", "[ca]", "/CN=Example Root CA"),
        ),
        (
            ca,
            "issuing_subject",
            "[]",
            text("issuing_subject", "[ca]", "/CN=Example Issuing CA"),
        ),
        (ca, "key", "[]", text("key", "[ca]", "p256")),
        (
            ca,
            "permit_dns",
            "\"a\"",
            list("permit_dns", "[ca]", "example.org"),
        ),
        (ca, "days", "2026-11-24", days("days", "[ca]")),
        (ca, "issuing_days", "12:00:00", days("issuing_days", "[ca]")),
        (ca, "single_tier", "1", flag("single_tier")),
        (ca, "encrypt_key", "0x1", flag("encrypt_key")),
        (
            &format!("{ca}[defaults]\n"),
            "key",
            "[]",
            text("key", in_defaults, "p256"),
        ),
        (
            &format!("{ca}[defaults]\n"),
            "days",
            "2026-11-24T00:00:00Z",
            days("days", in_defaults),
        ),
        (
            &format!("{ca}{in_order}\n"),
            "profile",
            "[]",
            text("profile", in_order, "server"),
        ),
        (
            order,
            "subject",
            "[]",
            text("subject", in_order, "/CN=order"),
        ),
        (order, "key", "[[1]]", text("key", in_order, "p256")),
        (
            order,
            "dns",
            "\"a\"",
            list("dns", in_order, "order.example.org"),
        ),
        (order, "ip", "''", list("ip", in_order, "127.0.0.1")),
        (
            order,
            "uri",
            "\"\"\"\"\"\"",
            list("uri", in_order, "spiffe://example.org/order"),
        ),
        (
            order,
            "email",
            "\"a\"",
            list("email", in_order, "order@example.org"),
        ),
        (order, "days", "2026-11-24 00:00:00", days("days", in_order)),
    ] {
        let text = format!("{before}{field} = {value}\n");
        let error = problem(&text).expect(&text);
        assert_eq!(error.problem, expected, "{text}");
        assert_eq!(error.line, 1 + before.lines().count(), "{text}");
    }
}

#[test]
fn what_is_wrong_is_said_in_one_sentence_with_its_line_and_the_way_out() {
    let ca = "[ca]\nsubject = \"/CN=Root\"\n";
    let only = "only profile, subject, dns, ip, uri, email, key and days";
    for (text, line, expected) in [
        (
            "",
            1,
            "The manifest has no [ca]; add [ca], and below it subject = \"/CN=Example Root CA\".",
        ),
        (
            "\n[ca]\n",
            2,
            "[ca] has no subject; add subject = \"/CN=Example Root CA\".",
        ),
        (
            "ca = 3",
            1,
            "[ca] is a whole number, and a table is expected; write [ca] on a line of its own, and the fields below it.",
        ),
        (
            "[[ca]]",
            1,
            "[ca] is a list, and a table is expected; write [ca] on a line of its own, and the fields below it.",
        ),
        (
            "[ca",
            1,
            "The name of a table is not between brackets; write it as in [ca].",
        ),
        (
            "[[ca]",
            1,
            "The name of a table has two brackets, and no table of a manifest is a list; write one on each side, as in [ca].",
        ),
        (
            "[ca]\n[ca]",
            2,
            "\"ca\" is there for the second time; keep one of the two.",
        ),
        (
            &format!("{ca}subject = ''"),
            3,
            "\"subject\" is there for the second time; keep one of the two.",
        ),
        (
            &format!("{ca}subject.a = 1"),
            3,
            "\"subject\" has a value already, to which nothing can be added; write all of it in one place.",
        ),
        (
            &format!("{ca}[defaults]\nday = 1"),
            4,
            "[defaults] has no field \"day\", only key and days; did you mean \"days\"?",
        ),
        (
            &format!("{ca}[certificates.a]"),
            3,
            "The manifest has no field \"certificates\", only ca, defaults and certificate; did you mean \"certificate\"?",
        ),
        (
            &format!("{ca}[certificate.a]\ncolour = 1"),
            4,
            &format!(
                "[certificate.a] has no field \"colour\", {only}; take it out, or put # in front of it."
            ),
        ),
        (
            &format!("{ca}[certificate.a.org]"),
            3,
            &format!(
                "[certificate.a] has no field \"org\", {only}; a name with dots is written in quotes, as in [certificate.\"a.example.org\"]."
            ),
        ),
        (
            &format!("{ca}[certificate.\"a.org\"]"),
            3,
            "[certificate.\"a.org\"] has no profile; add profile = \"server\", \"client\" or \"peer\".",
        ),
        (
            &format!("{ca}[certificate]\nprofile = 'peer'"),
            4,
            "[certificate.profile] is text, and a table is expected; write [certificate.NAME] on a line of its own, and the fields below it.",
        ),
        (
            &format!("{ca}[[certificate.a]]"),
            3,
            "[certificate.a] is a list, and a table is expected; write [certificate.NAME] on a line of its own, and the fields below it.",
        ),
        (
            "certificate = true",
            1,
            "The manifest has no [ca]; add [ca], and below it subject = \"/CN=Example Root CA\".",
        ),
        (
            &format!("certificate = true\n{ca}"),
            1,
            "[certificate] is true, and a table is expected; write [certificate.NAME] on a line of its own, and the fields below it.",
        ),
        (
            &format!("{ca}permit_dns = ['a',\n1.5]"),
            4,
            "The list permit_dns of [ca] holds a number with a fraction, and each of its elements is text; write permit_dns = [\"example.org\"].",
        ),
        (
            &format!("{ca}permit_dns = ['a' 'b']"),
            3,
            "Between two elements of a list something else stands than a comma, or the list is not closed; write it as in dns = [\"a.example.org\", \"b.example.org\"].",
        ),
        (
            &format!("{ca}days = -1"),
            3,
            "A validity of -1 days is not possible; ask for 1 to 36500.",
        ),
        (
            &format!("{ca}days = 0xFFFFFFFFFF"),
            3,
            "A validity of 0xFFFFFFFFFF days is not possible; ask for 1 to 36500.",
        ),
        (
            &format!("{ca}days = {}", "9".repeat(5000)),
            3,
            "A validity of so many days is not possible; ask for 1 to 36500.",
        ),
        (
            &format!("{ca}days = 1e5"),
            3,
            "The field days of [ca] is a number with a fraction, and a whole number of days is expected; write days = 60.",
        ),
        (
            &format!("{ca}days = 2026-13-45"),
            3,
            "This is neither text nor a number; text stands in quotes, as in key = \"p256\", and a number is digits alone, as in days = 60.",
        ),
        (
            &format!("{ca}days = 060"),
            3,
            "This is neither text nor a number; text stands in quotes, as in key = \"p256\", and a number is digits alone, as in days = 60.",
        ),
        (
            &format!("{ca}key = p256"),
            3,
            "This is neither text nor a number; text stands in quotes, as in key = \"p256\", and a number is digits alone, as in days = 60.",
        ),
        (
            &format!("{ca}key"),
            3,
            "A field is a key, one equals sign and a value, on one line; write it as in days = 60, or put # in front of a remark.",
        ),
        (
            &format!("{ca}key = \"p256"),
            3,
            "Text is not closed before its line ends, or holds a control character; end it with the quote that it began with, and take such characters out.",
        ),
        (
            &format!("{ca}key = \"p\\256\""),
            3,
            "In double quotes a backslash stands for what follows it, which is not known here; write it twice, or put the text into single quotes.",
        ),
        (
            &format!("{ca}key = \"p256\" days = 3"),
            3,
            "Something stands behind the end of a value or of a table's name; put it on a line of its own, or take it out.",
        ),
        (
            &format!("{ca}schlüssel = 3"),
            3,
            "A key, or the name of a table, is letters, digits, hyphens and underscores; put any other into quotes, as in [certificate.\"a.example.org\"].",
        ),
        (
            &format!("{ca}# \u{1b}[2J"),
            3,
            "A remark holds a control character; take it out.",
        ),
        (
            &format!("{ca}\rkey = 'p256'"),
            3,
            "A carriage return stands alone; end each line with a line feed, or with both.",
        ),
        (
            &format!("{ca}certificate = {{"),
            3,
            "A table in braces is not written as one; write it as in { profile = \"client\", days = 7 }, or as a table of its own.",
        ),
        (
            &format!("{ca}dns = {}", "[".repeat(50_000)),
            3,
            "Lists or tables stand too deep within each other; nothing in a manifest needs more than a list of texts, so take them out.",
        ),
        (
            &format!("{ca}a{} = 3", ".a".repeat(50_000)),
            3,
            "Lists or tables stand too deep within each other; nothing in a manifest needs more than a list of texts, so take them out.",
        ),
        (
            &format!("{ca}\"{}\" = 3", "x".repeat(50_000)),
            3,
            &format!(
                "[ca] has no field \"{}…\", only subject, issuing_subject, single_tier, encrypt_key, key, days, issuing_days and permit_dns; take it out, or put # in front of it.",
                "x".repeat(64)
            ),
        ),
    ] {
        let start: String = text.chars().take(200).collect();
        let error = problem(text).expect(&start);
        assert_eq!(error.problem, expected, "{start}");
        assert_eq!(error.line, line, "{start}");
    }
}

#[test]
fn more_names_than_a_certificate_has_are_refused_however_many_they_are() {
    let names = |count: usize| -> String { (0..count).map(|at| format!("'h{at}.dev',")).collect() };
    for (count, is_refused) in [(1_000, false), (1_001, true), (200_000, true)] {
        let text = format!(
            "[ca]\nsubject = '/CN=Root'\n[certificate.many]\nprofile = 'server'\ndns = [{}]",
            names(count)
        );
        let told = problem(&text).map(|error| (error.line, error.problem));
        let expected = format!("The certificate would have {count} names, and one has no more");
        assert_eq!(told.is_some(), is_refused, "{count}");
        assert!(told.is_none_or(|(line, told)| line == 3 && told.starts_with(&expected)));
    }
}

#[test]
fn a_manifest_that_is_not_utf_8_is_told_with_its_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("pki.toml");
    std::fs::write(&path, b"[ca]\nsubject = \"/CN=\xfc\"\n").expect("written");
    let error = Manifest::read(&path).expect_err("not UTF-8").to_string();
    assert!(
        error.ends_with("line 2: This is not UTF-8; save the manifest as UTF-8 text."),
        "{error}"
    );
    // A mark of the order of octets, which some editors write, is no mistake.
    std::fs::write(&path, "\u{feff}[ca]\nsubject = \"/CN=A\"\n").expect("written");
    assert!(Manifest::read(&path).is_ok());
}

/// Whatever one keystroke does to a manifest.
#[test]
fn no_word_of_the_parser_is_passed_on() {
    assert_eq!(problem(GOOD), None);
    let wrong = [
        "\"",
        "'",
        "[",
        "]",
        "{",
        "}",
        "=",
        ",",
        ".",
        "#",
        "\\",
        "\n",
        "\r",
        "0",
        "_",
        "-",
        "\u{1}",
        "\u{202e}",
        "1e5",
        "1979-05-27",
        "\"\"\"",
        "'''",
        "\\u12",
        "true",
    ];
    for (at, replaced) in GOOD.char_indices() {
        let (before, rest) = GOOD.split_at(at);
        let after = &rest[replaced.len_utf8()..];
        let mut all = vec![before.to_owned(), format!("{before}{after}")];
        for with in wrong {
            all.push(format!("{before}{with}{after}"));
            all.push(format!("{before}{with}{rest}"));
        }
        for text in all {
            let Some(ManifestError { line, problem, .. }) = problem(&text) else {
                continue;
            };
            let passed_on = ["no TOML", "`", "expected one of", "invalid type"];
            assert!(
                !passed_on.iter().any(|words| problem.contains(words))
                    && problem.ends_with(['.', '?'])
                    && problem.contains([';', ':', ','])
                    && !problem.contains(char::is_control)
                    && (1..=text.lines().count().max(1) + 1).contains(&line),
                "{line}: {problem}\n{text}"
            );
        }
    }
}

#[test]
fn two_names_that_differ_in_capitals_alone_are_one_folder_elsewhere() {
    let entry = |name: &str| format!("[certificate.{name}]\nprofile = \"client\"\n");
    let manifest = |names: &[&str]| {
        let entries: String = names.iter().map(|name| entry(name)).collect();
        format!("[ca]\nsubject = \"/CN=Root\"\n{entries}")
    };
    for names in [["foo", "x", "Foo"], ["x", "Foo", "foo"]] {
        let error = problem(&manifest(&names)).expect("refused").to_string();
        assert!(error.contains("line 7"), "{error}");
        assert!(
            error.contains("in capitals alone")
                && error.contains("give one of the two another name"),
            "{error}"
        );
    }
    assert!(problem(&manifest(&["foo", "Foo2"])).is_none());
}
