//! Certificates of a test's own: a CA that lives for one test, and folders as a service reads them.
//!
//! Included by path into the tests that start servers, so that no crate is made for one file. Nothing here is an example
//! of how to run a CA.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};

/// A CA, and the folder for what it issues.
pub(crate) struct Certificates {
    folder: PathBuf,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Certificates {
    pub(crate) fn new(folder: &Path) -> Result<Self, Box<dyn Error>> {
        let mut params = params("A test's CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Ok(Self {
            folder: folder.to_owned(),
            issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)?,
        })
    }

    /// A folder with `tls.crt`, `tls.key` and `ca.crt` for the service of that name on the loopback address.
    pub(crate) fn issue(&self, name: &str) -> Result<PathBuf, Box<dyn Error>> {
        let mut params = params(&format!("{name}.microservices.dev"));
        params.subject_alt_names = vec![
            SanType::URI(format!("spiffe://microservices.dev/{name}").try_into()?),
            SanType::DnsName("localhost".try_into()?),
            SanType::IpAddress([127, 0, 0, 1].into()),
        ];
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;

        let folder = self.folder.join(name);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("tls.crt"), certificate.pem())?;
        fs::write(folder.join("tls.key"), key.serialize_pem())?;
        fs::write(folder.join("ca.crt"), self.issuer.pem())?;
        restrict(&folder.join("tls.key"))?;
        Ok(folder)
    }
}

/// Valid from yesterday to tomorrow, with a serial of its own.
fn params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    let now = time::OffsetDateTime::now_utc();
    params.not_before = now - time::Duration::DAY;
    params.not_after = now + time::Duration::DAY;
    params.serial_number = Some(SerialNumber::from(fastrand::u64(1..=u64::from(u32::MAX))));
    params
}

#[cfg(unix)]
fn restrict(key: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(key, fs::Permissions::from_mode(0o600))
}
