//! What a certificate in `ca.crt` vouches for (RFC 5280, 4.2.1.3, 4.2.1.9 and 6.1.1 (d)).
//!
//! A trust anchor is only a name and a key, and path validation asks nothing more of it (6.1.1 (d)). But here it comes as
//! a certificate, and that says itself whether its key may sign others. It is taken at its word: otherwise whoever trusts
//! one peer's own certificate makes that peer a CA for every identity.

use x509_parser::certificate::X509Certificate;
use x509_parser::x509::X509Version;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VouchesFor {
    /// A CA's certificate.
    WhatItIssues,
    /// An end entity's, its own issuer: whoever shows this very certificate is believed, and nobody else.
    Itself,
}

/// # Errors
/// Why it could never be believed: a clause that follows the certificate's name.
pub(crate) fn vouches_for(certificate: &X509Certificate<'_>) -> Result<VouchesFor, &'static str> {
    let constraints = certificate
        .basic_constraints()
        .map_err(|_| "has malformed or repeated basic constraints")?;
    let usage = certificate
        .key_usage()
        .map_err(|_| "has a malformed or repeated key usage")?;
    if constraints.is_some_and(|constraints| constraints.value.ca) {
        return match usage {
            // 4.2.1.3: keyCertSign is asserted when the key verifies signatures on certificates.
            Some(usage) if !usage.value.key_cert_sign() => {
                Err("may not issue certificates (its key usage lacks keyCertSign)")
            }
            _ => Ok(VouchesFor::WhatItIssues),
        };
    }
    // Versions 1 and 2 have no extensions, so nothing tells their CAs from their end entities (6.1.4 (k)).
    if certificate.version() != X509Version::V3 {
        return Err("is not of version 3, so it cannot say that it is a CA's");
    }
    if certificate.subject().as_raw() != certificate.issuer().as_raw() {
        return Err(
            "is an end entity's (its basic constraints lack cA), and another one issued it",
        );
    }
    Ok(VouchesFor::Itself)
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, IsCa, KeyPair, KeyUsagePurpose};
    use x509_parser::prelude::FromDer;

    use super::*;
    use crate::test_ca::{TestCa, TestResult, days};

    fn self_signed(
        is_ca: IsCa,
        usage: &[KeyUsagePurpose],
    ) -> TestResult<Result<VouchesFor, &'static str>> {
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = is_ca;
        params.key_usages = usage.to_vec();
        let certificate = params.self_signed(&KeyPair::generate()?)?;
        let (_, certificate) = X509Certificate::from_der(certificate.der())?;
        Ok(vouches_for(&certificate))
    }

    #[test]
    fn a_ca_vouches_for_what_it_issues() -> TestResult {
        for constraints in [
            BasicConstraints::Unconstrained,
            BasicConstraints::Constrained(0),
        ] {
            for usage in [
                &[][..],
                &[KeyUsagePurpose::KeyCertSign],
                &[KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign],
            ] {
                assert_eq!(
                    self_signed(IsCa::Ca(constraints), usage)?,
                    Ok(VouchesFor::WhatItIssues)
                );
            }
        }
        Ok(())
    }

    #[test]
    fn a_ca_whose_key_may_not_sign_certificates_vouches_for_nothing() -> TestResult {
        let ca = IsCa::Ca(BasicConstraints::Unconstrained);
        for usage in [KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature] {
            assert_eq!(
                self_signed(ca, &[usage])?,
                Err("may not issue certificates (its key usage lacks keyCertSign)")
            );
        }
        Ok(())
    }

    #[test]
    fn an_end_entity_that_is_its_own_issuer_vouches_for_itself() -> TestResult {
        // keyCertSign without cA makes no CA (4.2.1.9).
        for usage in [
            &[][..],
            &[KeyUsagePurpose::DigitalSignature],
            &[KeyUsagePurpose::KeyCertSign],
        ] {
            for end_entity in [IsCa::NoCa, IsCa::ExplicitNoCa] {
                assert_eq!(self_signed(end_entity, usage)?, Ok(VouchesFor::Itself));
            }
        }
        Ok(())
    }

    #[test]
    fn an_end_entity_that_another_issued_vouches_for_nothing() -> TestResult {
        use rustls_pki_types::pem::PemObject;
        let pem = TestCa::new(days(-2), days(2))?.issue(&KeyPair::generate()?, |_| {})?;
        let der = rustls_pki_types::CertificateDer::from_pem_slice(pem.as_bytes())?;
        let (_, certificate) = X509Certificate::from_der(&der)?;
        assert_eq!(
            vouches_for(&certificate),
            Err("is an end entity's (its basic constraints lack cA), and another one issued it")
        );
        Ok(())
    }
}
