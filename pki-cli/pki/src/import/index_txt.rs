//! The table of `openssl ca`, `index.txt`: six columns with a tab between them, one certificate a line.
//!
//! State (V valid, R revoked, E expired), end of validity, revocation, serial number, file, subject. The format is
//! documented nowhere but in openssl itself (`apps/ca.c`, `crypto/txt_db`). A tab within a column has a backslash before
//! it. A revocation is a time, a reason and perhaps one more word, with commas between them.

use std::io::{self, BufRead, Read};

use time::OffsetDateTime;

use crate::{
    index::Revocation,
    parse::{
        der::{Value, tag},
        time::from_value,
    },
    revocation_reason::RevocationReason,
    serial_number,
};

/// A line of the table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Line {
    /// The number of the line, from 1.
    pub number: usize,
    /// The last second of the validity.
    pub not_after: OffsetDateTime,
    /// When and why it was revoked, unless it was not.
    pub revocation: Option<Revocation>,
    /// It was only on hold, which is not known here: it stays revoked.
    pub was_on_hold: bool,
    /// The serial number as the index writes it.
    pub serial: String,
    /// The same as the table writes it.
    pub serial_as_written: String,
    /// The file, where the table names one.
    pub file: Option<String>,
    /// The subject, with slashes.
    pub subject: String,
}

/// Why a table is not read on.
#[derive(Debug)]
#[non_exhaustive]
pub enum Problem {
    /// What is wrong with a line: its number, and half a sentence.
    Line(usize, String),
    /// The operating system refused to read.
    Unreadable(io::Error),
}

/// A longer line is no line of a table.
const LONGEST_LINE: u64 = 64 << 10;

/// Every line that says something. A table has as many lines as there are certificates, so it is read line by line.
pub fn lines(mut table: impl BufRead) -> impl Iterator<Item = Result<Line, Problem>> {
    let mut number = 0;
    let mut is_over = false;
    std::iter::from_fn(move || {
        while !is_over {
            number += 1;
            let mut line = Vec::new();
            let read = table
                .by_ref()
                .take(LONGEST_LINE)
                .read_until(b'\n', &mut line);
            let problem = match read {
                Ok(0) => break,
                Ok(_) if line.len() as u64 == LONGEST_LINE => {
                    Problem::Line(number, "it is longer than 64 KiB".to_owned())
                }
                Ok(_) => {
                    let line = line.strip_suffix(b"\n").unwrap_or(&line);
                    let line = line.strip_suffix(b"\r").unwrap_or(line);
                    if line.is_empty() || line.starts_with(b"#") {
                        continue;
                    }
                    return Some(
                        parse(number, line).map_err(|problem| Problem::Line(number, problem)),
                    );
                }
                Err(error) => Problem::Unreadable(error),
            };
            is_over = true;
            return Some(Err(problem));
        }
        None
    })
}

fn parse(number: usize, line: &[u8]) -> Result<Line, String> {
    let line = std::str::from_utf8(line).map_err(|_| "it is not UTF-8".to_owned())?;
    let columns = columns(line);
    let [state, end, revoked, serial, file, subject] = columns.as_slice() else {
        return Err(format!(
            "it has {} columns instead of 6, with tabs between them",
            columns.len()
        ));
    };
    let not_after = moment(end)
        .ok_or_else(|| format!("{end:?} is no time, as 301231235959Z and 20501231235959Z are"))?;
    let (revocation, was_on_hold) = match (state.as_str(), revoked.as_str()) {
        ("V" | "E", "") => (None, false),
        ("R", "") => return Err("it is revoked, and does not say when".to_owned()),
        ("R", told) => {
            let (revocation, was_on_hold) = revocation(told)?;
            (Some(revocation), was_on_hold)
        }
        ("V" | "E", _) => return Err("it is not revoked, and has a revocation date".to_owned()),
        (other, _) => return Err(format!("{other:?} is no state; V, R and E are")),
    };
    let mut octets = serial_number::parse(serial)
        .ok_or_else(|| format!("{serial:?} is no serial number of at most 20 octets"))?;
    // Written without a sign it is positive, whatever its first bit.
    octets.insert(0, 0);
    Ok(Line {
        number,
        not_after,
        revocation,
        was_on_hold,
        serial: serial_number::text(&octets),
        serial_as_written: serial.clone(),
        file: Some(file.clone()).filter(|file| !file.is_empty() && file != "unknown"),
        subject: unescaped(subject),
    })
}

/// The columns of a line. A tab behind a backslash belongs to the column.
fn columns(line: &str) -> Vec<String> {
    let mut columns = vec![String::new()];
    for character in line.chars() {
        let Some(last) = columns.last_mut() else {
            break;
        };
        match character {
            '\t' if last.ends_with('\\') => {
                last.pop();
                last.push('\t');
            }
            '\t' => columns.push(String::new()),
            other => last.push(other),
        }
    }
    columns
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`.
fn moment(text: &str) -> Option<OffsetDateTime> {
    let tag = match text.len() {
        13 => tag::UTC_TIME,
        15 => tag::GENERALIZED_TIME,
        _ => return None,
    };
    let value = Value {
        tag,
        content: text.as_bytes(),
        raw: text.as_bytes(),
    };
    from_value(value, "it").ok().map(|time| time.at)
}

/// `TIME`, `TIME,REASON`, `TIME,keyTime,TIME` (openssl's `-crl_compromise`), `TIME,holdInstruction,…`.
fn revocation(told: &str) -> Result<(Revocation, bool), String> {
    let mut parts = told.splitn(3, ',');
    let at = parts.next().unwrap_or_default();
    let at = moment(at).ok_or_else(|| format!("{at:?} is no time of a revocation"))?;
    let since = |text: Option<&str>| {
        let text = text.unwrap_or_default();
        moment(text)
            .map(Some)
            .ok_or_else(|| format!("{text:?} is no time since when a key is compromised"))
    };
    let (reason, invalid_since, was_on_hold) = match parts.next() {
        None => (RevocationReason::Unspecified, None, false),
        Some("keyTime") => (RevocationReason::KeyCompromise, since(parts.next())?, false),
        Some("CAkeyTime") => (RevocationReason::CaCompromise, since(parts.next())?, false),
        // Nobody can say here that a hold is lifted, so the safe reading is that it stays.
        Some("certificateHold" | "holdInstruction" | "removeFromCRL") => {
            (RevocationReason::Unspecified, None, true)
        }
        Some(reason) => {
            let reason = reason
                .parse()
                .map_err(|_| format!("{reason:?} is no reason for a revocation"))?;
            (reason, None, false)
        }
    };
    let revocation = Revocation {
        at,
        reason,
        invalid_since,
    };
    Ok((revocation, was_on_hold))
}

/// openssl writes what is not printable ASCII as `\xC3\xBC`.
fn unescaped(text: &str) -> String {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&octet, after)) = rest.split_first() {
        let escape = rest
            .strip_prefix(b"\\x")
            .and_then(|after| after.split_at_checked(2))
            .and_then(|(digits, after)| {
                let digits = std::str::from_utf8(digits).ok()?;
                let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
                let octet = u8::from_str_radix(digits, 16).ok().filter(|_| is_hex)?;
                Some((octet, after))
            });
        let (octet, after) = escape.unwrap_or((octet, after));
        octets.push(octet);
        rest = after;
    }
    String::from_utf8(octets).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::macros::datetime;

    fn one(line: &str) -> Result<Line, String> {
        let mut all = lines(line.as_bytes());
        let first = all
            .next()
            .expect("a line")
            .map_err(|problem| match problem {
                Problem::Line(_, problem) => problem,
                Problem::Unreadable(error) => error.to_string(),
            });
        assert!(all.next().is_none());
        first
    }

    #[test]
    fn what_openssl_writes_is_read() {
        let valid =
            one("V\t271124110525Z\t\t1000\tunknown\t/O=a/CN=svc \\xC3\\xBC 1").expect("read");
        assert_eq!(valid.not_after, datetime!(2027-11-24 11:05:25 UTC));
        assert_eq!(valid.serial, "1000");
        assert_eq!(valid.subject, "/O=a/CN=svc ü 1");
        assert_eq!((valid.revocation, valid.file), (None, None));
        let late = one("V\t20501124110525Z\t\t0A\tx.pem\t/CN=a\\\tb\r").expect("read");
        assert_eq!(late.not_after, datetime!(2050-11-24 11:05:25 UTC));
        assert_eq!(late.serial, "0a");
        let high = one("V\t20501124110525Z\t\tF1BD\tunknown\t/CN=a").expect("read");
        assert_eq!(
            high.serial, "f1bd",
            "positive, although its first bit is set"
        );
        assert_eq!(late.subject, "/CN=a\tb");
        assert_eq!(late.file.as_deref(), Some("x.pem"));
        assert!(one("E\t201124110525Z\t\t0A\tunknown\t/CN=a").is_ok());
    }

    #[test]
    fn every_form_of_a_revocation_is_understood() {
        let at = datetime!(2026-11-24 11:05:25 UTC);
        for (told, reason, invalid_since, was_on_hold) in [
            ("", RevocationReason::Unspecified, None, false),
            (
                ",keyCompromise",
                RevocationReason::KeyCompromise,
                None,
                false,
            ),
            (",CACompromise", RevocationReason::CaCompromise, None, false),
            (",superseded", RevocationReason::Superseded, None, false),
            (
                ",keyTime,20261101000000Z",
                RevocationReason::KeyCompromise,
                Some(datetime!(2026-11-01 0:00 UTC)),
                false,
            ),
            (
                ",certificateHold",
                RevocationReason::Unspecified,
                None,
                true,
            ),
            (
                ",holdInstruction,holdInstructionReject",
                RevocationReason::Unspecified,
                None,
                true,
            ),
        ] {
            let line = format!("R\t271124110525Z\t261124110525Z{told}\t01\tunknown\t/CN=a");
            let line = one(&line).expect(told);
            let expected = Revocation {
                at,
                reason,
                invalid_since,
            };
            assert_eq!(line.revocation, Some(expected), "{told}");
            assert_eq!(line.was_on_hold, was_on_hold, "{told}");
        }
    }

    #[test]
    fn a_line_that_is_not_understood_is_told_by_its_number() {
        for (line, expected) in [
            ("V\t271124110525Z\t\t01\tunknown", "5 columns"),
            ("V\t271124110525Z\t\t01\tunknown\t/CN=a\tb", "7 columns"),
            ("X\t271124110525Z\t\t01\tunknown\t/CN=a", "no state"),
            ("V\t271324110525Z\t\t01\tunknown\t/CN=a", "no time"),
            ("V\t2711241105Z\t\t01\tunknown\t/CN=a", "no time"),
            (
                "V\t271124110525Z\t261124110525Z\t01\tunknown\t/CN=a",
                "not revoked",
            ),
            (
                "R\t271124110525Z\t\t01\tunknown\t/CN=a",
                "does not say when",
            ),
            (
                "R\t271124110525Z\tyesterday\t01\tunknown\t/CN=a",
                "no time of a revocation",
            ),
            (
                "R\t271124110525Z\t261124110525Z,boredom\t01\tunknown\t/CN=a",
                "no reason",
            ),
            (
                "R\t271124110525Z\t261124110525Z,keyTime\t01\tunknown\t/CN=a",
                "since when",
            ),
            ("V\t271124110525Z\t\t\tunknown\t/CN=a", "no serial number"),
            (
                "V\t271124110525Z\t\t-01\tunknown\t/CN=a",
                "no serial number",
            ),
            (
                "V\t271124110525Z\t\txyz\tunknown\t/CN=a",
                "no serial number",
            ),
        ] {
            let problem = one(line).expect_err(line);
            assert!(problem.contains(expected), "{line}: {problem}");
        }
        let table = b"# a remark\n\nV\t271124110525Z\t\t01\tunknown\t/CN=a\nnonsense\n";
        let numbers: Vec<_> = lines(&table[..])
            .map(|line| match line {
                Ok(line) => Some(line.number),
                Err(Problem::Line(number, _)) => Some(number),
                Err(Problem::Unreadable(_)) => None,
            })
            .collect();
        assert_eq!(numbers, [Some(3), Some(4)]);
    }

    #[test]
    fn a_line_without_an_end_is_given_up() {
        let endless = io::BufReader::new(io::repeat(b'x'));
        let mut all = lines(endless);
        assert!(
            matches!(all.next(), Some(Err(Problem::Line(1, problem))) if problem.contains("64 KiB"))
        );
        assert!(all.next().is_none());
    }

    proptest! {
        #[test]
        fn no_octets_make_it_panic(table: Vec<u8>, text in "[VRE]\t[0-9Z]{0,16}\t\\PC{0,20}\t[0-9A-F]{0,44}\t\\PC*\t\\PC*") {
            let _ = lines(&table[..]).count();
            let _ = lines(text.as_bytes()).count();
        }
    }
}
