//! Lengths of time as they are typed: `20d`, `36h`, `2w`. A unit is always given, since `20` could mean anything.

use std::str::FromStr;

use time::Duration;

/// A length of time from the command line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Period(pub(crate) Duration);

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || {
            format!(
                "{text:?} is no length of time; give a whole number and its unit, as in 20d (days), 36h (hours) or 2w (weeks)"
            )
        };
        let unit = text.chars().last().ok_or_else(refused)?;
        let hours = match unit {
            'h' => 1,
            'd' => 24,
            'w' => 7 * 24,
            _ => return Err(refused()),
        };
        let digits = &text[..text.len() - unit.len_utf8()];
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number {
            return Err(refused());
        }
        // A hundred years, the longest validity there is: nothing that is added to a date overflows.
        let most = 36_500 * 24 / hours;
        let count = digits
            .parse::<i64>()
            .ok()
            .filter(|count| *count <= most)
            .ok_or_else(|| {
                format!("{text:?} is too long; give {most}{unit} (a hundred years) at most")
            })?;
        Ok(Self(Duration::hours(count * hours)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit_are_a_length_of_time() {
        let hours = |text: &str| text.parse().map(|Period(length)| length.whole_hours());
        assert_eq!(hours("36h"), Ok(36));
        assert_eq!(hours("20d"), Ok(480));
        assert_eq!(hours("2w"), Ok(336));
        assert_eq!(hours("0d"), Ok(0));
    }

    #[test]
    fn everything_else_is_refused_with_what_would_be_right() {
        for text in ["", "d", "20", "-1d", "+1d", "1.5d", "20D", "20 d", "20días"] {
            let refused = text.parse::<Period>().expect_err(text);
            assert!(refused.contains("20d (days)"), "{refused}");
        }
    }

    #[test]
    fn what_is_too_long_is_told_with_the_bound() {
        assert!("36500d".parse::<Period>().is_ok());
        for text in ["36501d", "99999999999999999999d"] {
            let refused = text.parse::<Period>().expect_err(text);
            assert_eq!(
                refused,
                format!("{text:?} is too long; give 36500d (a hundred years) at most")
            );
        }
        let refused = "876001h".parse::<Period>().expect_err("too long");
        assert!(
            refused.contains("give 876000h (a hundred years)"),
            "{refused}"
        );
    }
}
