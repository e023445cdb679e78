//! Object identifiers: their numbers, and the names that people know them by.

use std::{borrow::Cow, fmt};

use super::der::{DerError, Result};

/// An object identifier, as encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Oid<'a>(pub(crate) &'a [u8]);

impl<'a> Oid<'a> {
    pub(crate) fn new(content: &'a [u8], what: &'static str) -> Result<Self> {
        let ends = content.last().is_some_and(|octet| octet & 0x80 == 0);
        // X.690 section 8.19.2: no arc begins with 80.
        let shortest = || {
            let mut begins_an_arc = true;
            content.iter().all(|octet| {
                let padded = begins_an_arc && *octet == 0x80;
                begins_an_arc = octet & 0x80 == 0;
                !padded
            })
        };
        if ends && shortest() {
            Ok(Self(content))
        } else {
            Err(DerError::new(what, "is not an object identifier"))
        }
    }

    /// The name, if we know one, or else the numbers.
    pub(crate) fn name(self) -> Cow<'static, str> {
        match known_name(self.0) {
            Some(name) => name.into(),
            None => self.numbers().into(),
        }
    }

    /// The name together with the numbers.
    pub(crate) fn name_and_numbers(self) -> String {
        // Room for most, and for what is said behind it.
        let mut out = String::with_capacity(64);
        match known_name(self.0) {
            Some(name) => {
                out.push_str(name);
                out.push_str(" (");
                self.push_numbers(&mut out);
                out.push(')');
            }
            None => self.push_numbers(&mut out),
        }
        out
    }

    /// The numbers, as people write them: `2.5.29.19`.
    pub(crate) fn numbers(self) -> String {
        let mut out = String::with_capacity(3 * self.0.len() + 2);
        self.push_numbers(&mut out);
        out
    }

    /// The same behind what is there.
    pub(crate) fn push_numbers(self, out: &mut String) {
        let mut arc: u128 = 0;
        let mut first = true;
        for octet in self.0 {
            // An arc beyond 121 bits is nonsense, but must be shown all the same.
            if arc >> 121 != 0 {
                let dot = if first { "" } else { "." };
                return out.push_str(&format!("{dot}[{}]", crate::text::hex(self.0)));
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
                push_arc(root, out);
                arc -= root * 40;
                first = false;
            }
            out.push('.');
            push_arc(arc, out);
            arc = 0;
        }
    }
}

/// Numbers of 128 bits are slow to write, and nearly none is.
fn push_arc(arc: u128, out: &mut String) {
    match u64::try_from(arc) {
        Ok(arc) => crate::text::push_number(arc, out),
        Err(_) => out.push_str(&arc.to_string()),
    }
}

impl fmt::Display for Oid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.numbers())
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
    Some(match oid.0 {
        // 2.5.4: X.520
        [85, 4, rest @ ..] => match rest {
            [3] => "CN",
            [4] => "SN",
            [5] => "serialNumber",
            [6] => "C",
            [7] => "L",
            [8] => "ST",
            [9] => "street",
            [10] => "O",
            [11] => "OU",
            [12] => "title",
            [13] => "description",
            [15] => "businessCategory",
            [16] => "postalAddress",
            [17] => "postalCode",
            [20] => "telephoneNumber",
            [41] => "name",
            [42] => "GN",
            [43] => "initials",
            [44] => "generationQualifier",
            [45] => "x500UniqueIdentifier",
            [46] => "dnQualifier",
            [65] => "pseudonym",
            [97] => "organizationIdentifier",
            _ => return None,
        },
        // 0.9.2342.19200300.100.1: RFC 4524
        [9, 0x92, 38, 0x89, 0x93, 0xf2, 44, 100, 1, rest @ ..] => match rest {
            [1] => "UID",
            [25] => "DC",
            _ => return None,
        },
        // 1.3.6.1.4.1.311: Microsoft
        [43, 6, 1, 4, 1, 0x82, 55, rest @ ..] => match rest {
            [60, 2, 1, 1] => "jurisdictionL",
            [60, 2, 1, 2] => "jurisdictionST",
            [60, 2, 1, 3] => "jurisdictionC",
            _ => return None,
        },
        // 1.2.840.113549.1.9: PKCS#9
        [42, 0x86, 72, 0x86, 0xf7, 13, 1, 9, rest @ ..] => match rest {
            [1] => "emailAddress",
            [2] => "unstructuredName",
            [8] => "unstructuredAddress",
            _ => return None,
        },
        _ => return None,
    })
}

/// By the octets, since nearly every identifier that is shown is looked up here.
fn known_name(octets: &[u8]) -> Option<&'static str> {
    Some(match octets {
        // 2.5.29: RFC 5280
        [85, 29, rest @ ..] => match rest {
            [9] => "subjectDirectoryAttributes",
            [14] => "subjectKeyIdentifier",
            [15] => "keyUsage",
            [16] => "privateKeyUsagePeriod",
            [17] => "subjectAltName",
            [18] => "issuerAltName",
            [19] => "basicConstraints",
            [20] => "cRLNumber",
            [21] => "reasonCode",
            [23] => "holdInstructionCode",
            [24] => "invalidityDate",
            [27] => "deltaCRLIndicator",
            [28] => "issuingDistributionPoint",
            [29] => "certificateIssuer",
            [30] => "nameConstraints",
            [31] => "cRLDistributionPoints",
            [32] => "certificatePolicies",
            [32, 0] => "anyPolicy",
            [33] => "policyMappings",
            [35] => "authorityKeyIdentifier",
            [36] => "policyConstraints",
            [37] => "extendedKeyUsage",
            [37, 0] => "anyExtendedKeyUsage",
            [46] => "freshestCRL",
            [54] => "inhibitAnyPolicy",
            _ => return None,
        },
        // 1.3.6.1.5.5.7: PKIX
        [43, 6, 1, 5, 5, 7, rest @ ..] => match rest {
            [1, 1] => "authorityInfoAccess",
            [1, 3] => "qcStatements",
            [1, 11] => "subjectInfoAccess",
            [1, 24] => "tlsFeature",
            [48, 1, 5] => "ocspNoCheck",
            [3, 1] => "serverAuth",
            [3, 2] => "clientAuth",
            [3, 3] => "codeSigning",
            [3, 4] => "emailProtection",
            [3, 5] => "ipsecEndSystem",
            [3, 6] => "ipsecTunnel",
            [3, 7] => "ipsecUser",
            [3, 8] => "timeStamping",
            [3, 9] => "OCSPSigning",
            [3, 17] => "ipsecIKE",
            [48, 1] => "OCSP",
            [48, 2] => "caIssuers",
            [48, 3] => "timeStamping",
            [48, 5] => "caRepository",
            [2, 1] => "cps",
            [2, 2] => "userNotice",
            [8, 9] => "smtpUTF8Mailbox",
            [8, 7] => "dnsSRV",
            [8, 5] => "xmppAddr",
            _ => return None,
        },
        // 1.3.6.1.4.1.311: Microsoft
        [43, 6, 1, 4, 1, 0x82, 55, rest @ ..] => match rest {
            [10, 3, 3] => "msSGC",
            [10, 3, 4] => "msEFS",
            [20, 2, 2] => "msSmartcardLogin",
            [17, 1] => "msKeyProviderName",
            [17, 2] => "msLocalMachineKeyset",
            [20, 2, 3] => "userPrincipalName",
            _ => return None,
        },
        // 1.3.6.1.4.1.11129.2.4: RFC 6962
        [43, 6, 1, 4, 1, 0xd6, 121, 2, 4, rest @ ..] => match rest {
            [2] => "signedCertificateTimestamps",
            [3] => "precertificatePoison",
            _ => return None,
        },
        // 2.16.840.1.113730: Netscape
        [96, 0x86, 72, 1, 0x86, 0xf8, 66, rest @ ..] => match rest {
            [1, 1] => "netscapeCertType",
            [1, 2] => "netscapeBaseUrl",
            [1, 3] => "netscapeRevocationUrl",
            [1, 4] => "netscapeCaRevocationUrl",
            [1, 7] => "netscapeRenewalUrl",
            [1, 8] => "netscapeCaPolicyUrl",
            [1, 12] => "netscapeSslServerName",
            [1, 13] => "netscapeComment",
            [4, 1] => "nsSGC",
            _ => return None,
        },
        // 2.23.140.1: policies of the public web (CA/Browser Forum)
        [103, 0x81, 12, 1, rest @ ..] => match rest {
            [1] => "extended-validation",
            [2, 1] => "domain-validated",
            [2, 2] => "organization-validated",
            [2, 3] => "individual-validated",
            _ => return None,
        },
        // 1.2.840.113549.1.1: PKCS#1
        [42, 0x86, 72, 0x86, 0xf7, 13, 1, 1, rest @ ..] => match rest {
            [1] => "rsaEncryption",
            [2] => "md2WithRSAEncryption",
            [4] => "md5WithRSAEncryption",
            [5] => "sha1WithRSAEncryption",
            [7] => "RSAES-OAEP",
            [8] => "MGF1",
            [10] => "RSASSA-PSS",
            [11] => "sha256WithRSAEncryption",
            [12] => "sha384WithRSAEncryption",
            [13] => "sha512WithRSAEncryption",
            [14] => "sha224WithRSAEncryption",
            _ => return None,
        },
        // 1.2.840.113549.1.5: PKCS#5
        [42, 0x86, 72, 0x86, 0xf7, 13, 1, 5, rest @ ..] => match rest {
            [3] => "PBES1 with MD5 and DES",
            [10] => "PBES1 with SHA-1 and DES",
            [12] => "PBKDF2",
            [13] => "PBES2",
            [14] => "PBMAC1",
            _ => return None,
        },
        // 1.2.840.113549.1.7: PKCS#7
        [42, 0x86, 72, 0x86, 0xf7, 13, 1, 7, rest @ ..] => match rest {
            [1] => "PKCS#7 data",
            [2] => "PKCS#7 signedData",
            [3] => "PKCS#7 envelopedData",
            [6] => "PKCS#7 encryptedData",
            _ => return None,
        },
        // 1.2.840.113549.1.9: PKCS#9
        [42, 0x86, 72, 0x86, 0xf7, 13, 1, 9, rest @ ..] => match rest {
            [7] => "challengePassword",
            [2] => "unstructuredName",
            [14] => "extensionRequest",
            [20] => "friendlyName",
            [21] => "localKeyId",
            [22, 1] => "x509Certificate",
            [22, 2] => "sdsiCertificate",
            [23, 1] => "x509Crl",
            _ => return None,
        },
        // 1.2.840.113549.1.12: PKCS#12
        [42, 0x86, 72, 0x86, 0xf7, 13, 1, 12, rest @ ..] => match rest {
            [1, 1] => "PKCS#12 PBE with SHA-1 and RC4-128",
            [1, 2] => "PKCS#12 PBE with SHA-1 and RC4-40",
            [1, 3] => "PKCS#12 PBE with SHA-1 and 3DES",
            [1, 4] => "PKCS#12 PBE with SHA-1 and 2-key 3DES",
            [1, 5] => "PKCS#12 PBE with SHA-1 and RC2-128",
            [1, 6] => "PKCS#12 PBE with SHA-1 and RC2-40",
            [10, 1, 1] => "keyBag",
            [10, 1, 2] => "pkcs8ShroudedKeyBag",
            [10, 1, 3] => "certBag",
            [10, 1, 4] => "crlBag",
            [10, 1, 5] => "secretBag",
            [10, 1, 6] => "safeContentsBag",
            _ => return None,
        },
        // 1.2.840.113549: RSA Data Security
        [42, 0x86, 72, 0x86, 0xf7, 13, rest @ ..] => match rest {
            [1, 3, 1] => "dhKeyAgreement",
            [2, 5] => "MD5",
            [2, 7] => "HMAC-SHA1",
            [2, 9] => "HMAC-SHA256",
            [2, 10] => "HMAC-SHA384",
            [2, 11] => "HMAC-SHA512",
            [3, 7] => "3DES-CBC",
            [2, 8] => "HMAC-SHA224",
            _ => return None,
        },
        // 1.2.840.10040.4: X9.57
        [42, 0x86, 72, 0xce, 56, 4, rest @ ..] => match rest {
            [1] => "dsa",
            [3] => "dsa-with-SHA1",
            _ => return None,
        },
        // 1.2.840.10045: X9.62
        [42, 0x86, 72, 0xce, 61, rest @ ..] => match rest {
            [2, 1] => "ecPublicKey",
            [3, 1, 1] => "P-192",
            [3, 1, 7] => "P-256",
            [4, 1] => "ecdsa-with-SHA1",
            [4, 3, 1] => "ecdsa-with-SHA224",
            [4, 3, 2] => "ecdsa-with-SHA256",
            [4, 3, 3] => "ecdsa-with-SHA384",
            [4, 3, 4] => "ecdsa-with-SHA512",
            _ => return None,
        },
        // 1.3.101: RFC 8410
        [43, 101, rest @ ..] => match rest {
            [110] => "X25519",
            [111] => "X448",
            [112] => "Ed25519",
            [113] => "Ed448",
            _ => return None,
        },
        // 1.3.132: SEC 2
        [43, 0x81, 4, rest @ ..] => match rest {
            [1, 12] => "ecDH",
            [0, 33] => "P-224",
            [0, 34] => "P-384",
            [0, 35] => "P-521",
            [0, 10] => "secp256k1",
            _ => return None,
        },
        // 1.3.36.3.3.2.8.1.1: RFC 5639
        [43, 36, 3, 3, 2, 8, 1, 1, rest @ ..] => match rest {
            [7] => "brainpoolP256r1",
            [11] => "brainpoolP384r1",
            [13] => "brainpoolP512r1",
            _ => return None,
        },
        // 2.16.840.1.101.3.4: NIST
        [96, 0x86, 72, 1, 101, 3, 4, rest @ ..] => match rest {
            [3, 17] => "ML-DSA-44",
            [3, 18] => "ML-DSA-65",
            [3, 19] => "ML-DSA-87",
            [3, 1] => "dsa-with-SHA224",
            [3, 2] => "dsa-with-SHA256",
            [2, 4] => "SHA-224",
            [2, 1] => "SHA-256",
            [2, 2] => "SHA-384",
            [2, 3] => "SHA-512",
            [1, 2] => "AES-128-CBC",
            [1, 22] => "AES-192-CBC",
            [1, 42] => "AES-256-CBC",
            [1, 46] => "AES-256-GCM",
            _ => return None,
        },
        // 1.2.840.10046.2.1
        [42, 0x86, 72, 0xce, 62, 2, 1] => "dhPublicNumber",
        // 1.2.156.10197.1.301
        [42, 0x81, 28, 0xcf, 85, 1, 0x82, 45] => "SM2",
        // 1.3.14.3.2.26
        [43, 14, 3, 2, 26] => "SHA-1",
        // 1.3.6.1.4.1.11591.4.11
        [43, 6, 1, 4, 1, 0xda, 71, 4, 11] => "scrypt",
        // 2.16.840.1.113894.746875.1.1
        [96, 0x86, 72, 1, 0x86, 0xf9, 102, 0xad, 0xca, 123, 1, 1] => "javaTrustedKeyUsage",
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
