//! `pki connect`: one TLS handshake with a server, and everything that is to be seen in it.
//!
//! Reads the files, connects (`connection`), asks `pki::path_validation` about the chain, and tells which side refuses
//! what, and why (`connection::report`).

use std::{path::PathBuf, time::Duration};

use pki::{
    path_validation::{ExpectedName, FailureKind, Purpose, Request},
    text::escape,
};
use rustls::{SupportedProtocolVersion, pki_types::ServerName, version};
use time::OffsetDateTime;

use crate::{
    Global,
    command_error::{CommandError, Kind},
    connection::{Address, OwnPair, Report, Wish, connect, folder_of},
    output::Output,
    passphrase::PassphraseArgs,
    trust::Trust,
    verdict::Verdict,
};

const EXAMPLES: &str = "\
JSON: {\"target\", \"connected\", \"server_name\", \"protocol\", \"cipher_suite\", \"key_exchange\", \"alpn\", \"ocsp_staple\",
\"chain\": [objects as pki inspect shows them], \"identity\": {\"subject\", \"spiffe\", \"dns\", \"ip\", \"uri\", \"email\",
\"days_left\", \"validity\"}, \"client_certificate\": {\"asked\", \"authorities\", \"shown\", \"answered\"}, \"verdict\": {as pki verify
shows it}, \"refused_by\", \"alert\"}. What was not seen is null. `refused_by` is client (this side rejects the server),
server (it refuses us), or null. When something failed, `error` stands beside them.
Field names do not change; new ones may come.

Exit codes: 0 both sides accept each other, 10 to 25 the server's certificate is rejected (see pki verify --help),
110 unreachable, 111 timed out, 112 no TLS handshake, 113 the server refused our certificate or demands one.

Examples:
  pki connect order.microservices.dev:50051 --identity payment   as payment would connect
  pki connect 127.0.0.1:50051 --host order.microservices.dev     at an address, under its name
  pki connect example.org:443 --trust system --alpn http/1.1     a server of the public web";

/// Shake hands with a TLS server and say which side refuses what, and why
///
/// Makes one real connection, with a certificate of our own if one is given, and shows what was agreed and what the
/// server sent. The server's chain is shown also when it is not trusted, and then judged as pki verify judges it, for
/// the name that was asked for; unless --trust names other trust anchors, what the index of the CA in --dir says is
/// revoked is rejected without a CRL, too. Where the server asked for a certificate, its first word after the handshake is awaited:
/// in TLS 1.3 a refusal comes only then.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The server; an IPv6 address stands in brackets, as in [::1]:443
    #[arg(value_name = "HOST:PORT")]
    address: String,
    /// The name that the server is asked for and its certificate must have [default: HOST]
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// Show the certificate in this folder, when one is asked for: a name in --dir, or a path
    #[arg(long, value_name = "NAME|FOLDER", help_heading = "Our certificate")]
    identity: Option<PathBuf>,
    /// Show the certificate in this file, its intermediates behind it
    #[arg(
        long,
        value_name = "FILE",
        requires = "key",
        conflicts_with = "identity",
        help_heading = "Our certificate"
    )]
    cert: Option<PathBuf>,
    /// The key of that certificate
    #[arg(
        long,
        value_name = "FILE",
        requires = "cert",
        help_heading = "Our certificate"
    )]
    key: Option<PathBuf>,
    /// Trust anchors, a PEM bundle or DER; system is the operating system's [default: ca.crt of --identity, or else the
    /// root of the CA in --dir]
    #[arg(long, value_name = "FILE")]
    trust: Vec<PathBuf>,
    /// CRLs: every certificate of the path but the root must then be covered by a valid one [default: crl.pem where the
    /// trust anchor comes from, if it is there]
    #[arg(long, value_name = "FILE")]
    crl: Vec<PathBuf>,
    /// Protocols to offer, the preferred first, with commas; none offers nothing
    #[arg(
        long,
        value_name = "PROTOCOL",
        value_delimiter = ',',
        default_value = "h2"
    )]
    alpn: Vec<String>,
    /// Offer this version of TLS alone
    #[arg(long, value_name = "VERSION", value_parser = ["1.2", "1.3"])]
    tls: Option<String>,
    /// Give up after this time, as in 500ms, 5s or 1m
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, default_value = "5s", value_parser = timeout)]
    timeout: Duration,
    /// Show the whole chain as pki inspect does, and not one line each
    #[arg(long)]
    text: bool,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

pub(crate) fn run(global: &Global, args: &Args, output: &mut Output) -> Result<(), CommandError> {
    let now = OffsetDateTime::now_utc();
    let address = Address::parse(&args.address)
        .map_err(|error| CommandError::new(Kind::Usage, format_args!("{error}.")))?;
    let host = args.host.as_deref().unwrap_or_else(|| address.name());
    let (server_name, expected) = names(host)?;
    let own = args.own_pair(global, now)?;
    let trust = args.trust(global)?;

    let wish = Wish {
        address: &address,
        server_name,
        alpn: args.protocols()?,
        versions: args.versions(),
        own: own.as_ref(),
        listens: true,
        timeout: args.timeout,
    };
    let attempt = connect(&wish);
    let verdict = |intermediates: &[Vec<u8>]| {
        let (leaf, rest) = attempt.seen.chain.split_first()?;
        let request = Request::new(leaf, now)
            .trust(&trust.anchors)
            .intermediates(rest)
            .intermediates(intermediates)
            .purpose(Purpose::Server)
            .name(expected.clone());
        Some(Verdict::of(&match &trust.crls {
            Some(crls) => request.crls(crls),
            None => request,
        }))
    };
    // As a client judges it, which has what the server sends and nothing else.
    let mut judged = verdict(&[]);
    // Without trust anchors of somebody else it is the CA of --dir that is asked, and that knows what it revoked.
    if let (Some(judged), true) = (&mut judged, args.trust.is_empty()) {
        judged.ask_index(&global.dir, output)?;
    }
    let intermediate_is_missing = judged.as_ref().and_then(Verdict::rule)
        == Some(FailureKind::NoPath)
        && verdict(&trust.intermediates).is_some_and(|verdict| verdict.rule().is_none());

    let report = Report::new(
        &wish,
        &attempt,
        judged.as_ref(),
        intermediate_is_missing,
        now,
    );
    let failure = report.failure();
    if output.json() {
        output.document(&report.json(failure.as_ref()))?;
    } else {
        report.lines(args.text, output)?;
    }
    report.notices(output);
    match failure {
        Some(failure) => Err(failure.told_in_json()),
        None => Ok(()),
    }
}

impl Args {
    fn own_pair(
        &self,
        global: &Global,
        now: OffsetDateTime,
    ) -> Result<Option<OwnPair>, CommandError> {
        Ok(match (&self.identity, &self.cert, &self.key) {
            (Some(name), _, _) => {
                let folder = folder_of(&global.dir, name);
                Some(OwnPair::in_folder(&folder, &self.passphrase, now)?)
            }
            (None, Some(cert), Some(key)) => {
                Some(OwnPair::in_files(cert, key, &self.passphrase, now)?)
            }
            _ => None,
        })
    }

    fn trust(&self, global: &Global) -> Result<Trust, CommandError> {
        match &self.identity {
            Some(name) if self.trust.is_empty() => {
                Trust::of_folder(&folder_of(&global.dir, name), &self.crl)
            }
            _ => Trust::read(&global.dir, &self.trust, &[], &self.crl),
        }
    }

    fn protocols(&self) -> Result<Vec<Vec<u8>>, CommandError> {
        if self.alpn == ["none"] {
            return Ok(Vec::new());
        }
        // RFC 7301 section 3.1: 1 to 255 octets each.
        match self
            .alpn
            .iter()
            .find(|name| !(1..=255).contains(&name.len()))
        {
            Some(name) => Err(CommandError::new(
                Kind::Usage,
                format_args!("--alpn “{}” is no protocol's name.", escape(name)),
            )
            .hint("Give names of 1 to 255 octets, as in --alpn h2,http/1.1, or --alpn none.")),
            None => Ok(self
                .alpn
                .iter()
                .map(|name| name.as_bytes().to_vec())
                .collect()),
        }
    }

    fn versions(&self) -> &'static [&'static SupportedProtocolVersion] {
        static TLS12: &[&SupportedProtocolVersion] = &[&version::TLS12];
        static TLS13: &[&SupportedProtocolVersion] = &[&version::TLS13];
        match self.tls.as_deref() {
            Some("1.2") => TLS12,
            Some(_) => TLS13,
            None => rustls::ALL_VERSIONS,
        }
    }
}

/// The name as the server is asked for it, and as its certificate must have it.
fn names(host: &str) -> Result<(ServerName<'static>, ExpectedName), CommandError> {
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    let expected = if is_address {
        ExpectedName::ip(host)
    } else {
        ExpectedName::host(host)
    };
    let no_name = |reason: String| {
        CommandError::new(Kind::Usage, reason)
            .hint("Give the name that the server's certificate has with --host.")
    };
    let expected = expected.map_err(|error| no_name(format!("{error}.")))?;
    let server_name = ServerName::try_from(host.to_owned())
        .map_err(|_| no_name(format!("“{}” is no name of a server.", escape(host))))?;
    Ok((server_name, expected))
}

/// A time with its unit. An hour is more than anybody waits for a handshake, and little enough for any clock.
fn timeout(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let milliseconds = match &text[digits.len()..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => 0,
    };
    digits
        .parse::<u32>()
        .ok()
        .map(|number| u64::from(number) * milliseconds)
        .filter(|milliseconds| (1..=3_600_000).contains(milliseconds))
        .map(Duration::from_millis)
        .ok_or_else(|| "give a time from 1ms to 60m, as in 500ms, 5s or 1m".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_has_a_unit_and_an_end() {
        for (text, milliseconds) in [("500ms", 500), ("5s", 5_000), ("2m", 120_000)] {
            assert_eq!(timeout(text), Ok(Duration::from_millis(milliseconds)));
        }
        for text in [
            "",
            "5",
            "s",
            "0s",
            "-1s",
            "1.5s",
            "61m",
            "5h",
            "99999999999s",
            "5 s",
            "5ß",
        ] {
            assert!(timeout(text).is_err(), "{text}");
        }
    }
}
