//! Signed certificate timestamps (RFC 6962 section 3.3), in the presentation language of TLS.

use crate::parse::der::{self, DerError, Result, tag};

#[derive(Clone, Debug)]
pub(crate) struct SignedCertificateTimestamp<'a> {
    pub(crate) version: u8,
    pub(crate) log: &'a [u8],
    pub(crate) milliseconds: u64,
    pub(crate) extensions: &'a [u8],
    pub(crate) hash: u8,
    pub(crate) algorithm: u8,
    pub(crate) signature: &'a [u8],
}

/// `SignedCertificateTimestampList` in an OCTET STRING, in the TLS presentation language (RFC 6962 section 3.3).
pub(super) fn timestamps(octets: &[u8]) -> Result<Vec<SignedCertificateTimestamp<'_>>> {
    let what = "the list of signed certificate timestamps";
    let broken = DerError::new(what, "cannot be read");
    let content = der::whole(octets, tag::OCTET_STRING, what)?.content;
    let (mut list, rest) = with_length(content).ok_or(broken)?;
    if !rest.is_empty() {
        return Err(broken);
    }
    let mut timestamps = Vec::new();
    while !list.is_empty() {
        let (one, rest) = with_length(list).ok_or(broken)?;
        timestamps.push(timestamp(one).ok_or(broken)?);
        list = rest;
    }
    Ok(timestamps)
}

fn with_length(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = octets.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

fn timestamp(octets: &[u8]) -> Option<SignedCertificateTimestamp<'_>> {
    let (&version, rest) = octets.split_first()?;
    let (log, rest) = rest.split_at_checked(32)?;
    let (milliseconds, rest) = rest.split_first_chunk::<8>()?;
    let (extensions, rest) = with_length(rest)?;
    let (&[hash, algorithm], rest) = rest.split_first_chunk::<2>()?;
    let (signature, rest) = with_length(rest)?;
    rest.is_empty().then_some(SignedCertificateTimestamp {
        version,
        log,
        milliseconds: u64::from_be_bytes(*milliseconds),
        extensions,
        hash,
        algorithm,
        signature,
    })
}
