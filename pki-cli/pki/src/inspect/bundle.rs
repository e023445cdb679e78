//! Files with one object or many: PEM in any order with text between the blocks, or DER.

use std::collections::BTreeSet;

use crate::parse::{
    certificate::Certificate,
    crl::Crl,
    der::{Reader, tag},
    pem,
};

/// Why a file does not hold what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// Nothing of that kind is in the file.
    #[error(
        "no {wanted} in it: give {wanted}s in PEM (-----BEGIN {label}-----) or one in DER{found}"
    )]
    Nothing {
        /// What was looked for, as a word.
        wanted: &'static str,
        /// The PEM label of it.
        label: &'static str,
        /// What there was instead.
        found: String,
    },
    /// A block cannot be read.
    #[error("its PEM block in line {line} ({label}) cannot be read: {reason}")]
    Block {
        /// The line of the block's first line.
        line: usize,
        /// The block's label, or that it is not a known one.
        label: String,
        /// What is wrong.
        reason: &'static str,
    },
}

/// The certificates (DER) of a file, in its order. Blocks of other kinds are passed over.
pub fn certificates(octets: &[u8]) -> Result<Vec<Vec<u8>>, BundleError> {
    let labels = ["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"];
    let found = of_kind(octets, "certificate", &labels, |der| {
        Certificate::from_der(der).is_ok()
    })?;
    // openssl's "trusted" form has settings of its own behind the certificate.
    Ok(found
        .into_iter()
        .map(|(label, der)| {
            if label == "TRUSTED CERTIFICATE" {
                first_value(der)
            } else {
                der
            }
        })
        .collect())
}

/// The CRLs (DER) of a file, in its order. Blocks of other kinds are passed over.
pub fn crls(octets: &[u8]) -> Result<Vec<Vec<u8>>, BundleError> {
    let found = of_kind(octets, "CRL", &["X509 CRL"], |der| {
        Crl::from_der(der).is_ok()
    })?;
    Ok(found.into_iter().map(|(_, der)| der).collect())
}

fn of_kind(
    octets: &[u8],
    wanted: &'static str,
    labels: &[&'static str],
    is_der: impl Fn(&[u8]) -> bool,
) -> Result<Vec<(&'static str, Vec<u8>)>, BundleError> {
    if !is_pem(octets) && (is_der(octets) || octets.first() == Some(&tag::SEQUENCE)) {
        return Ok(vec![(labels[0], octets.to_vec())]);
    }
    let mut found = Vec::new();
    let mut others = BTreeSet::new();
    for block in pem::blocks(octets) {
        // A block whose label cannot be read, and that is broken, may be one that is wanted.
        let is_unclear = block.label.as_str().is_empty() && block.content.is_err();
        if !labels.contains(&block.label.as_str()) && !is_unclear {
            others.insert(block.label.to_string());
            continue;
        }
        match block.content {
            Ok(mut der) => found.push((block.label.as_str(), std::mem::take(&mut *der))),
            Err(reason) => {
                return Err(BundleError::Block {
                    line: block.line,
                    label: block.label.to_string(),
                    reason,
                });
            }
        }
    }
    if found.is_empty() {
        let others: Vec<_> = others.into_iter().take(4).collect();
        let found = if others.is_empty() {
            String::new()
        } else {
            format!("; it holds {}", others.join(", "))
        };
        return Err(BundleError::Nothing {
            wanted,
            label: labels[0],
            found,
        });
    }
    Ok(found)
}

/// Whether a file is text with at least one PEM block, be it a broken one.
pub(super) fn is_pem(octets: &[u8]) -> bool {
    let has = |mark: &[u8]| memchr::memmem::find(octets, mark).is_some();
    !pem::is_der(octets)
        && (has(b"----BEGIN") || has(b"----END ") || pem::blocks(octets).next().is_some())
}

pub(super) fn first_value(der: Vec<u8>) -> Vec<u8> {
    match Reader::new(&der).any("the certificate") {
        Ok(value) => value.raw.to_vec(),
        Err(_) => der,
    }
}
