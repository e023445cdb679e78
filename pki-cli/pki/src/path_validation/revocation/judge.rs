//! The question before a CRL leaves: would a verifier use it?

use time::OffsetDateTime;

use super::{
    super::signature::{SignatureVerdict, verify_signature},
    List, is_current,
};
use crate::parse::certificate::Certificate;

/// Whether a verifier would use this CRL, at this time, for the certificates of `issuer`. Half a sentence says why not.
pub(crate) fn judge(octets: &[u8], issuer: &[u8], now: OffsetDateTime) -> Result<(), String> {
    let issuer = Certificate::from_der(issuer).map_err(|error| error.to_string())?;
    let (lists, mut unreadable) = List::read_all(&[octets]);
    let Some(list) = lists.first() else {
        return Err(unreadable.pop().unwrap_or_default());
    };
    is_current(list, now).map_err(|finding| finding.to_string())?;
    if list.issuer != issuer.subject.canonical() || list.scope.is_some() {
        return Err("it is not a complete CRL of its issuer".to_owned());
    }
    if list.len() != list.crl.revoked.len() {
        return Err("it lists a certificate twice".to_owned());
    }
    let verdict = verify_signature(
        &issuer.public_key,
        &list.crl.signature_algorithm,
        list.crl.tbs,
        list.crl.signature,
    );
    match verdict {
        SignatureVerdict::Right => Ok(()),
        _ => Err("its signature does not fit the issuer's key".to_owned()),
    }
}
