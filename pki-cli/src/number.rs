//! Whole numbers as they are typed, each with one sentence for everything that is none.

/// The longest validity, as [`pki::issuer::MAX_DAYS`] has it.
const MAX_DAYS: u32 = pki::issuer::MAX_DAYS;

/// A validity in days.
pub(crate) fn days(text: &str) -> Result<u32, String> {
    in_bounds(text, 1, MAX_DAYS)
        .ok_or_else(|| format!("{text:?} is no validity in days; ask for 1 to {MAX_DAYS} days"))
}

/// The number of an open file descriptor.
pub(crate) fn descriptor(text: &str) -> Result<u32, String> {
    in_bounds(text, 0, i32::MAX.unsigned_abs()).ok_or_else(|| {
        format!("{text:?} is no file descriptor; give the number of an open one, as in 3")
    })
}

fn in_bounds(text: &str, least: u32, most: u32) -> Option<u32> {
    let is_number = text.bytes().all(|octet| octet.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_number)?;
    (least..=most).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_numbers_within_their_bounds_are_numbers() {
        assert_eq!((days("1"), days("36500")), (Ok(1), Ok(36_500)));
        assert_eq!((descriptor("0"), descriptor("3")), (Ok(0), Ok(3)));
        for text in ["", "0", "-1", "+1", "36501", "1.5", "99999999999", "abc"] {
            let refused = days(text).expect_err(text);
            assert!(refused.contains("1 to 36500 days"), "{refused}");
        }
        for text in ["", "-1", "+3", "2147483648", "x"] {
            assert!(descriptor(text).is_err(), "{text}");
        }
    }
}
