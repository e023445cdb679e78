//! `pki verify`: path validation for people and scripts.
//!
//! Reads the files, takes the time, asks `pki::path_validation`, and turns its answer into text, JSON and an exit code.
//! Where rustls-webpki, which the services use, would decide otherwise, that is said, too.

use std::path::{Path, PathBuf};

use pki::{
    inspect::{self, BundleError},
    path_validation::{
        Accepted, ExpectedName, ExpectedNameError, FailureKind, Purpose, Rejected, Request,
        rustls_verdict, validate,
    },
    text,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    Global,
    command_error::{CommandError, Kind},
    input,
    output::{GOOD, Output},
};

const EXIT_CODES: &str = "\
Exit codes: 0 accepted, or the rule that failed:
  10 malformed           a certificate breaks the profile of RFC 5280 section 4
  11 weak-algorithm      a key or signature algorithm is unknown or too weak
  12 bad-signature       a signature does not fit the issuer's key
  13 no-path             no path leads to a trust anchor
  14 expired             a validity is over (also the root's)
  15 not-yet-valid       a validity has not begun
  16 not-a-ca            an issuer is not a CA
  17 path-too-long       a path length or --max-depth is exceeded
  18 wrong-usage         key usage or extended key usage do not allow it
  19 name-constraint     a name is outside of what a CA may issue for
  20 wrong-name          the certificate is not for --host, --ip, --uri or --email
  21 unknown-critical    a critical extension is not understood
  22 policy              a demanded certificate policy is missing
  23 revoked             a certificate is revoked
  24 revocation-unknown  --crl was given and does not cover a certificate
  25 work-limit          the bundle asks for more work than any honest one
  1 to 9 mean that the question could not be asked (see pki --help).

Example: pki verify certs/order/tls.crt --host order.microservices.dev --purpose server";

/// Validate a certificate to a trust anchor by RFC 5280 section 6
///
/// Builds a path through the intermediates, in any order, and checks every certificate of it, the root included:
/// signatures, validity, CA and key usage, path length, name constraints, policies, unknown critical extensions,
/// algorithms, and, with --crl, revocation. Says which rule failed, at which certificate, by which clause, and what
/// to do. Certificates behind the first one in LEAF count as intermediates.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Args {
    /// The certificate, in PEM or DER; - is stdin
    #[arg(value_name = "LEAF")]
    leaf: PathBuf,
    /// Trust anchors, a PEM bundle or DER [default: the root of the CA in --dir]
    #[arg(long, value_name = "FILE")]
    trust: Vec<PathBuf>,
    /// Certificates to build a path from, in any order [default: the issuing CA in --dir]
    #[arg(long, value_name = "FILE")]
    intermediates: Vec<PathBuf>,
    /// CRLs: every certificate of the path but the root must then be covered by a valid one
    #[arg(long, value_name = "FILE")]
    crl: Vec<PathBuf>,
    /// The host name that the certificate must be for
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,
    /// The IP address that the certificate must be for
    #[arg(long, value_name = "ADDRESS")]
    ip: Vec<String>,
    /// The URI (a SPIFFE ID, say) that the certificate must be for
    #[arg(long, value_name = "URI")]
    uri: Vec<String>,
    /// The e-mail address that the certificate must be for
    #[arg(long, value_name = "ADDRESS")]
    email: Vec<String>,
    /// The side of TLS that the certificate is to be used on
    #[arg(long, value_enum, value_name = "SIDE")]
    purpose: Option<Side>,
    /// The time to validate for, as 2026-11-24T12:00:00Z [default: now]
    #[arg(long, value_name = "RFC3339")]
    at: Option<String>,
    /// At most this many intermediates between leaf and trust anchor (self-issued ones do not count)
    #[arg(long, value_name = "N")]
    max_depth: Option<usize>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Side {
    Server,
    Client,
}

pub(crate) fn run(global: &Global, args: &Args, output: &mut Output) -> Result<(), CommandError> {
    let time = time(args.at.as_deref())?;
    let names = expected_names(args)?;
    let chain = certificates(&args.leaf)?;
    let files = Files::of(global, args)?;
    let Some((leaf, rest)) = chain.split_first() else {
        return Err(CommandError::new(
            Kind::Malformed,
            format_args!("{} holds no certificate.", named(&args.leaf)),
        ));
    };
    let mut request = Request::new(leaf, time)
        .trust(&files.trust)
        .intermediates(rest)
        .intermediates(&files.intermediates);
    if let Some(crls) = &files.crls {
        request = request.crls(crls);
    }
    if let Some(side) = args.purpose {
        request = request.purpose(match side {
            Side::Server => Purpose::Server,
            Side::Client => Purpose::Client,
        });
    }
    if let Some(depth) = args.max_depth {
        request = request.max_depth(depth);
    }
    let request = names.into_iter().fold(request, Request::name);
    match validate(&request) {
        Ok(accepted) => {
            show_accepted(&accepted, &rustls_verdict(&request), output)?;
            Ok(())
        }
        // A bundle that is too much work for us is not given to somebody with a larger limit.
        Err(rejected) if rejected.kind == FailureKind::WorkLimit => {
            Err(refusal(&args.leaf, &rejected, None))
        }
        Err(rejected) => {
            let rustls = rustls_verdict(&request);
            Err(refusal(&args.leaf, &rejected, Some(&rustls)))
        }
    }
}

/// The exit code of each kind of failure; they never change, since scripts hang on them.
fn exit_code(kind: FailureKind) -> u8 {
    match kind {
        FailureKind::Malformed => 10,
        FailureKind::WeakAlgorithm => 11,
        FailureKind::BadSignature => 12,
        FailureKind::NoPath => 13,
        FailureKind::Expired => 14,
        FailureKind::NotYetValid => 15,
        FailureKind::NotACa => 16,
        FailureKind::PathTooLong => 17,
        FailureKind::WrongUsage => 18,
        FailureKind::NameConstraint => 19,
        FailureKind::WrongName => 20,
        FailureKind::UnknownCritical => 21,
        FailureKind::Policy => 22,
        FailureKind::Revoked => 23,
        FailureKind::RevocationUnknown => 24,
        FailureKind::WorkLimit => 25,
        // A kind that the library learns later gets a code of its own here.
        _ => 100,
    }
}

fn show_accepted(
    accepted: &Accepted,
    rustls: &Result<(), String>,
    output: &mut Output,
) -> std::io::Result<()> {
    let positions: Vec<String> = (0..accepted.subjects.len())
        .map(|at| match at {
            0 => "leaf".to_owned(),
            at if at + 1 == accepted.subjects.len() => "trust anchor".to_owned(),
            at => format!("intermediate {at}"),
        })
        .collect();
    if output.json() {
        let path: Vec<_> = positions
            .iter()
            .zip(&accepted.subjects)
            .map(|(position, subject)| serde_json::json!({ "position": position, "subject": subject }))
            .collect();
        output.document(&serde_json::json!({
            "accepted": true,
            "path": path,
            "notices": accepted.notices,
            "rustls": rustls_json(rustls),
        }))?;
    } else {
        output.line(format_args!("{GOOD}accepted{GOOD:#}"))?;
        for (position, subject) in positions.iter().zip(&accepted.subjects) {
            output.line(format_args!("  {position:<15} {subject}"))?;
        }
    }
    for notice in &accepted.notices {
        output.notice(notice);
    }
    if let Err(reason) = rustls {
        output.notice(format_args!(
            "rustls-webpki, which the services use, would refuse it: {}.",
            text::escape(reason)
        ));
    }
    Ok(())
}

/// `rustls` is absent when it was not asked.
fn refusal(leaf: &Path, rejected: &Rejected, rustls: Option<&Result<(), String>>) -> CommandError {
    let subject = match rejected.subject.as_str() {
        "" => String::new(),
        subject => format!(" “{subject}”"),
    };
    let message = format!(
        "{} is rejected ({}): {}{subject}: {} ({}).",
        named(leaf),
        rejected.kind.as_str(),
        rejected.position,
        rejected.reason,
        rejected.clause,
    );
    let error = CommandError::new(Kind::Rejected(exit_code(rejected.kind)), message)
        .hint(sentence(&rejected.advice))
        .details(serde_json::json!({
            "accepted": false,
            "rule": rejected.kind.as_str(),
            "position": rejected.position.to_string(),
            "subject": rejected.subject,
            "reason": rejected.reason,
            "clause": rejected.clause,
            "advice": rejected.advice,
            "rustls": rustls.map(rustls_json),
        }));
    match rustls {
        Some(Ok(())) => error.hint("rustls-webpki, which the services use, would accept it: it does not look at this rule."),
        Some(Err(_)) | None => error,
    }
}

/// A file, as a sentence about it begins.
fn named(path: &Path) -> String {
    match path.to_str() {
        Some("-") => "The standard input".to_owned(),
        _ => text::escape(&path.display().to_string()),
    }
}

fn rustls_json(rustls: &Result<(), String>) -> serde_json::Value {
    serde_json::json!({ "accepted": rustls.is_ok(), "reason": rustls.as_ref().err() })
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), chars.as_str()),
        None => String::new(),
    }
}

fn time(at: Option<&str>) -> Result<OffsetDateTime, CommandError> {
    let Some(at) = at else {
        return Ok(OffsetDateTime::now_utc());
    };
    OffsetDateTime::parse(at, &Rfc3339).map_err(|_| {
        CommandError::new(
            Kind::Usage,
            format_args!("--at “{}” is not a time.", text::escape(at)),
        )
        .hint("Give it as RFC 3339 writes it: 2026-11-24T12:00:00Z or 2026-11-24T13:00:00+01:00.")
    })
}

fn expected_names(args: &Args) -> Result<Vec<ExpectedName>, CommandError> {
    type Parse = fn(&str) -> Result<ExpectedName, ExpectedNameError>;
    let kinds: [(&[String], Parse); 4] = [
        (&args.host, ExpectedName::host),
        (&args.ip, ExpectedName::ip),
        (&args.uri, ExpectedName::uri),
        (&args.email, ExpectedName::email),
    ];
    kinds
        .iter()
        .flat_map(|(names, parse)| names.iter().map(|name| parse(name)))
        .map(|name| name.map_err(|error| CommandError::new(Kind::Usage, format_args!("{error}."))))
        .collect()
}

/// What stands in the files, given or of the CA in `--dir`.
struct Files {
    trust: Vec<Vec<u8>>,
    intermediates: Vec<Vec<u8>>,
    crls: Option<Vec<Vec<u8>>>,
}

impl Files {
    fn of(global: &Global, args: &Args) -> Result<Self, CommandError> {
        let ca = global.dir.join("ca");
        let own_ca = args.trust.is_empty();
        let given_or = |given: &[PathBuf], own: &str| -> Vec<PathBuf> {
            let own = ca.join(own);
            match given.is_empty() {
                true if own_ca && own.exists() => vec![own],
                _ => given.to_vec(),
            }
        };
        let trust = given_or(&args.trust, "root.crt");
        if trust.is_empty() {
            return Err(CommandError::new(
                Kind::NotFound,
                format_args!("There is nothing to trust: no --trust was given, and there is no CA in {}.", text::escape(&ca.to_string_lossy())),
            )
            .hint("Give the root's certificate with --trust FILE, or the folder of your CA with --dir."));
        }
        let crl = given_or(&args.crl, "crl.pem");
        Ok(Self {
            trust: all(&trust, certificates)?,
            intermediates: all(&given_or(&args.intermediates, "issuing.crt"), certificates)?,
            crls: if crl.is_empty() {
                None
            } else {
                Some(all(&crl, crls)?)
            },
        })
    }
}

fn all(
    paths: &[PathBuf],
    read: fn(&Path) -> Result<Vec<Vec<u8>>, CommandError>,
) -> Result<Vec<Vec<u8>>, CommandError> {
    paths
        .iter()
        .map(|path| read(path))
        .collect::<Result<Vec<_>, _>>()
        .map(|lists| lists.concat())
}

fn certificates(path: &Path) -> Result<Vec<Vec<u8>>, CommandError> {
    inspect::certificates(&input::read(path)?).map_err(|error| not_a_bundle(path, &error))
}

fn crls(path: &Path) -> Result<Vec<Vec<u8>>, CommandError> {
    inspect::crls(&input::read(path)?).map_err(|error| not_a_bundle(path, &error))
}

fn not_a_bundle(path: &Path, error: &BundleError) -> CommandError {
    CommandError::new(Kind::Malformed, format_args!("{}: {error}.", named(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_failure_has_a_documented_exit_code_of_its_own() {
        let codes: Vec<u8> = FailureKind::ALL.into_iter().map(exit_code).collect();
        assert_eq!(codes, (10..26).collect::<Vec<u8>>());
        for kind in FailureKind::ALL {
            let line = format!("  {} {}", exit_code(kind), kind.as_str());
            assert!(EXIT_CODES.contains(&line), "{line} is missing in the help");
        }
    }
}
