//! Every way in which a folder can be wrong, and the sentence that says so.

use std::fs;

use rcgen::{
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P384_SHA384, PKCS_ED25519,
    PKCS_RSA_SHA256,
};
use tempfile::TempDir;

use super::*;
use crate::certificate_problem::rfc3339;
use crate::test_ca::{TestCa, TestResult, days};

/// A folder that is good until a test changes a file of it.
struct Folder {
    dir: TempDir,
    ca: TestCa,
    key: KeyPair,
}

impl Folder {
    fn new() -> TestResult<Self> {
        let folder = Self {
            dir: TempDir::new()?,
            ca: TestCa::new(days(-400), days(400))?,
            key: KeyPair::generate()?,
        };
        let certificate = folder.ca.issue(&folder.key, |_| {})?;
        folder.write(CERTIFICATE_FILE, &certificate)?;
        folder.write(KEY_FILE, &folder.key.serialize_pem())?;
        folder.write(TRUST_FILE, &folder.ca.pem)?;
        Ok(folder)
    }

    fn write(&self, file: &str, text: &str) -> TestResult {
        Ok(fs::write(self.dir.path().join(file), text)?)
    }

    fn read(&self, file: &str) -> TestResult<String> {
        Ok(fs::read_to_string(self.dir.path().join(file))?)
    }

    fn load(&self) -> Result<Material, MaterialError> {
        Material::load(self.dir.path())
    }

    /// The sentence, with the folder's path left out.
    fn refusal(&self) -> String {
        let error = self.load().expect_err("the folder is used");
        error
            .to_string()
            .replace(&format!("{}/", self.dir.path().display()), "")
    }

    /// The sentence after the certificate was issued with a change.
    fn refusal_of(&self, change: impl FnOnce(&mut rcgen::CertificateParams)) -> TestResult<String> {
        self.write(CERTIFICATE_FILE, &self.ca.issue(&self.key, change)?)?;
        Ok(self.refusal())
    }
}

#[test]
fn a_good_folder_gives_its_identity_and_keeps_its_key_to_itself() -> TestResult {
    let folder = Folder::new()?;
    let material = folder.load()?;
    assert_eq!(
        material.identity().to_string(),
        "spiffe://microservices.dev/order"
    );
    assert!(material.is_for_servers() && material.is_for_clients());
    assert!(!material.checks_revocation());
    let shown = format!("{material:?}");
    assert!(shown.contains("key: \"elided\""), "{shown}");
    Ok(())
}

#[test]
fn each_kind_of_key_is_taken() -> TestResult {
    for algorithm in [&PKCS_ECDSA_P384_SHA384, &PKCS_ED25519, &PKCS_RSA_SHA256] {
        let mut folder = Folder::new()?;
        folder.key = KeyPair::generate_for(algorithm)?;
        folder.write(CERTIFICATE_FILE, &folder.ca.issue(&folder.key, |_| {})?)?;
        folder.write(KEY_FILE, &folder.key.serialize_pem())?;
        folder.load()?;
    }
    Ok(())
}

#[test]
fn the_purpose_of_the_certificate_is_known() -> TestResult {
    let folder = Folder::new()?;
    let only = |purpose| {
        let certificate = folder.ca.issue(&folder.key, |params| {
            params.extended_key_usages = vec![purpose]
        })?;
        folder.write(CERTIFICATE_FILE, &certificate)?;
        let material = folder.load()?;
        TestResult::Ok((material.is_for_servers(), material.is_for_clients()))
    };
    assert_eq!(only(ExtendedKeyUsagePurpose::ServerAuth)?, (true, false));
    assert_eq!(only(ExtendedKeyUsagePurpose::ClientAuth)?, (false, true));
    Ok(())
}

#[test]
fn a_missing_file_is_named() -> TestResult {
    for file in [CERTIFICATE_FILE, KEY_FILE, TRUST_FILE] {
        let folder = Folder::new()?;
        fs::remove_file(folder.dir.path().join(file))?;
        assert_eq!(
            folder.refusal(),
            format!(
                "cannot read {file}: No such file or directory (os error 2); a TLS folder holds tls.crt, tls.key and \
                 ca.crt, readable by this process"
            )
        );
    }
    Ok(())
}

#[test]
fn a_file_that_is_cut_off_is_not_pem() -> TestResult {
    for file in [CERTIFICATE_FILE, KEY_FILE, TRUST_FILE] {
        let folder = Folder::new()?;
        let whole = folder.read(file)?;
        folder.write(file, &whole[..whole.len() / 2])?;
        assert_eq!(
            folder.refusal(),
            format!("{file} is not PEM (RFC 7468), or is cut off: write it again")
        );
    }
    Ok(())
}

#[test]
fn a_file_with_nothing_of_its_kind_says_what_it_lacks() -> TestResult {
    for (file, what) in [
        (CERTIFICATE_FILE, "certificate"),
        (KEY_FILE, "private key"),
        (TRUST_FILE, "certificate"),
        (REVOCATION_FILE, "revocation list"),
    ] {
        let folder = Folder::new()?;
        folder.write(file, "")?;
        assert_eq!(
            folder.refusal(),
            format!("{file} holds no {what}: put one there, in PEM (RFC 7468)")
        );
    }
    Ok(())
}

#[test]
fn certificates_and_lists_that_cannot_be_read_are_counted() -> TestResult {
    let nonsense =
        |label: &str| format!("-----BEGIN {label}-----\nbm9uc2Vuc2U=\n-----END {label}-----\n");

    let folder = Folder::new()?;
    folder.write(CERTIFICATE_FILE, &nonsense("CERTIFICATE"))?;
    assert_eq!(
        folder.refusal(),
        "tls.crt cannot be used: it is not X.509 in DER; issue or fetch it again"
    );

    let folder = Folder::new()?;
    folder.write(
        TRUST_FILE,
        &(folder.ca.pem.clone() + &nonsense("CERTIFICATE")),
    )?;
    assert_eq!(
        folder.refusal(),
        "ca.crt cannot be used: its certificate number 2 is not X.509 in DER; issue or fetch it again"
    );

    let folder = Folder::new()?;
    folder.write(REVOCATION_FILE, &nonsense("X509 CRL"))?;
    let sentence = folder.refusal();
    assert!(
        sentence
            .starts_with("crl.pem cannot be used: its revocation list number 1 is not usable ("),
        "{sentence}"
    );
    Ok(())
}

#[test]
fn an_encrypted_key_is_recognised_in_both_forms() -> TestResult {
    let body = "bm9uc2Vuc2U=\n";
    for key in [
        format!(
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\n{body}-----END ENCRYPTED PRIVATE KEY-----\n"
        ),
        format!(
            "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n{body}-----END EC PRIVATE \
             KEY-----\n"
        ),
    ] {
        let folder = Folder::new()?;
        folder.write(KEY_FILE, &key)?;
        assert_eq!(
            folder.refusal(),
            "the private key in tls.key is encrypted, and no passphrase was given: decrypt it to a file that only this \
             service can read, for example with `openssl pkey`"
        );
    }
    Ok(())
}

#[test]
fn two_keys_are_one_too_many() -> TestResult {
    let folder = Folder::new()?;
    let both = folder.key.serialize_pem() + &KeyPair::generate()?.serialize_pem();
    folder.write(KEY_FILE, &both)?;
    assert_eq!(
        folder.refusal(),
        "tls.key holds 2 private keys: leave the one that belongs to tls.crt"
    );
    Ok(())
}

#[test]
fn a_damaged_key_is_told_from_a_wrong_one() -> TestResult {
    let folder = Folder::new()?;
    folder.write(
        KEY_FILE,
        "-----BEGIN PRIVATE KEY-----\nbm9uc2Vuc2U=\n-----END PRIVATE KEY-----\n",
    )?;
    assert_eq!(
        folder.refusal(),
        "the private key in tls.key cannot be used: it must be an undamaged RSA (2048 bits or more), ECDSA (P-256, P-384 \
         or P-521) or Ed25519 key"
    );

    folder.write(KEY_FILE, &KeyPair::generate()?.serialize_pem())?;
    assert_eq!(
        folder.refusal(),
        "the private key in tls.key does not belong to the certificate in tls.crt: put the two that were issued together \
         there, or issue a new pair"
    );
    Ok(())
}

#[test]
fn a_certificate_without_a_purpose_is_refused() -> TestResult {
    let expected = "the certificate in tls.crt is for neither servers nor clients: its extended key usage must have \
                    serverAuth, clientAuth or both; issue it again under a profile that sets them";
    let folder = Folder::new()?;
    assert_eq!(
        folder.refusal_of(|params| params.extended_key_usages.clear())?,
        expected
    );
    assert_eq!(
        folder.refusal_of(
            |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning]
        )?,
        expected
    );
    Ok(())
}

#[test]
fn a_certificate_outside_its_validity_is_refused_with_its_date() -> TestResult {
    let folder = Folder::new()?;
    let (past, future) = (whole_second(days(-2)), whole_second(days(2)));
    assert_eq!(
        folder.refusal_of(|params| {
            params.not_before = days(-30);
            params.not_after = past;
        })?,
        format!(
            "the certificate in tls.crt would be refused by every peer that trusts ca.crt: it expired at {}; renew it, or \
             check the clock of this machine",
            rfc3339(past)
        )
    );
    Material::load_at(folder.dir.path(), days(-10).into())?;
    assert_eq!(
        folder.refusal_of(|params| params.not_before = future)?,
        format!(
            "the certificate in tls.crt would be refused by every peer that trusts ca.crt: it is not valid before {}; check \
             the clock of this machine, or wait",
            rfc3339(future)
        )
    );
    Ok(())
}

#[test]
fn an_expired_certificate_for_clients_only_is_said_to_be_expired() -> TestResult {
    let folder = Folder::new()?;
    let sentence = folder.refusal_of(|params| {
        params.not_before = days(-30);
        params.not_after = days(-2);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    })?;
    assert!(sentence.contains("it expired at"), "{sentence}");
    Ok(())
}

#[test]
fn a_certificate_that_leads_to_no_anchor_is_refused() -> TestResult {
    let folder = Folder::new()?;
    for (other_ca, problem) in [
        (
            "Other root",
            "no chain leads from it to a trust anchor (unknown issuer); add the intermediates that are missing to \
             tls.crt, or the CA that issued it to ca.crt",
        ),
        (
            "Test root",
            "a signature of it or of its chain does not verify; put the CA that issued it into ca.crt: the one there has \
             its name and another key",
        ),
    ] {
        let other_ca = TestCa::named(other_ca, days(-400), days(400))?;
        folder.write(TRUST_FILE, &other_ca.pem)?;
        assert_eq!(
            folder.refusal(),
            format!(
                "the certificate in tls.crt would be refused by every peer that trusts ca.crt: {problem}"
            )
        );
    }
    Ok(())
}

#[test]
fn a_ca_certificate_in_front_is_refused() -> TestResult {
    let folder = Folder::new()?;
    let sentence = folder.refusal_of(|params| {
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    })?;
    assert_eq!(
        sentence,
        "the certificate in tls.crt would be refused by every peer that trusts ca.crt: it is a CA's certificate and not an \
         end entity's; put the end entity's certificate first in tls.crt, its issuers after it"
    );
    Ok(())
}

#[test]
fn an_expired_trust_anchor_is_refused() -> TestResult {
    let mut folder = Folder::new()?;
    folder.ca = TestCa::new(days(-400), days(-1))?;
    folder.write(TRUST_FILE, &folder.ca.pem)?;
    assert_eq!(
        folder.refusal_of(|_| {})?,
        "the certificate in tls.crt would be refused by every peer that trusts ca.crt: its trust anchor has expired or is \
         not valid yet; renew the CA and put its new certificate into ca.crt"
    );
    Ok(())
}

#[test]
fn a_renewed_trust_anchor_beside_the_expired_one_is_enough() -> TestResult {
    let mut folder = Folder::new()?;
    let expired = TestCa::new(days(-400), days(-1))?;
    folder.ca = TestCa::new(days(-10), days(400))?;
    folder.write(CERTIFICATE_FILE, &folder.ca.issue(&folder.key, |_| {})?)?;
    folder.write(TRUST_FILE, &(expired.pem + &folder.ca.pem))?;
    folder.load()?;
    Ok(())
}

#[test]
fn a_trust_anchor_that_may_not_issue_is_refused_by_number_and_name() -> TestResult {
    let folder = Folder::new()?;
    let powerless = TestCa::with("Powerless\u{202e} root", |params| {
        params.key_usages = vec![KeyUsagePurpose::CrlSign];
    })?;
    folder.write(TRUST_FILE, &(folder.ca.pem.clone() + &powerless.pem))?;
    assert_eq!(
        folder.refusal(),
        "ca.crt trusts certificate number 2 in it (CN=Powerless\\u{202e} root), which may not issue certificates (its key \
         usage lacks keyCertSign): put the certificate of the CA there that issues to the peers"
    );
    Ok(())
}

#[test]
fn a_peers_own_certificate_among_the_trust_anchors_is_refused() -> TestResult {
    let folder = Folder::new()?;
    let peer = folder.ca.issue(&KeyPair::generate()?, |_| {})?;
    folder.write(TRUST_FILE, &(peer + &folder.ca.pem))?;
    assert_eq!(
        folder.refusal(),
        "ca.crt trusts certificate number 1 in it (CN=order), which is an end entity's (its basic constraints lack cA), \
         and another one issued it: put the certificate of the CA there that issues to the peers"
    );
    Ok(())
}

#[test]
fn a_self_signed_end_entity_among_the_trust_anchors_issues_nothing() -> TestResult {
    let mut folder = Folder::new()?;
    folder.ca = TestCa::with("Self-signed", |params| {
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![];
    })?;
    folder.write(TRUST_FILE, &folder.ca.pem)?;
    assert_eq!(
        folder.refusal_of(|_| {})?,
        "the certificate in tls.crt would be refused by every peer that trusts ca.crt: no chain leads from it to a trust \
         anchor (unknown issuer); add the intermediates that are missing to tls.crt, or the CA that issued it to ca.crt"
    );
    Ok(())
}

#[test]
fn a_self_signed_end_entity_is_believed_for_itself_and_within_its_dates() -> TestResult {
    let folder = Folder::new()?;
    let load = |change: fn(&mut rcgen::CertificateParams)| -> TestResult<_> {
        let mut params = rcgen::CertificateParams::new(["localhost".to_owned()])?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let pem = params.self_signed(&folder.key)?.pem();
        folder.write(CERTIFICATE_FILE, &pem)?;
        folder.write(TRUST_FILE, &(folder.ca.pem.clone() + &pem))?;
        Ok(folder.load())
    };
    let material = load(|_| {})??;
    assert_eq!(
        (material.is_for_servers(), material.is_for_clients()),
        (false, true)
    );
    let expired = load(|params| params.not_after = days(-1))?;
    let expired = expired.err().ok_or("an expired one is used")?.to_string();
    assert!(expired.contains("it expired at"), "{expired}");
    let aimless = load(|params| params.extended_key_usages.clear())?;
    let aimless = aimless.err().ok_or("one for nothing is used")?.to_string();
    assert!(
        aimless.contains("for neither servers nor clients"),
        "{aimless}"
    );
    Ok(())
}

#[test]
fn revocation_fails_closed() -> TestResult {
    let folder = Folder::new()?;
    folder.write(REVOCATION_FILE, &folder.ca.revoke(&[8], days(7))?)?;
    assert!(folder.load()?.checks_revocation());

    let remedy = "put current revocation lists of every CA of the chain, the root's among them, into crl.pem";
    folder.write(REVOCATION_FILE, &folder.ca.revoke(&[7], days(7))?)?;
    let sentence = folder.refusal();
    assert!(
        sentence.contains("is revoked; issue it again"),
        "{sentence}"
    );

    let past = whole_second(days(-1));
    folder.write(REVOCATION_FILE, &folder.ca.revoke(&[], past)?)?;
    let sentence = folder.refusal();
    let expected = format!(
        "the revocation list that covers it was to be replaced by {}, so it counts as revoked; {remedy}",
        rfc3339(past)
    );
    assert!(sentence.ends_with(&expected), "{sentence}");

    let stranger = TestCa::named("Other root", days(-400), days(400))?;
    let mut stranger = stranger.revoke(&[], days(7))?;
    folder.write(REVOCATION_FILE, &stranger)?;
    let sentence = folder.refusal();
    assert!(sentence.ends_with(remedy), "{sentence}");

    // A list of another CA does no harm beside the right one.
    stranger.push_str(&folder.ca.revoke(&[], days(7))?);
    folder.write(REVOCATION_FILE, &stranger)?;
    folder.load()?;
    Ok(())
}

/// A certificate has no fractions of a second.
fn whole_second(moment: time::OffsetDateTime) -> time::OffsetDateTime {
    moment.replace_nanosecond(0).unwrap_or(moment)
}

#[test]
fn files_that_change_between_two_readings_are_read_again() -> TestResult {
    // Before which of the five readings of one turn the writer acts.
    for moment in 0..5 {
        let folder = Folder::new()?;
        let new_key = KeyPair::generate()?;
        let new_certificate = folder.ca.issue(&new_key, |_| {})?;
        let mut count = 0;
        let files = Files::read(folder.dir.path(), |file| {
            if count == moment {
                fs::write(folder.dir.path().join(CERTIFICATE_FILE), &new_certificate)?;
                fs::write(folder.dir.path().join(KEY_FILE), new_key.serialize_pem())?;
            }
            count += 1;
            fs::read(file)
        })?;
        assert_eq!(files.certificate, new_certificate.as_bytes(), "{moment}");
        assert_eq!(files.key, new_key.serialize_pem().as_bytes(), "{moment}");
    }
    Ok(())
}

#[test]
fn a_file_that_is_missing_for_a_moment_is_read_again() -> TestResult {
    for moment in 0..5 {
        let folder = Folder::new()?;
        let mut count = 0;
        let files = Files::read(folder.dir.path(), |file| {
            count += 1;
            match count - 1 {
                now if now == moment => Err(io::ErrorKind::NotFound.into()),
                _ => fs::read(file),
            }
        })?;
        assert_eq!(files.key, folder.read(KEY_FILE)?.as_bytes());
    }
    Ok(())
}

#[test]
fn a_file_that_never_stays_the_same_is_refused_in_the_end() -> TestResult {
    let folder = Folder::new()?;
    let mut count = 0_u32;
    let refused = Files::read(folder.dir.path(), |_| {
        count += 1;
        Ok(count.to_be_bytes().to_vec())
    });
    let refusal = refused.err().map(|error| error.to_string());
    assert!(
        refusal.is_some_and(|text| text.contains("it changed during each of several readings")),
    );
    Ok(())
}
