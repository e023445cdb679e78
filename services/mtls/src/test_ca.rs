//! A CA for the unit tests of this crate: a root, and whatever it is asked to issue.

use std::error::Error;
use std::time::SystemTime;

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SanType, SerialNumber, SigningKey,
};
use time::{Duration, OffsetDateTime};

pub(crate) type TestResult<T = ()> = Result<T, Box<dyn Error>>;

pub(crate) struct TestCa {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

impl TestCa {
    pub(crate) fn new(not_before: OffsetDateTime, not_after: OffsetDateTime) -> TestResult<Self> {
        Self::named("Test root", not_before, not_after)
    }

    pub(crate) fn named(
        name: &str,
        not_before: OffsetDateTime,
        not_after: OffsetDateTime,
    ) -> TestResult<Self> {
        Self::with(name, |params| {
            params.not_before = not_before;
            params.not_after = not_after;
        })
    }

    /// A root, and what `change` makes of it, which need not be a root's.
    pub(crate) fn with(
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> TestResult<Self> {
        let mut params = params(name, days(-400), days(400));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        change(&mut params);
        let key = KeyPair::generate()?;
        let pem = params.self_signed(&key)?.pem();
        Ok(Self {
            issuer: Issuer::new(params, key),
            pem,
        })
    }

    /// A certificate for servers and clients, and what `change` makes of it.
    pub(crate) fn issue(
        &self,
        key: &KeyPair,
        change: impl FnOnce(&mut CertificateParams),
    ) -> TestResult<String> {
        let mut params = params("order", days(-1), days(60));
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(SerialNumber::from(7_u64));
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.subject_alt_names = vec![
            SanType::URI(Ia5String::try_from("spiffe://microservices.dev/order")?),
            SanType::DnsName(Ia5String::try_from("order.microservices.dev")?),
        ];
        change(&mut params);
        Ok(params.signed_by(key, &self.issuer)?.pem())
    }

    pub(crate) fn revoke(
        &self,
        serials: &[u64],
        next_update: OffsetDateTime,
    ) -> TestResult<String> {
        revocation_list(&self.issuer, serials, next_update)
    }
}

pub(crate) fn days(count: i64) -> OffsetDateTime {
    OffsetDateTime::from(SystemTime::now()) + Duration::days(count)
}

fn params(
    common_name: &str,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.not_before = not_before;
    params.not_after = not_after;
    params
}

fn revocation_list(
    issuer: &Issuer<'_, impl SigningKey>,
    serials: &[u64],
    next_update: OffsetDateTime,
) -> TestResult<String> {
    let revoked_certs = serials
        .iter()
        .map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: days(-2),
            reason_code: None,
            invalidity_date: None,
        })
        .collect();
    let list = CertificateRevocationListParams {
        this_update: days(-2),
        next_update,
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: None,
        revoked_certs,
        key_identifier_method: KeyIdMethod::Sha256,
    };
    Ok(list.signed_by(issuer)?.pem()?)
}
