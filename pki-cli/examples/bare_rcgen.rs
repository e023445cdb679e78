//! The yardstick of bulk issuing: rcgen in a loop that writes the same files as `pki apply`, and nothing more. No index,
//! no validation, no file made durable, no replacement of what is there.
//!
//! `bare_rcgen FOLDER LEAVES THREADS` makes a root and an issuing CA in memory, then FOLDER/NAME/{tls.crt,tls.key,ca.crt}
//! for each leaf, each with a new P-256 key, the names that `pki-cli/benches/peers.py` writes into the manifest, and the
//! extensions that `pki` gives.

use std::{error::Error, fs, os::unix::fs::OpenOptionsExt, path::Path, sync::atomic::AtomicUsize};
use std::{io::Write, sync::atomic::Ordering::Relaxed};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, SerialNumber,
};

type Failure = Box<dyn Error + Send + Sync>;

fn authority(name: &str, path_length: u8) -> Result<(CertificateParams, KeyPair), Failure> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_length));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok((params, KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?))
}

fn leaf(
    folder: &Path,
    number: usize,
    issuer: &Issuer<'_, KeyPair>,
    above: &str,
    anchor: &str,
) -> Result<(), Failure> {
    let name = format!("leaf-{number:05}");
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, &*name);
    params.subject_alt_names = vec![SanType::DnsName(format!("{name}.example.org").try_into()?)];
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let mut serial = [0; 20];
    aws_lc_rs::rand::fill(&mut serial).map_err(|_| "no randomness")?;
    serial[0] &= 0x7f;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    let certificate = params.signed_by(&key, issuer)?;

    let folder = folder.join(&name);
    fs::create_dir(&folder)?;
    fs::write(folder.join("tls.crt"), certificate.pem() + above)?;
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(folder.join("tls.key"))?
        .write_all(key.serialize_pem().as_bytes())?;
    fs::write(folder.join("ca.crt"), anchor)?;
    Ok(())
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [folder, leaves, threads] = &arguments[..] else {
        return Err("usage: bare_rcgen FOLDER LEAVES THREADS".into());
    };
    let (folder, leaves, threads) = (Path::new(folder), leaves.parse()?, threads.parse()?);
    fs::create_dir_all(folder)?;
    let (root, root_key) = authority("Root CA", 1)?;
    let anchor = root.self_signed(&root_key)?.pem();
    let (mut issuing, key) = authority("Issuing CA", 0)?;
    issuing.use_authority_key_identifier_extension = true;
    let above = issuing.signed_by(&key, &Issuer::new(root, root_key))?.pem();
    let issuer = Issuer::new(issuing, key);
    let next = AtomicUsize::new(0);
    let work = || -> Result<(), Failure> {
        loop {
            let number = next.fetch_add(1, Relaxed);
            if number >= leaves {
                return Ok(());
            }
            leaf(folder, number, &issuer, &above, &anchor)?;
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().map_err(|_| "a thread failed")?)
    })
}
