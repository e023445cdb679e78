//! Object identifiers: their numbers, and the names that people know them by.

use std::fmt;

use super::der::{DerError, Result};

/// An object identifier, as encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Oid<'a>(pub(crate) &'a [u8]);

impl<'a> Oid<'a> {
    pub(crate) fn new(content: &'a [u8], what: &'static str) -> Result<Self> {
        let ends = content.last().is_some_and(|octet| octet & 0x80 == 0);
        // X.690 section 8.19.2: no arc begins with 80.
        let shortest =
            content
                .iter()
                .zip(std::iter::once(&0).chain(content))
                .all(|(octet, before)| {
                    let begins_an_arc = before & 0x80 == 0;
                    !(begins_an_arc && *octet == 0x80)
                });
        if ends && shortest {
            Ok(Self(content))
        } else {
            Err(DerError::new(what, "is not an object identifier"))
        }
    }

    /// The name, if we know one, or else the numbers.
    pub(crate) fn name(self) -> String {
        let numbers = self.to_string();
        known_name(&numbers).map_or(numbers, str::to_owned)
    }

    /// The name together with the numbers.
    pub(crate) fn name_and_numbers(self) -> String {
        let numbers = self.to_string();
        match known_name(&numbers) {
            Some(name) => format!("{name} ({numbers})"),
            None => numbers,
        }
    }
}

impl fmt::Display for Oid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut arc: u128 = 0;
        let mut first = true;
        for octet in self.0 {
            // An arc beyond 121 bits is nonsense, but must be shown all the same.
            if arc >> 121 != 0 {
                return write!(
                    f,
                    "{}[{}]",
                    if first { "" } else { "." },
                    crate::text::hex(self.0)
                );
            }
            arc = (arc << 7) | u128::from(octet & 0x7f);
            if octet & 0x80 != 0 {
                continue;
            }
            if first {
                let root = match arc {
                    0..40 => 0,
                    40..80 => 1,
                    _ => 2,
                };
                match u64::try_from(arc - root * 40) {
                    Ok(second) => write!(f, "{}.{second}", root as u64)?,
                    Err(_) => write!(f, "{root}.{}", arc - root * 40)?,
                }
                first = false;
            } else {
                // Numbers of 128 bits are slow to write, and nearly none is.
                match u64::try_from(arc) {
                    Ok(arc) => write!(f, ".{arc}")?,
                    Err(_) => write!(f, ".{arc}")?,
                }
            }
            arc = 0;
        }
        Ok(())
    }
}

/// The extensions and algorithms that code asks for by name.
pub(crate) mod known {
    use super::Oid;

    macro_rules! oids {
        ($($name:ident = $($octet:literal)+;)+) => { $(pub(crate) const $name: Oid<'static> = Oid(&[$($octet),+]);)+ };
    }

    oids! {
        SUBJECT_DIRECTORY_ATTRIBUTES = 0x55 0x1d 0x09;
        SUBJECT_KEY_IDENTIFIER = 0x55 0x1d 0x0e;
        KEY_USAGE = 0x55 0x1d 0x0f;
        PRIVATE_KEY_USAGE_PERIOD = 0x55 0x1d 0x10;
        SUBJECT_ALT_NAME = 0x55 0x1d 0x11;
        ISSUER_ALT_NAME = 0x55 0x1d 0x12;
        BASIC_CONSTRAINTS = 0x55 0x1d 0x13;
        CRL_NUMBER = 0x55 0x1d 0x14;
        REASON_CODE = 0x55 0x1d 0x15;
        INVALIDITY_DATE = 0x55 0x1d 0x18;
        DELTA_CRL_INDICATOR = 0x55 0x1d 0x1b;
        ISSUING_DISTRIBUTION_POINT = 0x55 0x1d 0x1c;
        CERTIFICATE_ISSUER = 0x55 0x1d 0x1d;
        NAME_CONSTRAINTS = 0x55 0x1d 0x1e;
        CRL_DISTRIBUTION_POINTS = 0x55 0x1d 0x1f;
        CERTIFICATE_POLICIES = 0x55 0x1d 0x20;
        ANY_POLICY = 0x55 0x1d 0x20 0x00;
        POLICY_MAPPINGS = 0x55 0x1d 0x21;
        AUTHORITY_KEY_IDENTIFIER = 0x55 0x1d 0x23;
        POLICY_CONSTRAINTS = 0x55 0x1d 0x24;
        EXTENDED_KEY_USAGE = 0x55 0x1d 0x25;
        ANY_EXTENDED_KEY_USAGE = 0x55 0x1d 0x25 0x00;
        FRESHEST_CRL = 0x55 0x1d 0x2e;
        INHIBIT_ANY_POLICY = 0x55 0x1d 0x36;
        AUTHORITY_INFO_ACCESS = 0x2b 0x06 0x01 0x05 0x05 0x07 0x01 0x01;
        SUBJECT_INFO_ACCESS = 0x2b 0x06 0x01 0x05 0x05 0x07 0x01 0x0b;
        TLS_FEATURE = 0x2b 0x06 0x01 0x05 0x05 0x07 0x01 0x18;
        SERVER_AUTH = 0x2b 0x06 0x01 0x05 0x05 0x07 0x03 0x01;
        CLIENT_AUTH = 0x2b 0x06 0x01 0x05 0x05 0x07 0x03 0x02;
        QUALIFIER_CPS = 0x2b 0x06 0x01 0x05 0x05 0x07 0x02 0x01;
        QUALIFIER_USER_NOTICE = 0x2b 0x06 0x01 0x05 0x05 0x07 0x02 0x02;
        OCSP_NO_CHECK = 0x2b 0x06 0x01 0x05 0x05 0x07 0x30 0x01 0x05;
        CT_PRECERT_SCTS = 0x2b 0x06 0x01 0x04 0x01 0xd6 0x79 0x02 0x04 0x02;
        CT_POISON = 0x2b 0x06 0x01 0x04 0x01 0xd6 0x79 0x02 0x04 0x03;
        NETSCAPE_CERT_TYPE = 0x60 0x86 0x48 0x01 0x86 0xf8 0x42 0x01 0x01;
        NETSCAPE_BASE_URL = 0x60 0x86 0x48 0x01 0x86 0xf8 0x42 0x01 0x02;
        NETSCAPE_REVOCATION_URL = 0x60 0x86 0x48 0x01 0x86 0xf8 0x42 0x01 0x03;
        NETSCAPE_CA_REVOCATION_URL = 0x60 0x86 0x48 0x01 0x86 0xf8 0x42 0x01 0x04;
        NETSCAPE_RENEWAL_URL = 0x60 0x86 0x48 0x01 0x86 0xf8 0x42 0x01 0x07;
        NETSCAPE_CA_POLICY_URL = 0x60 0x86 0x48 0x01 0x86 0xf8 0x42 0x01 0x08;
        NETSCAPE_SSL_SERVER_NAME = 0x60 0x86 0x48 0x01 0x86 0xf8 0x42 0x01 0x0c;
        NETSCAPE_COMMENT = 0x60 0x86 0x48 0x01 0x86 0xf8 0x42 0x01 0x0d;
        RSA_ENCRYPTION = 0x2a 0x86 0x48 0x86 0xf7 0x0d 0x01 0x01 0x01;
        RSASSA_PSS = 0x2a 0x86 0x48 0x86 0xf7 0x0d 0x01 0x01 0x0a;
        DSA = 0x2a 0x86 0x48 0xce 0x38 0x04 0x01;
        EC_PUBLIC_KEY = 0x2a 0x86 0x48 0xce 0x3d 0x02 0x01;
        P256 = 0x2a 0x86 0x48 0xce 0x3d 0x03 0x01 0x07;
        P384 = 0x2b 0x81 0x04 0x00 0x22;
        P521 = 0x2b 0x81 0x04 0x00 0x23;
        X25519 = 0x2b 0x65 0x6e;
        X448 = 0x2b 0x65 0x6f;
        ED25519 = 0x2b 0x65 0x70;
        ED448 = 0x2b 0x65 0x71;
        EMAIL_ADDRESS = 0x2a 0x86 0x48 0x86 0xf7 0x0d 0x01 0x09 0x01;
        COMMON_NAME = 0x55 0x04 0x03;
        EXTENSION_REQUEST = 0x2a 0x86 0x48 0x86 0xf7 0x0d 0x01 0x09 0x0e;
        CHALLENGE_PASSWORD = 0x2a 0x86 0x48 0x86 0xf7 0x0d 0x01 0x09 0x07;
        PBES2 = 0x2a 0x86 0x48 0x86 0xf7 0x0d 0x01 0x05 0x0d;
        PBKDF2 = 0x2a 0x86 0x48 0x86 0xf7 0x0d 0x01 0x05 0x0c;
        PBMAC1 = 0x2a 0x86 0x48 0x86 0xf7 0x0d 0x01 0x05 0x0e;
        HMAC_SHA1 = 0x2a 0x86 0x48 0x86 0xf7 0x0d 0x02 0x07;
        HMAC_SHA256 = 0x2a 0x86 0x48 0x86 0xf7 0x0d 0x02 0x09;
        HMAC_SHA384 = 0x2a 0x86 0x48 0x86 0xf7 0x0d 0x02 0x0a;
        HMAC_SHA512 = 0x2a 0x86 0x48 0x86 0xf7 0x0d 0x02 0x0b;
        SHA1 = 0x2b 0x0e 0x03 0x02 0x1a;
        SHA256 = 0x60 0x86 0x48 0x01 0x65 0x03 0x04 0x02 0x01;
        SHA384 = 0x60 0x86 0x48 0x01 0x65 0x03 0x04 0x02 0x02;
        SHA512 = 0x60 0x86 0x48 0x01 0x65 0x03 0x04 0x02 0x03;
        SHA224 = 0x60 0x86 0x48 0x01 0x65 0x03 0x04 0x02 0x04;
        AES_128_CBC = 0x60 0x86 0x48 0x01 0x65 0x03 0x04 0x01 0x02;
        AES_192_CBC = 0x60 0x86 0x48 0x01 0x65 0x03 0x04 0x01 0x16;
        AES_256_CBC = 0x60 0x86 0x48 0x01 0x65 0x03 0x04 0x01 0x2a;
        PKCS7_DATA = 0x2a 0x86 0x48 0x86 0xf7 0x0d 0x01 0x07 0x01;
        PKCS7_ENCRYPTED_DATA = 0x2a 0x86 0x48 0x86 0xf7 0x0d 0x01 0x07 0x06;
        KEY_BAG = 0x2a 0x86 0x48 0x86 0xf7 0x0d 0x01 0x0c 0x0a 0x01 0x01;
        SHROUDED_KEY_BAG = 0x2a 0x86 0x48 0x86 0xf7 0x0d 0x01 0x0c 0x0a 0x01 0x02;
        CERT_BAG = 0x2a 0x86 0x48 0x86 0xf7 0x0d 0x01 0x0c 0x0a 0x01 0x03;
        CRL_BAG = 0x2a 0x86 0x48 0x86 0xf7 0x0d 0x01 0x0c 0x0a 0x01 0x04;
        X509_CERTIFICATE = 0x2a 0x86 0x48 0x86 0xf7 0x0d 0x01 0x09 0x16 0x01;
        X509_CRL = 0x2a 0x86 0x48 0x86 0xf7 0x0d 0x01 0x09 0x17 0x01;
        FRIENDLY_NAME = 0x2a 0x86 0x48 0x86 0xf7 0x0d 0x01 0x09 0x14;
        LOCAL_KEY_ID = 0x2a 0x86 0x48 0x86 0xf7 0x0d 0x01 0x09 0x15;
        SMTP_UTF8_MAILBOX = 0x2b 0x06 0x01 0x05 0x05 0x07 0x08 0x09;
    }
}

/// The short names of RFC 4514 section 3 and the ones that openssl made customary, for attribute types.
pub(crate) fn attribute_name(oid: Oid<'_>) -> Option<&'static str> {
    Some(match oid.to_string().as_str() {
        "2.5.4.3" => "CN",
        "2.5.4.4" => "SN",
        "2.5.4.5" => "serialNumber",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "street",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.12" => "title",
        "2.5.4.13" => "description",
        "2.5.4.15" => "businessCategory",
        "2.5.4.16" => "postalAddress",
        "2.5.4.17" => "postalCode",
        "2.5.4.20" => "telephoneNumber",
        "2.5.4.41" => "name",
        "2.5.4.42" => "GN",
        "2.5.4.43" => "initials",
        "2.5.4.44" => "generationQualifier",
        "2.5.4.45" => "x500UniqueIdentifier",
        "2.5.4.46" => "dnQualifier",
        "2.5.4.65" => "pseudonym",
        "2.5.4.97" => "organizationIdentifier",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.2.840.113549.1.9.1" => "emailAddress",
        "1.2.840.113549.1.9.2" => "unstructuredName",
        "1.2.840.113549.1.9.8" => "unstructuredAddress",
        "1.3.6.1.4.1.311.60.2.1.1" => "jurisdictionL",
        "1.3.6.1.4.1.311.60.2.1.2" => "jurisdictionST",
        "1.3.6.1.4.1.311.60.2.1.3" => "jurisdictionC",
        _ => return None,
    })
}

fn known_name(numbers: &str) -> Option<&'static str> {
    Some(match numbers {
        // Extensions of RFC 5280.
        "2.5.29.9" => "subjectDirectoryAttributes",
        "2.5.29.14" => "subjectKeyIdentifier",
        "2.5.29.15" => "keyUsage",
        "2.5.29.16" => "privateKeyUsagePeriod",
        "2.5.29.17" => "subjectAltName",
        "2.5.29.18" => "issuerAltName",
        "2.5.29.19" => "basicConstraints",
        "2.5.29.20" => "cRLNumber",
        "2.5.29.21" => "reasonCode",
        "2.5.29.23" => "holdInstructionCode",
        "2.5.29.24" => "invalidityDate",
        "2.5.29.27" => "deltaCRLIndicator",
        "2.5.29.28" => "issuingDistributionPoint",
        "2.5.29.29" => "certificateIssuer",
        "2.5.29.30" => "nameConstraints",
        "2.5.29.31" => "cRLDistributionPoints",
        "2.5.29.32" => "certificatePolicies",
        "2.5.29.32.0" => "anyPolicy",
        "2.5.29.33" => "policyMappings",
        "2.5.29.35" => "authorityKeyIdentifier",
        "2.5.29.36" => "policyConstraints",
        "2.5.29.37" => "extendedKeyUsage",
        "2.5.29.37.0" => "anyExtendedKeyUsage",
        "2.5.29.46" => "freshestCRL",
        "2.5.29.54" => "inhibitAnyPolicy",
        "1.3.6.1.5.5.7.1.1" => "authorityInfoAccess",
        "1.3.6.1.5.5.7.1.3" => "qcStatements",
        "1.3.6.1.5.5.7.1.11" => "subjectInfoAccess",
        "1.3.6.1.5.5.7.1.24" => "tlsFeature",
        "1.3.6.1.5.5.7.48.1.5" => "ocspNoCheck",
        "1.3.6.1.4.1.11129.2.4.2" => "signedCertificateTimestamps",
        "1.3.6.1.4.1.11129.2.4.3" => "precertificatePoison",
        "2.16.840.1.113730.1.1" => "netscapeCertType",
        "2.16.840.1.113730.1.2" => "netscapeBaseUrl",
        "2.16.840.1.113730.1.3" => "netscapeRevocationUrl",
        "2.16.840.1.113730.1.4" => "netscapeCaRevocationUrl",
        "2.16.840.1.113730.1.7" => "netscapeRenewalUrl",
        "2.16.840.1.113730.1.8" => "netscapeCaPolicyUrl",
        "2.16.840.1.113730.1.12" => "netscapeSslServerName",
        "2.16.840.1.113730.1.13" => "netscapeComment",
        // Extended key usages.
        "1.3.6.1.5.5.7.3.1" => "serverAuth",
        "1.3.6.1.5.5.7.3.2" => "clientAuth",
        "1.3.6.1.5.5.7.3.3" => "codeSigning",
        "1.3.6.1.5.5.7.3.4" => "emailProtection",
        "1.3.6.1.5.5.7.3.5" => "ipsecEndSystem",
        "1.3.6.1.5.5.7.3.6" => "ipsecTunnel",
        "1.3.6.1.5.5.7.3.7" => "ipsecUser",
        "1.3.6.1.5.5.7.3.8" => "timeStamping",
        "1.3.6.1.5.5.7.3.9" => "OCSPSigning",
        "1.3.6.1.5.5.7.3.17" => "ipsecIKE",
        "1.3.6.1.4.1.311.10.3.3" => "msSGC",
        "1.3.6.1.4.1.311.10.3.4" => "msEFS",
        "1.3.6.1.4.1.311.20.2.2" => "msSmartcardLogin",
        "2.16.840.1.113730.4.1" => "nsSGC",
        // Access methods and policy qualifiers.
        "1.3.6.1.5.5.7.48.1" => "OCSP",
        "1.3.6.1.5.5.7.48.2" => "caIssuers",
        "1.3.6.1.5.5.7.48.3" => "timeStamping",
        "1.3.6.1.5.5.7.48.5" => "caRepository",
        "1.3.6.1.5.5.7.2.1" => "cps",
        "1.3.6.1.5.5.7.2.2" => "userNotice",
        // Policies of the public web (CA/Browser Forum).
        "2.23.140.1.1" => "extended-validation",
        "2.23.140.1.2.1" => "domain-validated",
        "2.23.140.1.2.2" => "organization-validated",
        "2.23.140.1.2.3" => "individual-validated",
        // Keys.
        "1.2.840.113549.1.1.1" => "rsaEncryption",
        "1.2.840.10040.4.1" => "dsa",
        "1.2.840.10045.2.1" => "ecPublicKey",
        "1.3.132.1.12" => "ecDH",
        "1.2.840.10046.2.1" => "dhPublicNumber",
        "1.2.840.113549.1.3.1" => "dhKeyAgreement",
        "1.3.101.110" => "X25519",
        "1.3.101.111" => "X448",
        "1.3.101.112" => "Ed25519",
        "1.3.101.113" => "Ed448",
        "2.16.840.1.101.3.4.3.17" => "ML-DSA-44",
        "2.16.840.1.101.3.4.3.18" => "ML-DSA-65",
        "2.16.840.1.101.3.4.3.19" => "ML-DSA-87",
        // Curves.
        "1.2.840.10045.3.1.1" => "P-192",
        "1.2.840.10045.3.1.7" => "P-256",
        "1.3.132.0.33" => "P-224",
        "1.3.132.0.34" => "P-384",
        "1.3.132.0.35" => "P-521",
        "1.3.132.0.10" => "secp256k1",
        "1.3.36.3.3.2.8.1.1.7" => "brainpoolP256r1",
        "1.3.36.3.3.2.8.1.1.11" => "brainpoolP384r1",
        "1.3.36.3.3.2.8.1.1.13" => "brainpoolP512r1",
        "1.2.156.10197.1.301" => "SM2",
        // Signatures.
        "1.2.840.113549.1.1.2" => "md2WithRSAEncryption",
        "1.2.840.113549.1.1.4" => "md5WithRSAEncryption",
        "1.2.840.113549.1.1.5" => "sha1WithRSAEncryption",
        "1.2.840.113549.1.1.7" => "RSAES-OAEP",
        "1.2.840.113549.1.1.8" => "MGF1",
        "1.2.840.113549.1.1.10" => "RSASSA-PSS",
        "1.2.840.113549.1.1.11" => "sha256WithRSAEncryption",
        "1.2.840.113549.1.1.12" => "sha384WithRSAEncryption",
        "1.2.840.113549.1.1.13" => "sha512WithRSAEncryption",
        "1.2.840.113549.1.1.14" => "sha224WithRSAEncryption",
        "1.2.840.10040.4.3" => "dsa-with-SHA1",
        "2.16.840.1.101.3.4.3.1" => "dsa-with-SHA224",
        "2.16.840.1.101.3.4.3.2" => "dsa-with-SHA256",
        "1.2.840.10045.4.1" => "ecdsa-with-SHA1",
        "1.2.840.10045.4.3.1" => "ecdsa-with-SHA224",
        "1.2.840.10045.4.3.2" => "ecdsa-with-SHA256",
        "1.2.840.10045.4.3.3" => "ecdsa-with-SHA384",
        "1.2.840.10045.4.3.4" => "ecdsa-with-SHA512",
        // Digests.
        "1.2.840.113549.2.5" => "MD5",
        "1.3.14.3.2.26" => "SHA-1",
        "2.16.840.1.101.3.4.2.4" => "SHA-224",
        "2.16.840.1.101.3.4.2.1" => "SHA-256",
        "2.16.840.1.101.3.4.2.2" => "SHA-384",
        "2.16.840.1.101.3.4.2.3" => "SHA-512",
        // Attributes of requests, and encryption of keys.
        "1.2.840.113549.1.9.7" => "challengePassword",
        "1.2.840.113549.1.9.2" => "unstructuredName",
        "1.2.840.113549.1.9.14" => "extensionRequest",
        "1.2.840.113549.1.5.3" => "PBES1 with MD5 and DES",
        "1.2.840.113549.1.5.10" => "PBES1 with SHA-1 and DES",
        "1.2.840.113549.1.5.12" => "PBKDF2",
        "1.2.840.113549.1.5.13" => "PBES2",
        "1.3.6.1.4.1.11591.4.11" => "scrypt",
        "1.2.840.113549.2.7" => "HMAC-SHA1",
        "1.2.840.113549.2.9" => "HMAC-SHA256",
        "1.2.840.113549.2.10" => "HMAC-SHA384",
        "1.2.840.113549.2.11" => "HMAC-SHA512",
        "1.2.840.113549.3.7" => "3DES-CBC",
        "1.2.840.113549.2.8" => "HMAC-SHA224",
        "1.2.840.113549.1.5.14" => "PBMAC1",
        "1.2.840.113549.1.12.1.1" => "PKCS#12 PBE with SHA-1 and RC4-128",
        "1.2.840.113549.1.12.1.2" => "PKCS#12 PBE with SHA-1 and RC4-40",
        "1.2.840.113549.1.12.1.3" => "PKCS#12 PBE with SHA-1 and 3DES",
        "1.2.840.113549.1.12.1.4" => "PKCS#12 PBE with SHA-1 and 2-key 3DES",
        "1.2.840.113549.1.12.1.5" => "PKCS#12 PBE with SHA-1 and RC2-128",
        "1.2.840.113549.1.12.1.6" => "PKCS#12 PBE with SHA-1 and RC2-40",
        "1.2.840.113549.1.12.10.1.1" => "keyBag",
        "1.2.840.113549.1.12.10.1.2" => "pkcs8ShroudedKeyBag",
        "1.2.840.113549.1.12.10.1.3" => "certBag",
        "1.2.840.113549.1.12.10.1.4" => "crlBag",
        "1.2.840.113549.1.12.10.1.5" => "secretBag",
        "1.2.840.113549.1.12.10.1.6" => "safeContentsBag",
        "1.2.840.113549.1.9.20" => "friendlyName",
        "1.2.840.113549.1.9.21" => "localKeyId",
        "1.2.840.113549.1.9.22.1" => "x509Certificate",
        "1.2.840.113549.1.9.22.2" => "sdsiCertificate",
        "1.2.840.113549.1.9.23.1" => "x509Crl",
        "1.3.6.1.4.1.311.17.1" => "msKeyProviderName",
        "1.3.6.1.4.1.311.17.2" => "msLocalMachineKeyset",
        "2.16.840.1.113894.746875.1.1" => "javaTrustedKeyUsage",
        "2.16.840.1.101.3.4.1.2" => "AES-128-CBC",
        "2.16.840.1.101.3.4.1.22" => "AES-192-CBC",
        "2.16.840.1.101.3.4.1.42" => "AES-256-CBC",
        "2.16.840.1.101.3.4.1.46" => "AES-256-GCM",
        // Containers.
        "1.2.840.113549.1.7.1" => "PKCS#7 data",
        "1.2.840.113549.1.7.2" => "PKCS#7 signedData",
        "1.2.840.113549.1.7.3" => "PKCS#7 envelopedData",
        "1.2.840.113549.1.7.6" => "PKCS#7 encryptedData",
        // Other names.
        "1.3.6.1.5.5.7.8.9" => "smtpUTF8Mailbox",
        "1.3.6.1.5.5.7.8.7" => "dnsSRV",
        "1.3.6.1.5.5.7.8.5" => "xmppAddr",
        "1.3.6.1.4.1.311.20.2.3" => "userPrincipalName",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_people_write_them() {
        for (octets, numbers) in [
            (&[0x55, 0x1d, 0x13][..], "2.5.29.19"),
            (
                &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01],
                "1.2.840.113549.1.1.1",
            ),
            (&[0x88, 0x37, 0x01], "2.999.1"),
            (&[0x00], "0.0"),
        ] {
            assert_eq!(
                Oid::new(octets, "it").map(|oid| oid.to_string()),
                Ok(numbers.to_owned())
            );
        }
        assert_eq!(known::BASIC_CONSTRAINTS.name(), "basicConstraints");
        assert_eq!(known::CT_PRECERT_SCTS.name(), "signedCertificateTimestamps");
    }

    #[test]
    fn identifiers_with_padding_or_without_an_end_are_refused() {
        for octets in [
            &[][..],
            &[0x55, 0x80],
            &[0x55, 0x80, 0x01],
            &[0x80, 0x01],
            &[0x55, 0x1d, 0x93],
        ] {
            assert!(Oid::new(octets, "it").is_err(), "{octets:02x?}");
        }
    }

    #[test]
    fn an_arc_beyond_reason_is_shown_and_does_not_overflow() {
        let octets = [&[0x55][..], &[0xff; 60], &[0x7f]].concat();
        assert!(Oid::new(&octets, "it").is_ok_and(|oid| oid.to_string().contains("ffff")));
    }
}
