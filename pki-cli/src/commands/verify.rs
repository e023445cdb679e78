//! `pki verify`: path validation for people and scripts.
//!
//! Reads the files, takes the time, and asks `pki::path_validation`; how the answer is told stands in `verdict`.

use std::path::PathBuf;

use pki::{
    path_validation::{ExpectedName, ExpectedNameError, Purpose, Request},
    text,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    Global,
    command_error::{CommandError, Kind},
    output::Output,
    trust::{Trust, certificates, named},
    verdict::Verdict,
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
/// algorithms, and, with --crl, revocation; what the index of the CA in --dir says is revoked is rejected without a CRL,
/// too. Says which rule failed, at which certificate, by which clause, and what
/// to do. Certificates behind the first one in LEAF count as intermediates.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Args {
    /// The certificate, in PEM or DER; - is stdin
    #[arg(value_name = "LEAF")]
    leaf: PathBuf,
    /// Trust anchors, a PEM bundle or DER; system is the operating system's [default: the root of the CA in --dir]
    #[arg(long, value_name = "FILE")]
    trust: Vec<PathBuf>,
    /// Certificates to build a path from, in any order [default: the issuing CA in --dir]
    #[arg(long, value_name = "FILE")]
    intermediates: Vec<PathBuf>,
    /// CRLs: every certificate of the path but the root must then be covered by a valid one [default: crl.pem of the CA in
    /// --dir, once there is one]
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
    let files = Trust::read(&global.dir, &args.trust, &args.intermediates, &args.crl)?;
    let Some((leaf, rest)) = chain.split_first() else {
        return Err(CommandError::new(
            Kind::Malformed,
            format_args!("{} holds no certificate.", named(&args.leaf)),
        ));
    };
    let mut request = Request::new(leaf, time)
        .trust(&files.anchors)
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
    let mut verdict = Verdict::of(&request);
    if args.trust.is_empty() {
        verdict.ask_index(&global.dir, output)?;
    }
    if let Some(failure) = verdict.failure(&named(&args.leaf)) {
        return Err(failure);
    }
    if output.json() {
        output.document(&verdict.json())?;
    } else {
        verdict.lines("accepted", output)?;
    }
    verdict.notices(output);
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command_error::exit_codes;

    #[test]
    fn every_rule_stands_in_the_help_with_its_exit_code() {
        let rows = exit_codes()
            .into_iter()
            .filter(|row| (10..=100).contains(&row.code));
        let lines: Vec<_> = rows
            .map(|row| format!("  {} {:<18}  {}", row.code, row.name, row.meaning))
            .collect();
        let shown: Vec<_> = EXIT_CODES
            .lines()
            .filter(|line| {
                line.starts_with("  1") && !line.starts_with("  1 ") || line.starts_with("  2")
            })
            .collect();
        assert_eq!(shown, lines);
    }
}
