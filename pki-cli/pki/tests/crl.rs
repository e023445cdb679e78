//! CRLs, read by x509-parser as the second opinion and judged by our own path validation.

use std::path::Path;

use pki::{
    Error,
    authority::{Authority, NewAuthority, Order},
    certificate::Certificate,
    certificate_revocation_list::CertificateRevocationList,
    distinguished_name::DistinguishedName,
    index::{Index, Revocation},
    inspect,
    issuer::Issuer,
    key::{KeyAlgorithm, PrivateKey},
    path_validation::{self, FailureKind},
    profile::Profile,
    revocation::{Action, LIFE, ROOT_LIFE, RevocationLists, Target, Wish},
    revocation_reason::RevocationReason,
    subject_alt_name::GeneralName,
};
use time::{Duration, OffsetDateTime, macros::datetime};
use x509_parser::{prelude::FromDer, revocation_list::CertificateRevocationList as Read};

const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);

struct Home {
    dir: tempfile::TempDir,
    leaf: Certificate,
}

/// A CA of two tiers, made ten days ago, with one end entity's certificate of 60 days.
fn home() -> Home {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let then = NOW - Duration::days(10);
    let name = |name: &str| DistinguishedName::common_name(name).expect(name);
    let new = NewAuthority {
        subject: name("Root"),
        issuing_subject: Some(name("Issuing")),
        key: KeyAlgorithm::P256,
        days: 3650,
        issuing_days: 1825,
        permitted_dns: Vec::new(),
    };
    Authority::create(dir.path(), &new, None, then, &mut || false).expect("a CA");
    let authority = Authority::open(dir.path(), &mut locked).expect("opened");
    let key = PrivateKey::generate(KeyAlgorithm::P256).expect("a key");
    let order = Order {
        name: Some("order"),
        profile: Profile::Peer,
        subject: &name("order"),
        names: &[GeneralName::dns("a.dev").expect("a name")],
        public_key: key.public(),
        days: 60,
    };
    let leaf = authority.issue(&order, then).expect("issued").certificate;
    Home { dir, leaf }
}

fn locked(_: &Path) -> Result<pki::key::Passphrase, Error> {
    Err(Error::Passphrase("no key is encrypted".to_owned()))
}

impl Home {
    fn lists(&self) -> RevocationLists {
        RevocationLists::open(self.dir.path()).expect("opened")
    }

    fn index(&self) -> Index {
        Index::open(&self.dir.path().join("ca/index.db")).expect("the index")
    }

    fn revoke(&self, reason: RevocationReason, at: OffsetDateTime) -> Revocation {
        let revocation = Revocation {
            at,
            reason,
            invalid_since: Some(at - Duration::days(3)),
        };
        let (serial, issuer) = (self.leaf.serial(), self.leaf.issuer().to_string());
        self.index()
            .revoke(&serial, &issuer, &revocation)
            .expect("marked");
        revocation
    }

    fn refresh(&self, at: OffsetDateTime) -> Vec<Action> {
        let refreshed = self
            .lists()
            .refresh(&Wish::default(), &mut locked, at, &mut || false)
            .expect("signed");
        assert!(refreshed.failures.is_empty(), "{refreshed:?}");
        refreshed.lists.into_iter().map(|due| due.action).collect()
    }

    fn bundle(&self) -> Vec<Vec<u8>> {
        let bytes = std::fs::read(self.dir.path().join("ca/crl.pem")).expect("crl.pem");
        inspect::crls(&bytes).expect("CRLs")
    }

    fn verdict(&self, at: OffsetDateTime) -> Result<(), FailureKind> {
        let (root, issuing) = Authority::certificates(self.dir.path()).expect("read");
        let issuing = issuing.expect("two tiers");
        let bundle = self.bundle();
        let request = path_validation::Request::new(self.leaf.der(), at)
            .trust([root.der()])
            .intermediates([issuing.der()])
            .crls(&bundle);
        path_validation::validate(&request)
            .map(drop)
            .map_err(|rejected| rejected.kind)
    }
}

#[test]
fn every_field_is_what_the_standard_and_the_index_say() {
    let home = home();
    let revocation = home.revoke(RevocationReason::KeyCompromise, NOW - Duration::days(1));
    home.refresh(NOW);
    let bundle = home.bundle();
    let (root, issuing) = Authority::certificates(home.dir.path()).expect("read");
    let issuing = issuing.expect("two tiers");
    // The root's first one was signed when it was made.
    for (der, ca, life, number) in [
        (&bundle[0], &issuing, LIFE, 1_u8),
        (&bundle[1], &root, ROOT_LIFE, 2),
    ] {
        let (rest, crl) = Read::from_der(der).expect("a CRL");
        assert!(rest.is_empty());
        assert_eq!(crl.version().map(|version| version.0), Some(1), "version 2");
        assert_eq!(crl.issuer().as_raw(), ca.subject().der());
        let time = |time: x509_parser::time::ASN1Time| time.to_datetime();
        assert_eq!(time(crl.last_update()), NOW - Duration::minutes(5));
        assert_eq!(crl.next_update().map(time), Some(NOW + life));
        assert_eq!(crl.crl_number(), Some(&number.into()));
        let oids: Vec<_> = crl
            .extensions()
            .iter()
            .map(|one| (one.oid.to_id_string(), one.critical))
            .collect();
        assert_eq!(
            oids,
            [
                ("2.5.29.35".to_owned(), false),
                ("2.5.29.20".to_owned(), false)
            ]
        );
        let (_, signer) =
            x509_parser::certificate::X509Certificate::from_der(ca.der()).expect("a certificate");
        crl.verify_signature(signer.public_key())
            .expect("a good signature");
        let identifier = signer
            .extensions()
            .iter()
            .find_map(|one| match one.parsed_extension() {
                x509_parser::extensions::ParsedExtension::SubjectKeyIdentifier(identifier) => {
                    Some(identifier.0)
                }
                _ => None,
            });
        let authority = crl
            .extensions()
            .iter()
            .find_map(|one| match one.parsed_extension() {
                x509_parser::extensions::ParsedExtension::AuthorityKeyIdentifier(authority) => {
                    authority
                        .key_identifier
                        .as_ref()
                        .map(|identifier| identifier.0)
                }
                _ => None,
            });
        assert!(identifier.is_some());
        assert_eq!(authority, identifier);
    }
    let (_, crl) = Read::from_der(&bundle[0]).expect("a CRL");
    let entries: Vec<_> = crl.iter_revoked_certificates().collect();
    assert_eq!(entries.len(), 1);
    let serial: String = entries[0]
        .raw_serial()
        .iter()
        .skip_while(|octet| **octet == 0)
        .map(|octet| format!("{octet:02x}"))
        .collect();
    assert_eq!(serial, home.leaf.serial());
    assert_eq!(entries[0].revocation_date.to_datetime(), revocation.at);
    assert_eq!(
        entries[0]
            .reason_code()
            .map(|(critical, code)| (critical, code.0)),
        Some((false, 1))
    );
    assert_eq!(
        entries[0]
            .invalidity_date()
            .map(|(critical, since)| (critical, Some(since.to_datetime()))),
        Some((false, revocation.invalid_since))
    );
    let (_, of_root) = Read::from_der(&bundle[1]).expect("a CRL");
    assert_eq!(of_root.iter_revoked_certificates().count(), 0);
}

#[test]
fn a_reason_that_is_none_in_particular_is_left_out() {
    let home = home();
    home.revoke(RevocationReason::Unspecified, NOW);
    home.refresh(NOW);
    let bundle = home.bundle();
    let (_, crl) = Read::from_der(&bundle[0]).expect("a CRL");
    let entry = crl.iter_revoked_certificates().next().expect("one entry");
    assert!(entry.reason_code().is_none());
    // Nothing in a list is later than the list.
    assert_eq!(entry.revocation_date, crl.last_update());
}

#[test]
fn our_own_validator_refuses_what_is_revoked_and_fails_closed_when_the_list_is_old() {
    let home = home();
    home.refresh(NOW);
    assert_eq!(home.verdict(NOW), Ok(()));
    // A verifier whose clock is four minutes slow.
    assert_eq!(home.verdict(NOW - Duration::minutes(4)), Ok(()));
    home.revoke(RevocationReason::Superseded, NOW);
    home.refresh(NOW);
    assert_eq!(home.verdict(NOW), Err(FailureKind::Revoked));
    let late = NOW + Duration::days(31);
    assert_eq!(home.verdict(late), Err(FailureKind::RevocationUnknown));
}

#[test]
fn a_list_is_signed_again_when_it_changed_or_is_half_over_and_not_otherwise() {
    let home = home();
    let is_signed = |actions: &[Action]| -> Vec<bool> {
        actions
            .iter()
            .map(|action| matches!(action, Action::Sign(_)))
            .collect()
    };
    let at = |days| NOW + Duration::days(days);
    assert_eq!(is_signed(&home.refresh(NOW)), [true, true]);
    assert_eq!(is_signed(&home.refresh(at(14))), [false, false]);
    home.revoke(RevocationReason::Superseded, at(14));
    assert_eq!(is_signed(&home.refresh(at(14))), [true, false]);
    assert_eq!(is_signed(&home.refresh(at(14))), [false, false]);
    assert_eq!(is_signed(&home.refresh(at(30))), [true, false]);
    // After the certificate's end it is listed once more, and that it then stands there no longer is no change.
    assert_eq!(is_signed(&home.refresh(at(51))), [true, false]);
    assert_eq!(is_signed(&home.refresh(at(52))), [false, false]);
    assert_eq!(home.index().revoked("CN=Issuing").expect("read"), []);
    let (_, crl) = (0, home.bundle());
    let (_, crl) = Read::from_der(&crl[0]).expect("a CRL");
    assert_eq!(crl.iter_revoked_certificates().count(), 1);
    assert_eq!(is_signed(&home.refresh(at(185))), [true, true]);
    let bundle = home.bundle();
    let (_, crl) = Read::from_der(&bundle[0]).expect("a CRL");
    assert_eq!(crl.iter_revoked_certificates().count(), 0);
}

#[test]
fn without_the_roots_key_the_roots_first_list_is_used_and_kept() {
    let home = home();
    let (key, away) = (
        home.dir.path().join("ca/root.key"),
        home.dir.path().join("root.key"),
    );
    std::fs::rename(&key, &away).expect("moved");
    let refresh = |at| {
        home.lists()
            .refresh(&Wish::default(), &mut locked, at, &mut || false)
            .expect("as far as possible")
    };
    let first = refresh(NOW);
    assert!(first.is_written && first.failures.is_empty(), "{first:?}");
    assert_eq!(home.verdict(NOW), Ok(()));
    // Half of the year is over: told, and no failure. Then the year.
    let later = refresh(NOW + Duration::days(200));
    assert!(later.is_written && later.failures.is_empty(), "{later:?}");
    assert!(
        later.notices[0].contains("less than half of its life is left"),
        "{later:?}"
    );
    let over = refresh(NOW + Duration::days(370));
    assert!(
        over.failures[0]
            .error
            .to_string()
            .contains("it ended on 2027-11-14"),
        "{over:?}"
    );
}

#[test]
fn an_issuer_that_may_not_sign_crls_is_refused() {
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("signed");
    let issuer = Issuer::new(
        Certificate::from_der(certificate.der()).expect("read"),
        PrivateKey::read(key.serialize_pem().as_bytes(), None).expect("a key"),
        [],
    )
    .expect("it may sign certificates");
    let refused = issuer.may_sign_crls(NOW).expect_err("refused").to_string();
    assert!(refused.contains("its key usage lacks cRLSign"), "{refused}");
    let dir = tempfile::tempdir().expect("a temporary folder");
    let index = Index::create(&dir.path().join("index.db")).expect("created");
    let reserved = index.reserve_crl("CN=x").expect("taken");
    let signed: Result<CertificateRevocationList, _> = issuer.sign_crl(&reserved, LIFE, NOW);
    signed.expect_err("refused");
}

#[test]
fn what_is_to_be_revoked_is_found_by_name_file_and_serial_number() {
    let home = home();
    let lists = home.lists();
    let find = |target: Target| {
        lists
            .find(&target, NOW)
            .map(|rows| rows[0].serial.clone())
            .map_err(|error| error.to_string())
    };
    let serial = home.leaf.serial();
    let colons: Vec<_> = serial
        .as_bytes()
        .chunks(2)
        .map(|pair| String::from_utf8_lossy(pair).to_uppercase())
        .collect();
    let file = home.dir.path().join("leaf.pem");
    std::fs::write(&file, home.leaf.to_pem()).expect("written");
    for target in [
        Target::Name("order".to_owned()),
        Target::AllOf("order".to_owned()),
        Target::File(file),
        Target::Serial(serial.clone(), None),
        Target::Serial(colons.join(":"), Some("CN=Issuing".to_owned())),
    ] {
        assert_eq!(find(target.clone()), Ok(serial.clone()), "{target:?}");
    }
    for (target, expected) in [
        (
            Target::Name("nobody".to_owned()),
            "There is no certificate of \"nobody\"",
        ),
        (
            Target::Name("ca".to_owned()),
            "A CA is not revoked by a name",
        ),
        (
            Target::Serial("0102".to_owned(), None),
            "the serial number 0102",
        ),
        (
            Target::Serial("x".to_owned(), None),
            "is not a serial number",
        ),
    ] {
        let told = find(target).expect_err("refused");
        assert!(told.contains(expected), "{told}");
    }
    let may = |row: &pki::index::Row, reason| {
        lists
            .may_revoke(row, reason, None, NOW)
            .map(|issuer| issuer.name())
            .map_err(|error| error.to_string())
    };
    let rows = home.index().rows().expect("rows");
    let (root, issuing, leaf) = (&rows[0], &rows[1], &rows[2]);
    assert_eq!(
        may(issuing, RevocationReason::CaCompromise),
        Ok("CN=Root".to_owned())
    );
    assert_eq!(
        may(leaf, RevocationReason::KeyCompromise),
        Ok("CN=Issuing".to_owned())
    );
    for (row, reason, expected) in [
        (root, RevocationReason::CaCompromise, "is a root"),
        (
            issuing,
            RevocationReason::KeyCompromise,
            "so give cACompromise",
        ),
        (
            leaf,
            RevocationReason::CaCompromise,
            "so give keyCompromise",
        ),
    ] {
        let told = may(row, reason).expect_err("refused");
        assert!(told.contains(expected), "{told}");
    }
}

#[test]
fn a_history_older_than_1970_makes_no_list_that_rustls_cannot_read() {
    let home = home();
    let ancient = datetime!(1960-01-01 0:00 UTC);
    let revocation = Revocation {
        at: ancient,
        reason: RevocationReason::Superseded,
        invalid_since: Some(ancient),
    };
    let (serial, issuer) = (home.leaf.serial(), home.leaf.issuer().to_string());
    home.index()
        .revoke(&serial, &issuer, &revocation)
        .expect("marked");
    home.refresh(NOW);
    for der in home.bundle() {
        webpki::OwnedCertRevocationList::from_der(&der).expect("read by rustls-webpki");
    }
    assert_eq!(home.verdict(NOW), Err(FailureKind::Revoked));
    // And it is not taken for one that lacks something.
    assert_eq!(home.refresh(NOW), [Action::Keep, Action::Keep]);
}
