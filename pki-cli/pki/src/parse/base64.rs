//! Base64 (RFC 4648 section 4) without padding and line ends: what most of a bundle of certificates is.
//!
//! The crate of this name does all the rest. Where only the characters are to be translated this takes a third of its
//! time, which is felt with the hundreds of certificates that a system trusts. Not for secrets: the time that it takes
//! depends on what is read.

use std::array;

/// What a character stands for in each of the four places of a group, or [`NOTHING`].
static VALUES: [[u32; 256]; 4] = [values(18), values(12), values(6), values(0)];

/// Outside of the 24 bits that a group has.
const NOTHING: u32 = 1 << 31;

const fn values(shift: u32) -> [u32; 256] {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut values = [NOTHING; 256];
    let mut at = 0;
    while at < alphabet.len() {
        values[alphabet[at] as usize] = (at as u32) << shift;
        at += 1;
    }
    values
}

/// Adds to `out` what `characters` stand for. Nothing when they are not whole groups of the alphabet; `out` is then of
/// no use.
pub(super) fn push(characters: &[u8], out: &mut Vec<u8>) -> Option<()> {
    const AT_ONCE: usize = 16;
    if !characters.len().is_multiple_of(4) {
        return None;
    }
    for groups in characters.chunks(4 * AT_ONCE) {
        let mut octets = [0; 3 * AT_ONCE];
        let mut seen = 0;
        for (three, four) in octets.chunks_exact_mut(3).zip(groups.chunks_exact(4)) {
            let values: [u32; 4] = array::from_fn(|place| VALUES[place][usize::from(four[place])]);
            let bits = values[0] | values[1] | values[2] | values[3];
            seen |= bits;
            three.copy_from_slice(&bits.to_be_bytes()[1..]);
        }
        if seen & NOTHING != 0 {
            return None;
        }
        out.extend_from_slice(&octets[..groups.len() / 4 * 3]);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use ::base64::{Engine as _, engine::general_purpose};

    use super::*;

    #[test]
    fn every_length_is_translated_as_the_crate_does_it() {
        for length in (0..300).step_by(3) {
            let octets: Vec<u8> = (0..length).map(|at| (at * 37 % 256) as u8).collect();
            let mut found = Vec::new();
            let text = general_purpose::STANDARD.encode(&octets);
            assert_eq!(push(text.as_bytes(), &mut found), Some(()), "{length}");
            assert_eq!(found, octets, "{length}");
        }
    }

    #[test]
    fn what_is_not_in_the_alphabet_is_refused_in_every_place() {
        for octet in (0..=255)
            .filter(|octet: &u8| !octet.is_ascii_alphanumeric() && !matches!(octet, b'+' | b'/'))
        {
            for place in 0..68 {
                let mut text = [b'A'; 68];
                text[place] = octet;
                assert_eq!(push(&text, &mut Vec::new()), None, "{octet} at {place}");
            }
        }
        assert_eq!(push(b"AAA", &mut Vec::new()), None);
    }
}
