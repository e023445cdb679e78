//! A little house: a hierarchy that everybody in it trusts, and a folder for each of its services.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use mtls::{ClientTls, Connector, Material, ServerTls};
use tempfile::TempDir;
use time::OffsetDateTime;

use crate::test_pki::{EndEntity, Issued, TestCa, now};

/// A root, an issuing CA below it, and folders.
pub struct House {
    /// Trusted by every folder of the house.
    pub root: TestCa,
    /// Issues every certificate of the house.
    pub ca: TestCa,
    folder: TempDir,
}

impl House {
    /// Without any service yet.
    pub fn new() -> Result<Self> {
        let root = TestCa::root("House root CA")?;
        let ca = root.intermediate("House issuing CA")?;
        let folder = TempDir::new()?;
        Ok(Self { root, ca, folder })
    }

    /// The folder of a service.
    #[must_use]
    pub fn dir(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A folder that trusts the house, proven as of now.
    pub fn material(&self, name: &str, issued: &Issued) -> Result<Material> {
        self.hostile(name, issued, &[], now())
    }

    /// A folder that trusts the house and `anchors`, proven as of `at`: a side that believes in itself and should not
    /// be believed.
    pub fn hostile(
        &self,
        name: &str,
        issued: &Issued,
        anchors: &[&TestCa],
        at: OffsetDateTime,
    ) -> Result<Material> {
        let anchors: Vec<&TestCa> = anchors.iter().copied().chain([&self.root]).collect();
        issued.write(&self.dir(name), &anchors)?;
        Ok(Material::load_at(&self.dir(name), at.into())?)
    }

    /// The server's side of a service.
    pub fn server(&self, name: &str) -> Result<ServerTls> {
        Ok(ServerTls::new(&self.material(
            name,
            &self.ca.issue(&EndEntity::peer(name))?,
        )?)?)
    }

    /// A server whose certificate is for `*.microservices.dev` and nothing else.
    pub fn wildcard_server(&self) -> Result<ServerTls> {
        let wildcard = EndEntity::peer("payment").hosts(&["*.microservices.dev"], &[]);
        Ok(ServerTls::new(
            &self.material("payment", &self.ca.issue(&wildcard)?)?,
        )?)
    }

    /// The client's side of a service.
    pub fn client(&self, name: &str) -> Result<Connector> {
        let material = self.material(name, &self.ca.issue(&EndEntity::peer(name))?)?;
        Ok(Connector::new(ClientTls::new(&material)?))
    }

    /// A client that trusts the house and has no certificate.
    pub fn client_without_certificate(&self) -> Result<Connector> {
        let file = self.folder.path().join("trusted.crt");
        fs::write(&file, self.root.pem())?;
        Ok(Connector::new(ClientTls::without_certificate(&file)?))
    }
}
