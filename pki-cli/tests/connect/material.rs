//! Certificates for servers and clients, also those that `pki` refuses to make: expired ones, hostile names.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SerialNumber,
};
use rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer, pem::PemObject,
};
use time::{Duration, OffsetDateTime};

use crate::support::Home;

/// A root, or an intermediate.
pub(crate) struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    above: String,
}

impl Ca {
    pub(crate) fn root(name: &str) -> Self {
        Self::root_with(name, |_| {})
    }

    pub(crate) fn root_with(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let (mut params, key) = (ca(name), key());
        change(&mut params);
        let pem = params.self_signed(&key).expect("signed").pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
            above: String::new(),
        }
    }

    pub(crate) fn intermediate(&self, name: &str) -> Self {
        self.intermediate_with(name, |_| {})
    }

    pub(crate) fn intermediate_with(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Self {
        let (mut params, key) = (ca(name), key());
        change(&mut params);
        let pem = params.signed_by(&key, &self.issuer).expect("signed").pem();
        Self {
            issuer: Issuer::new(params, key),
            above: format!("{pem}{}", self.above),
            pem,
        }
    }

    /// An intermediate, and so many certificates of its name and key.
    pub(crate) fn certified_often(
        &self,
        name: &str,
        count: usize,
        change: impl Fn(&mut CertificateParams),
    ) -> (Self, String) {
        let (mut params, key) = (ca(name), key());
        change(&mut params);
        let certificate = || params.signed_by(&key, &self.issuer).expect("signed").pem();
        let pem: String = (0..count).map(|_| certificate()).collect();
        let one = Self {
            pem: certificate(),
            above: String::new(),
            issuer: Issuer::new(params, key),
        };
        (one, pem)
    }

    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// An end entity for localhost and both its addresses, valid from yesterday on, for a server and a client.
    pub(crate) fn peer(&self, name: &str) -> Pair {
        self.issue(name, |_| {})
    }

    pub(crate) fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let mut params = CertificateParams::new(vec![
            "localhost".to_owned(),
            "127.0.0.1".to_owned(),
            "::1".to_owned(),
        ])
        .expect("names");
        params.distinguished_name = named(name);
        params.not_before = days(-1);
        params.not_after = days(30);
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        change(&mut params);
        let key = key();
        Pair {
            leaf: params.signed_by(&key, &self.issuer).expect("signed").pem(),
            above: self.above.clone(),
            key: key.serialize_pem(),
        }
    }

    /// A CRL with these serial numbers.
    pub(crate) fn revoke(&self, serials: &[u64]) -> String {
        let list = CertificateRevocationListParams {
            this_update: days(-1),
            next_update: days(10),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: serials
                .iter()
                .map(|serial| RevokedCertParams {
                    serial_number: SerialNumber::from(*serial),
                    revocation_time: days(-1),
                    reason_code: None,
                    invalidity_date: None,
                })
                .collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.issuer).expect("signed");
        list.pem().expect("PEM")
    }
}

/// A certificate, what stands above it, and its key.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) leaf: String,
    pub(crate) above: String,
    pub(crate) key: String,
}

impl Pair {
    pub(crate) fn chain_pem(&self) -> String {
        format!("{}{}", self.leaf, self.above)
    }

    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        certificates(&self.chain_pem())
    }

    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("a key")
    }

    /// Writes the folder of an identity, which trusts `anchor`.
    pub(crate) fn write(&self, home: &Home, folder: &str, anchor: &Ca) -> PathBuf {
        let path = home.path(folder);
        std::fs::create_dir_all(&path).expect("a folder");
        let write = |name: &str, text: &str| {
            std::fs::write(Path::new(&path).join(name), text).expect("written");
        };
        write("tls.crt", &self.chain_pem());
        write("tls.key", &self.key);
        write("ca.crt", anchor.pem());
        path
    }
}

pub(crate) fn certificates(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .expect("certificates")
}

pub(crate) fn crls(pem: &str) -> Vec<CertificateRevocationListDer<'static>> {
    CertificateRevocationListDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .expect("CRLs")
}

pub(crate) fn days(count: i64) -> OffsetDateTime {
    OffsetDateTime::now_utc() + Duration::days(count)
}

fn ca(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(name);
    params.not_before = days(-100);
    params.not_after = days(1000);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

pub(crate) fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}
