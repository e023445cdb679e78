//! The form of a request (RFC 2986 §4): what it may hold, and where; how large it may be. Names have one place each, so
//! that none is passed over.

use super::RequestError;
use crate::{
    der,
    key::{KeyError, PrivateKey},
    parse::{
        self,
        extensions::Extension,
        oid::{Oid, known},
    },
    subject_alt_name::MOST_NAMES,
};

/// More than any honest request has. What a stranger sends must not cost more than it is worth.
pub(super) const MOST_OCTETS: usize = 256 << 10;
pub(super) const MOST_EXTENSIONS: usize = 100;

/// Whether these octets are DER of another object, or no DER at all.
pub(super) fn is_something_else(bytes: &[u8]) -> bool {
    bytes.first() != Some(&parse::der::tag::SEQUENCE)
        || parse::certificate::Certificate::from_der(bytes).is_ok()
        || parse::crl::Crl::from_der(bytes).is_ok()
        || parse::public_key::PublicKey::from_der(bytes).is_ok()
        || !matches!(PrivateKey::read(bytes, None), Err(KeyError::NotAKey))
}

/// What the request may hold, and where.
pub(super) fn check_form(request: &parse::request::Request<'_>) -> Result<(), RequestError> {
    let malformed = |what: String| Err(RequestError::Malformed(what));
    // RFC 2986 §4.1: "version is the version number … It shall be 0 for this version of the standard."
    if request.version != 0 {
        return malformed(format!(
            "its version is encoded as {}, and RFC 2986 section 4.1 knows 0 only",
            request.version
        ));
    }
    let mut extensions = 0;
    // RFC 2986 §4.1 makes the attributes a SET, of which each type stands for one attribute; what the second one asks for
    // must be neither merged nor passed over.
    let asking = request.attributes.iter();
    let asking = asking.filter(|(oid, _)| *oid == known::EXTENSION_REQUEST);
    if asking.count() > 1 {
        return malformed(
            "it has more than one extensionRequest, and RFC 2985 section 5.4.2 allows one; have it made again with all extensions in it".to_owned(),
        );
    }
    for (oid, values) in &request.attributes {
        if *oid != known::EXTENSION_REQUEST {
            // Microsoft's and Netscape's tools have attributes of their own for extensions.
            if values.iter().any(|value| mentions_names(value.raw)) {
                return malformed(format!(
                    "it asks for names in the attribute {oid}, which is not read; have it made again with them in an extensionRequest (RFC 2985 section 5.4.2)"
                ));
            }
            continue;
        }
        // RFC 2985 §5.4.2: SINGLE VALUE TRUE.
        let [value] = values.as_slice() else {
            return malformed(format!(
                "its extensionRequest has {} values, and RFC 2985 section 5.4.2 allows one",
                values.len()
            ));
        };
        let asked = match Extension::read_all(value.raw) {
            Ok(asked) => asked,
            Err(error) => {
                return malformed(format!(
                    "the extensions that it asks for are damaged: {error}"
                ));
            }
        };
        extensions += asked.len();
        if extensions > MOST_EXTENSIONS {
            return Err(RequestError::TooLarge(format!(
                "asks for more than {MOST_EXTENSIONS} extensions"
            )));
        }
        for extension in asked {
            match extension.decode() {
                Ok(parse::extensions::Content::SubjectAltName(names))
                    if names.len() > MOST_NAMES =>
                {
                    return Err(RequestError::TooLarge(format!(
                        "asks for more than {MOST_NAMES} names"
                    )));
                }
                Ok(_) => {}
                Err(error) => {
                    return malformed(format!(
                        "the extension {} that it asks for is damaged: {error}",
                        extension.oid
                    ));
                }
            }
        }
    }
    Ok(())
}

/// Whether the object identifier of subjectAltName (or of its forerunner, 2.5.29.7) stands anywhere in these octets.
fn mentions_names(octets: &[u8]) -> bool {
    let names: [Oid<'_>; 2] = [known::SUBJECT_ALT_NAME, Oid(&[0x55, 0x1d, 7])];
    names
        .iter()
        .map(|oid| der::object_identifier(oid.0))
        .any(|oid| octets.windows(oid.len()).any(|window| window == oid))
}

/// pkcs-9-at-extensionRequest (RFC 2985 §5.4.2).
pub(super) const EXTENSION_REQUEST: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 14];
