//! The help of the commands that make certificates is part of their promise: it is held here word for word.

use crate::support::{Home, snapshot};

#[test]
fn init() {
    snapshot!(Home::new().pki("init --help"), @r#"
    exit 0
    Create a CA: a root and an issuing CA below it

    Writes DIR/ca with root.crt, root.key, issuing.crt, issuing.key and the index. An existing CA is
    never overwritten. root.key is needed again for another issuing CA, to revoke one, and about twice a
    year for the root's CRL, once something was revoked; the root's first CRL, for a year, is signed at
    once and kept in the index. Keep root.key offline.

    Usage: pki init [OPTIONS]

    Options:
          --dir <DIR>
              The folder that holds everything: the CA in DIR/ca, certificates in DIR/NAME
              
              [env: PKI_DIR]
              [default: certs]

          --subject <NAME>
              The root's subject: /C=TR/O=Software/CN=name, or CN=name,O=Software,C=TR as RFC 4514
              writes it
              
              [default: "/CN=Private Root CA"]

          --issuing-subject <NAME>
              The issuing CA's subject [default: the root's, with "Issuing CA" at the end of its common
              name]

          --json
              Print one JSON document on stdout instead of text for people

          --single-tier
              One root that issues by itself, without an issuing CA

          --key <TYPE>
              The keys: p256, p384, ed25519, rsa-2048, rsa-3072 or rsa-4096
              
              [default: p256]

          --days <DAYS>
              The root's validity
              
              [default: 3650]

          --issuing-days <DAYS>
              The issuing CA's validity [default: 1826, or the root's when that is shorter]

          --permit-dns <DOMAIN>
              Bind the DNS names for which the CA may issue to this domain and what is below it (name
              constraints); may be given several times. IP addresses, URIs and email addresses are not
              bound

          --dry-run
              Print what would be made, and do nothing

      -h, --help
              Print help (see a summary with '-h')

    Passphrase:
          --encrypt-key
              Encrypt the CA's keys (PKCS#8, scrypt and AES-256)

          --passphrase-file <FILE>
              Read the passphrase of an encrypted key from this file (its last line end is not part of
              it)

          --passphrase-fd <FD>
              Read the passphrase from this open file descriptor

    Example: pki init --subject "/C=TR/O=Software/CN=Microservices CA" --permit-dns microservices.dev
    "#);
}

#[test]
fn csr() {
    snapshot!(Home::new().pki("csr --help"), @r#"
    exit 0
    Make a key and a certificate request for it

    Writes DIR/NAME with tls.key and tls.csr. Take tls.csr to the CA, sign it there with `pki sign`, and
    bring tls.crt and ca.crt back; the key stays where it was made.

    Usage: pki csr [OPTIONS] <NAME>

    Arguments:
      <NAME>
              The folder below DIR, and the common name unless --subject is given

    Options:
          --dir <DIR>
              The folder that holds everything: the CA in DIR/ca, certificates in DIR/NAME
              
              [env: PKI_DIR]
              [default: certs]

          --subject <NAME>
              The subject [default: /CN=NAME]

          --json
              Print one JSON document on stdout instead of text for people

          --profile <PROFILE>
              Ask for this role: server, client or peer (a service that is called and calls)

          --key <TYPE>
              The key: p256, p384, ed25519, rsa-2048, rsa-3072 or rsa-4096
              
              [default: p256]

          --out <FOLDER>
              Write to this folder instead of DIR/NAME

          --force
              Throw away the key, and the certificate, that are there

          --dry-run
              Print what would be made, and do nothing

      -h, --help
              Print help (see a summary with '-h')

    Names:
          --dns <NAME>
              A DNS name; *.example.org covers one label. May be given several times, or with commas

          --ip <ADDRESS>
              An IP address, version 4 or 6

          --uri <URI>
              A URI, for example the SPIFFE ID spiffe://example.org/service

          --email <ADDRESS>
              An email address

    Passphrase:
          --encrypt-key
              Encrypt the new key (PKCS#8, scrypt and AES-256)

          --key-passphrase-file <FILE>
              Read the passphrase of the new key from this file

          --key-passphrase-fd <FD>
              Read the passphrase of the new key from this open file descriptor

    Example: pki csr payment --subject "/O=Software/OU=PaymentService/CN=payment.microservices.dev"
    --dns payment.microservices.dev
    "#);
}

#[test]
fn sign() {
    snapshot!(Home::new().pki("sign --help"), @r"
    exit 0
    Sign a certificate request under a profile

    With --profile intermediate the request is that of a CA below the root, whose key (root.key) signs
    it, or below the CA of --ca. The new CA is bound to the domains of the one above, or to fewer.

    The request only asks: the profile decides. What was asked for, granted and dropped is shown. Names
    that you give are added to those of the request. Writes tls.crt and ca.crt into the folder of the
    request when `pki csr` made it, or else into DIR/STEM, where STEM is the file's name without its
    ending.

    Usage: pki sign [OPTIONS] <FILE>

    Arguments:
      <FILE>
              The request, PEM or DER

    Options:
          --dir <DIR>
              The folder that holds everything: the CA in DIR/ca, certificates in DIR/NAME
              
              [env: PKI_DIR]
              [default: certs]

          --profile <PROFILE>
              The role: server, client, peer (a service that is called and calls) or intermediate (a CA)
              
              [default: server]

          --json
              Print one JSON document on stdout instead of text for people

          --subject <NAME>
              A subject in place of the request's

          --days <DAYS>
              The validity [default: 60; of a CA 1826]

          --path-length <N>
              Of a CA: how many CAs may stand below it [default: 0]

          --permit-dns <DOMAIN>
              Of a CA: bind the DNS names for which it may issue to this domain and what is below it
              [default: as the CA above]

          --out <FOLDER>
              Write to this folder

          --allow-dropped
              Sign although the request asks for things that are not granted: they are dropped, and
              shown

          --force
              Replace the certificate that is there

          --dry-run
              Print what would be signed, and do nothing

      -h, --help
              Print help (see a summary with '-h')

    Names:
          --dns <NAME>
              A DNS name; *.example.org covers one label. May be given several times, or with commas

          --ip <ADDRESS>
              An IP address, version 4 or 6

          --uri <URI>
              A URI, for example the SPIFFE ID spiffe://example.org/service

          --email <ADDRESS>
              An email address

    CA:
          --ca <FILE>
              The certificate of a CA that lives elsewhere, used without an index; the CAs above it may
              follow in the file

          --ca-key <FILE>
              The key of that CA

    Passphrase:
          --passphrase-file <FILE>
              Read the passphrase of an encrypted key from this file (its last line end is not part of
              it)

          --passphrase-fd <FD>
              Read the passphrase from this open file descriptor

    Example: pki sign certs/payment/tls.csr --profile server --days 60
    Example: pki sign branch.csr --profile intermediate --permit-dns branch.microservices.dev
    ");
}

#[test]
fn issue() {
    snapshot!(Home::new().pki("issue --help"), @r"
    exit 0
    Make a key and issue a certificate for it

    Writes DIR/NAME with tls.crt (the certificate, then the issuing CA), tls.key and ca.crt (the root):
    certificate and key together or not at all. An existing pair is replaced only with --force.

    Usage: pki issue [OPTIONS] <NAME>

    Arguments:
      <NAME>
              The folder below DIR, and the common name unless --subject is given

    Options:
          --dir <DIR>
              The folder that holds everything: the CA in DIR/ca, certificates in DIR/NAME
              
              [env: PKI_DIR]
              [default: certs]

          --profile <PROFILE>
              The role: server, client or peer (a service that is called and calls)
              
              [default: server]

          --json
              Print one JSON document on stdout instead of text for people

          --subject <NAME>
              The subject [default: /CN=NAME]

          --days <DAYS>
              The validity
              
              [default: 60]

          --key <TYPE>
              The key: p256, p384, ed25519, rsa-2048, rsa-3072 or rsa-4096
              
              [default: p256]

          --out <FOLDER>
              Write to this folder instead of DIR/NAME

          --force
              Replace the pair that is there

          --dry-run
              Print what would be issued, and do nothing

      -h, --help
              Print help (see a summary with '-h')

    Names:
          --dns <NAME>
              A DNS name; *.example.org covers one label. May be given several times, or with commas

          --ip <ADDRESS>
              An IP address, version 4 or 6

          --uri <URI>
              A URI, for example the SPIFFE ID spiffe://example.org/service

          --email <ADDRESS>
              An email address

    CA:
          --ca <FILE>
              The certificate of a CA that lives elsewhere, used without an index; the CAs above it may
              follow in the file

          --ca-key <FILE>
              The key of that CA

    Passphrase:
          --passphrase-file <FILE>
              Read the passphrase of an encrypted key from this file (its last line end is not part of
              it)

          --passphrase-fd <FD>
              Read the passphrase from this open file descriptor

          --encrypt-key
              Encrypt the new key (PKCS#8, scrypt and AES-256)

          --key-passphrase-file <FILE>
              Read the passphrase of the new key from this file

          --key-passphrase-fd <FD>
              Read the passphrase of the new key from this open file descriptor

    Example: pki issue payment --dns payment.microservices.dev --ip 127.0.0.1 --uri
    spiffe://microservices.dev/payment
    ");
}

#[test]
fn apply() {
    snapshot!(Home::new().pki("apply --help"), @r"
    exit 0
    Make reality match a manifest: issue what is missing, re-issue what changed or expires, leave the
    rest

    The manifest, pki.toml, holds the CA and one entry per certificate. A second run changes nothing. A
    certificate is replaced, with a new key, when the manifest or its CA changed or less than a third of
    its life is left. With `encrypt_key = true` below [ca] a new CA's keys are encrypted.

    Usage: pki apply [OPTIONS] [MANIFEST]

    Arguments:
      [MANIFEST]
              The manifest [default: DIR/pki.toml]

    Options:
          --dir <DIR>
              The folder that holds everything: the CA in DIR/ca, certificates in DIR/NAME
              
              [env: PKI_DIR]
              [default: certs]

          --dry-run
              Print what would be done, and do nothing

          --json
              Print one JSON document on stdout instead of text for people

      -h, --help
              Print help (see a summary with '-h')

    Passphrase:
          --passphrase-file <FILE>
              Read the passphrase of an encrypted key from this file (its last line end is not part of
              it)

          --passphrase-fd <FD>
              Read the passphrase from this open file descriptor

          --key-passphrase-file <FILE>
              Encrypt every new key with the passphrase in this file; a key that takes the place of an
              encrypted one is encrypted in any case

          --key-passphrase-fd <FD>
              Encrypt every new key with the passphrase from this open file descriptor

    Example: pki apply certs/pki.toml --dry-run
    ");
}

#[test]
fn without_a_command_the_help_is_shown_and_the_code_says_so() {
    let run = Home::new().pki("");
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("Exit codes:"), "{run:?}");
}
