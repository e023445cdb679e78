//! The help of the commands that revoke and take stock, held word for word.

use crate::support::{Home, snapshot};

#[test]
fn revoke() {
    snapshot!(Home::new().pki("revoke --help"), @r#"
    exit 0
    Revoke a certificate, and sign and carry the CRL that says so

    CERTIFICATE is the name of a folder below DIR, which means the certificate that it holds now, or a
    file. Writes the mark into the index, signs the issuer's CRL again, and puts crl.pem into DIR/ca and
    into the folder of every certificate. A second time changes nothing, and there is no way back: issue
    a new certificate instead. A CA is revoked by its file, which needs the root's key.

    Usage: pki revoke [OPTIONS] [CERTIFICATE]

    Arguments:
      [CERTIFICATE]
              A folder below DIR, or the file of a certificate

    Options:
          --dir <DIR>
              The folder that holds everything: the CA in DIR/ca, certificates in DIR/NAME
              
              [env: PKI_DIR]
              [default: certs]

          --serial <HEX>
              The certificate with this serial number, in hexadecimal

          --issuer <NAME>
              Its issuer, as pki list --json shows it, where two CAs used one serial number

          --json
              Print one JSON document on stdout instead of text for people

          --all
              Every certificate of this name that is still valid: earlier ones, too, which may have the
              same key

          --reason <REASON>
              Why
              
              [default: unspecified]

          --invalidity-date <RFC3339>
              Since when somebody else may have the key, as [date]

          --life <TIME>
              How long the issuing CA's CRL lives, as in 30d or 36h [default: as long as the last one,
              30d at first]

          --root-life <TIME>
              How long the root's CRL lives, which says only which CAs are revoked [default: as the last
              one, 365d at first]

          --dry-run
              Print what would be done, and do nothing

      -h, --help
              Print help (see a summary with '-h')

    Passphrase:
          --passphrase-file <FILE>
              Read the passphrase of an encrypted key from this file (its last line end is not part of
              it)

          --passphrase-fd <FD>
              Read the passphrase from this open file descriptor

    Reasons (RFC 5280 section 5.3.1): unspecified, keyCompromise, cACompromise, affiliationChanged,
    superseded, cessationOfOperation, privilegeWithdrawn.

    Example: pki revoke payment --reason keyCompromise --invalidity-date [date]
    "#);
}

#[test]
fn crl() {
    snapshot!(Home::new().pki("crl --help"), @r#"
    exit 0
    Sign the CRLs again, if they changed or are to end

    A CRL is signed when a revocation is not in it yet, when there is none, or when less than half of
    its life is left; otherwise nothing is done, so this can be run every day. Writes DIR/ca/crl.pem,
    with the CRLs of the issuing CA and of the root, and the same crl.pem into the folder of every
    certificate. Once a folder has one, its service refuses everybody when it ends: let this run from
    cron or a timer. The root's key is needed about twice a year, beginning a year after init at the
    latest; until then it may lie elsewhere.

    Usage: pki crl [OPTIONS]

    Options:
          --dir <DIR>
              The folder that holds everything: the CA in DIR/ca, certificates in DIR/NAME
              
              [env: PKI_DIR]
              [default: certs]

          --force
              Sign although nothing is due

          --json
              Print one JSON document on stdout instead of text for people

          --life <TIME>
              How long the issuing CA's CRL lives, as in 30d or 36h [default: as long as the last one,
              30d at first]

          --root-life <TIME>
              How long the root's CRL lives, which says only which CAs are revoked [default: as the last
              one, 365d at first]

          --dry-run
              Print what would be done, and do nothing

      -h, --help
              Print help (see a summary with '-h')

    Passphrase:
          --passphrase-file <FILE>
              Read the passphrase of an encrypted key from this file (its last line end is not part of
              it)

          --passphrase-fd <FD>
              Read the passphrase from this open file descriptor

    Example: pki crl --life 14d
    "#);
}

#[test]
fn list() {
    snapshot!(Home::new().pki("list --help"), @r#"
    exit 0
    List the certificates of the CA, from its index

    Without options, those that are valid: issued, not revoked, not expired. The next to expire comes
    first.

    Usage: pki list [OPTIONS]

    Options:
          --dir <DIR>
              The folder that holds everything: the CA in DIR/ca, certificates in DIR/NAME
              
              [env: PKI_DIR]
              [default: certs]

          --expiring <TIME>
              Those that expire within this time, as in 30d or 36h

          --json
              Print one JSON document on stdout instead of text for people

          --revoked
              Those that were revoked

          --expired
              Those whose validity is over

          --reserved
              Serial numbers that were reserved and never recorded as issued: their processes died, or
              are at work

          --all
              Everything that was ever issued, in the order of issuing

          --name <NAME>
              Those of this name, with the options above; alone, everything of this name

          --issuer <NAME>
              Those of this issuer, as pki list --json shows it

      -h, --help
              Print help (see a summary with '-h')

    Example: pki list --expiring 30d
    "#);
}

#[test]
fn check() {
    snapshot!(Home::new().pki("check --help"), @r#"
    exit 0
    Check what ends soon, has ended, or does not fit together

    Without PATH: the CA below DIR with its keys and CRLs, every folder of a certificate beside it
    (validity, key, rights of the key's file, chain, revocation), and what the index knows of
    certificates that went elsewhere. With PATH: those folders, or the certificates in those files, each
    asked the same; of single files the validity and what the index knows. One line for each finding.
    Nothing is written, and no key is used.

    Usage: pki check [OPTIONS] [PATH]...

    Arguments:
      [PATH]...
              Folders with tls.crt, or files with certificates [default: everything below DIR]

    Options:
          --dir <DIR>
              The folder that holds everything: the CA in DIR/ca, certificates in DIR/NAME
              
              [env: PKI_DIR]
              [default: certs]

          --warn <TIME>
              Warn of what ends within this time, as in 20d or 36h [default: a third of its life, and
              20d at most; a quarter of a CRL's]

          --json
              Print one JSON document on stdout instead of text for people

      -h, --help
              Print help (see a summary with '-h')

    Exit codes: 0 all is well, 101 something ends soon, 102 something has ended or does not fit
    together;
    1 to 9 mean that it could not be checked (see pki --help). Notes do not count.

    Example: pki check --warn 14d
    "#);
}
