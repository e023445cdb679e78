//! Certificates for tests, hostile ones above all: any dates, any names, any purposes, chains that are incomplete,
//! certificates that sign themselves. Library `pki` refuses to make these, rightly, so they are made here.
//!
//! Every certificate that this file makes is P-256, so that a test costs milliseconds.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::SystemTime;

use anyhow::Result;
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SanType, SerialNumber,
};
use time::{Duration, OffsetDateTime};

/// A CA: the root, or one that a root issued.
pub struct TestCa {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
    /// What stands below the certificates that it issues in `tls.crt`: itself, unless it is a root.
    intermediates: String,
}

impl TestCa {
    /// A root that has been valid for longer than any certificate of a test.
    pub fn root(name: &str) -> Result<Self> {
        Self::root_valid(name, days(-400), days(4000))
    }

    /// A root that is valid from one moment to another.
    pub fn root_valid(
        name: &str,
        not_before: OffsetDateTime,
        not_after: OffsetDateTime,
    ) -> Result<Self> {
        let params = ca_params(name, not_before, not_after);
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.pem();
        Ok(Self {
            issuer: Issuer::new(params, key),
            certificate,
            intermediates: String::new(),
        })
    }

    /// An intermediate below this CA.
    pub fn intermediate(&self, name: &str) -> Result<Self> {
        self.intermediate_with(name, |_| {})
    }

    /// An intermediate, and what `change` makes of it.
    pub fn intermediate_with(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Result<Self> {
        let mut params = ca_params(name, days(-400), days(2000));
        change(&mut params);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        let intermediates = format!("{certificate}{}", self.intermediates);
        Ok(Self {
            issuer: Issuer::new(params, key),
            certificate,
            intermediates,
        })
    }

    /// Issues what is asked, whatever it is.
    pub fn issue(&self, ask: &EndEntity) -> Result<Issued> {
        let key = KeyPair::generate()?;
        let certificate = ask.params()?.signed_by(&key, &self.issuer)?.pem();
        Ok(Issued {
            certificate,
            intermediates: self.intermediates.clone(),
            key: key.serialize_pem(),
            trusted: Vec::new(),
        })
    }

    /// A revocation list with these serial numbers.
    pub fn revoke(&self, serials: &[u64], next_update: OffsetDateTime) -> Result<String> {
        let list = CertificateRevocationListParams {
            // Before the noon two days ago at which one of them ends, whatever the time of day.
            this_update: days(-3),
            next_update,
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: serials
                .iter()
                .map(|serial| RevokedCertParams {
                    serial_number: SerialNumber::from(*serial),
                    revocation_time: days(-3),
                    reason_code: None,
                    invalidity_date: None,
                })
                .collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(list.signed_by(&self.issuer)?.pem()?)
    }

    /// What an end entity would be if its certificate were taken for a CA's: it issues with its own key under its own
    /// name. The certificate must be self-signed and `end_entity` what it was made of.
    pub fn usurped(end_entity: &EndEntity, issued: &Issued) -> Result<Self> {
        let key = KeyPair::from_pem(&issued.key)?;
        Ok(Self {
            issuer: Issuer::new(end_entity.params()?, key),
            certificate: issued.certificate.clone(),
            intermediates: String::new(),
        })
    }

    /// Its own certificate in PEM.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.certificate
    }
}

/// What a certificate is to say.
#[derive(Clone, Debug)]
pub struct EndEntity {
    /// The common name of the subject.
    pub name: String,
    /// The first second.
    pub not_before: OffsetDateTime,
    /// The last second.
    pub not_after: OffsetDateTime,
    /// The DNS names.
    pub dns: Vec<String>,
    /// The IP addresses.
    pub ip: Vec<IpAddr>,
    /// The URIs.
    pub uri: Vec<String>,
    /// The purposes; none leaves the extension out.
    pub purposes: Vec<ExtendedKeyUsagePurpose>,
    /// The serial number; random when there is none.
    pub serial: Option<u64>,
}

impl EndEntity {
    /// A certificate for a service that is called and calls, as the house's manifest asks for: `NAME.microservices.dev`,
    /// `localhost`, both loopback addresses, and a SPIFFE ID.
    #[must_use]
    pub fn peer(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            not_before: days(-1),
            not_after: days(60),
            dns: vec![format!("{name}.microservices.dev"), "localhost".to_owned()],
            ip: vec![
                IpAddr::from([127, 0, 0, 1]),
                IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
            ],
            uri: vec![format!("spiffe://microservices.dev/{name}")],
            purposes: vec![
                ExtendedKeyUsagePurpose::ServerAuth,
                ExtendedKeyUsagePurpose::ClientAuth,
            ],
            serial: None,
        }
    }

    /// The same, for servers only.
    #[must_use]
    pub fn server(name: &str) -> Self {
        Self {
            purposes: vec![ExtendedKeyUsagePurpose::ServerAuth],
            ..Self::peer(name)
        }
    }

    /// The same, for clients only.
    #[must_use]
    pub fn client(name: &str) -> Self {
        Self {
            purposes: vec![ExtendedKeyUsagePurpose::ClientAuth],
            ..Self::peer(name)
        }
    }

    /// Valid from and until.
    #[must_use]
    pub fn valid(self, not_before: OffsetDateTime, not_after: OffsetDateTime) -> Self {
        Self {
            not_before,
            not_after,
            ..self
        }
    }

    /// With these names for hosts and no others.
    #[must_use]
    pub fn hosts(self, dns: &[&str], ip: &[IpAddr]) -> Self {
        Self {
            dns: dns.iter().map(|name| (*name).to_owned()).collect(),
            ip: ip.to_vec(),
            ..self
        }
    }

    /// With these URIs and no others.
    #[must_use]
    pub fn uris(self, uri: &[&str]) -> Self {
        Self {
            uri: uri.iter().map(|uri| (*uri).to_owned()).collect(),
            ..self
        }
    }

    /// With this serial number, so that it can be revoked.
    #[must_use]
    pub fn serial(self, serial: u64) -> Self {
        Self {
            serial: Some(serial),
            ..self
        }
    }

    /// Signed by its own key.
    pub fn self_signed(&self) -> Result<Issued> {
        let key = KeyPair::generate()?;
        let certificate = self.params()?.self_signed(&key)?.pem();
        Ok(Issued {
            certificate: certificate.clone(),
            intermediates: String::new(),
            key: key.serialize_pem(),
            trusted: vec![certificate],
        })
    }

    fn params(&self) -> Result<CertificateParams> {
        let mut params = CertificateParams::default();
        params.distinguished_name = distinguished_name(&self.name);
        params.not_before = self.not_before;
        params.not_after = self.not_after;
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages.clone_from(&self.purposes);
        params.serial_number = self.serial.map(SerialNumber::from);
        for name in &self.dns {
            let name = SanType::DnsName(Ia5String::try_from(name.as_str())?);
            params.subject_alt_names.push(name);
        }
        for uri in &self.uri {
            let uri = SanType::URI(Ia5String::try_from(uri.as_str())?);
            params.subject_alt_names.push(uri);
        }
        let addresses = self.ip.iter().copied().map(SanType::IpAddress);
        params.subject_alt_names.extend(addresses);
        Ok(params)
    }
}

/// A certificate with its key, on the way to a folder.
#[derive(Clone, Debug)]
pub struct Issued {
    certificate: String,
    intermediates: String,
    key: String,
    /// What goes into `ca.crt` besides what the caller names.
    trusted: Vec<String>,
}

impl Issued {
    /// Leaves the intermediates out of `tls.crt`.
    #[must_use]
    pub fn without_intermediates(self) -> Self {
        Self {
            intermediates: String::new(),
            ..self
        }
    }

    /// Takes the key of another certificate.
    #[must_use]
    pub fn with_key_of(self, other: &Self) -> Self {
        Self {
            key: other.key.clone(),
            ..self
        }
    }

    /// `tls.crt`: the end entity first.
    #[must_use]
    pub fn chain_pem(&self) -> String {
        format!("{}{}", self.certificate, self.intermediates)
    }

    /// `tls.key`.
    #[must_use]
    pub fn key_pem(&self) -> &str {
        &self.key
    }

    /// Writes `tls.crt`, `tls.key` and `ca.crt`, which trusts `anchors`.
    pub fn write(&self, dir: &Path, anchors: &[&TestCa]) -> Result<()> {
        fs::create_dir_all(dir)?;
        fs::write(dir.join("tls.crt"), self.chain_pem())?;
        fs::write(dir.join("tls.key"), &self.key)?;
        let mut trusted = self.trusted.concat();
        for anchor in anchors {
            trusted.push_str(anchor.pem());
        }
        fs::write(dir.join("ca.crt"), trusted)?;
        Ok(())
    }
}

/// This moment.
#[must_use]
pub fn now() -> OffsetDateTime {
    OffsetDateTime::from(SystemTime::now())
}

/// Noon, so many days from today: a moment without fractions of a second, which a certificate cannot carry.
#[must_use]
pub fn noon(count: i64) -> OffsetDateTime {
    days(count).replace_time(time::macros::time!(12:00))
}

/// So many days from now.
#[must_use]
pub fn days(count: i64) -> OffsetDateTime {
    now() + Duration::days(count)
}

fn ca_params(
    name: &str,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished_name(name);
    params.not_before = not_before;
    params.not_after = not_after;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn distinguished_name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}
