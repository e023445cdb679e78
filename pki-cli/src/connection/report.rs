//! What was seen on a connection, for people and for machines, and the failure that it ends in.

use std::io;

use pki::{
    inspect::{Identity, InspectError, Object, inspect},
    text::escape,
};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{Attempt, Wish, alert::readable};
use crate::{command_error::CommandError, output::Output, verdict::Verdict};

/// Names of CAs, and of a server, that a line can hold.
pub(super) const MOST_AUTHORITIES: usize = 4;
const MOST_NAMES: usize = 12;

/// One connection, judged.
pub(crate) struct Report<'a> {
    wish: &'a Wish<'a>,
    attempt: &'a Attempt,
    chain: Vec<Result<Object, InspectError>>,
    identity: Option<Identity>,
    verdict: Option<&'a Verdict>,
    /// The chain would be accepted with an intermediate that the server did not send.
    intermediate_is_missing: bool,
}

impl<'a> Report<'a> {
    pub(crate) fn new(
        wish: &'a Wish<'a>,
        attempt: &'a Attempt,
        verdict: Option<&'a Verdict>,
        intermediate_is_missing: bool,
        now: OffsetDateTime,
    ) -> Self {
        let chain = &attempt.seen.chain;
        Self {
            wish,
            attempt,
            chain: objects(chain, now),
            identity: chain.first().and_then(|leaf| Identity::read(leaf, now)),
            verdict,
            intermediate_is_missing,
        }
    }

    /// What the command fails with. Our own judgement comes first, since a client that means to use the connection would
    /// have ended it there, before the server could judge in its turn. Where the server did not prove that it holds the
    /// key, nobody knows whose chain it is, and there is nothing to judge.
    pub(crate) fn failure(&self) -> Option<CommandError> {
        let seen = &self.attempt.seen;
        let theirs = self
            .attempt
            .failure
            .as_ref()
            .map(|failure| failure.tell(self.wish, seen));
        let ours = self
            .verdict
            .filter(|_| seen.proved)
            .and_then(|verdict| verdict.failure(&format!("The certificate of {}", self.wish.address)))
            .map(|error| match self.intermediate_is_missing {
                true => error.hint("The server sends its certificate without the issuing CA's, with which it would be accepted: put that behind it in the server's certificate file (tls.crt)."),
                false => error,
            });
        match (ours, theirs) {
            (Some(ours), Some(theirs)) => Some(ours.hint(format_args!("Besides: {theirs}"))),
            (ours, theirs) => ours.or(theirs),
        }
    }

    /// Which side refused, when one did.
    fn refused_by(&self) -> Option<&'static str> {
        let rejected = |verdict: &&Verdict| verdict.rule().is_some();
        match &self.attempt.failure {
            _ if self.attempt.seen.proved && self.verdict.as_ref().is_some_and(rejected) => {
                Some("client")
            }
            Some(failure) if failure.is_by_server() => Some("server"),
            _ => None,
        }
    }

    /// One document. The field names are a promise.
    pub(crate) fn json(&self, failure: Option<&CommandError>) -> Value {
        let seen = &self.attempt.seen;
        let authorities = seen.asked.as_ref().map(|asked| {
            asked
                .authorities
                .iter()
                .map(|der| readable(der))
                .collect::<Vec<_>>()
        });
        // Before the end of the handshake nobody knows whether the server would still have asked.
        let asked = (seen.finished || seen.asked.is_some()).then_some(seen.asked.is_some());
        let mut document = json!({
            "target": self.wish.address.to_string(),
            "connected": seen.connected.map(|address| address.to_string()),
            "server_name": self.wish.server_name.to_str(),
            "protocol": seen.protocol,
            "cipher_suite": seen.cipher_suite,
            "key_exchange": seen.key_exchange,
            "alpn": seen.alpn.as_deref().map(String::from_utf8_lossy),
            "ocsp_staple": seen.protocol.as_ref().map(|_| seen.ocsp_staple),
            "chain": self.chain.iter().map(object_json).collect::<Vec<_>>(),
            "identity": self.identity,
            "client_certificate": {
                "asked": asked,
                "authorities": authorities.unwrap_or_default(),
                "shown": self.shown(),
                "answered": seen.answered,
            },
            "verdict": self.verdict.filter(|_| seen.proved).map(Verdict::json),
            "refused_by": self.refused_by(),
            "alert": self.attempt.failure.as_ref().and_then(super::Failure::alert),
        });
        if let (Some(failure), Some(fields)) = (failure, document.as_object_mut()) {
            fields.insert("error".to_owned(), failure.to_json());
        }
        document
    }

    /// Lines for people; nothing when the server showed nothing.
    pub(crate) fn lines(&self, whole: bool, output: &mut Output) -> io::Result<()> {
        let seen = &self.attempt.seen;
        let (Some(connected), Some(protocol)) = (seen.connected, &seen.protocol) else {
            return Ok(());
        };
        if self.chain.is_empty() {
            return Ok(());
        }
        let mut line = |label: &str, text: &str| output.line(format_args!("{label:<18}  {text}"));
        line(
            "connected",
            &format!(
                "{connected}, as {}",
                escape(&self.wish.server_name.to_str())
            ),
        )?;
        let agreed: Vec<&str> = [
            Some(protocol),
            seen.cipher_suite.as_ref(),
            seen.key_exchange.as_ref(),
        ]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
        line("protocol", &agreed.join(", "))?;
        line("ALPN", &self.alpn())?;
        line("client certificate", &self.client_certificate())?;
        if let Some(identity) = &self.identity {
            let names = [&identity.uri, &identity.dns, &identity.ip, &identity.email];
            let count = names.iter().map(|names| names.len()).sum();
            let names = names.into_iter().flatten().map(|name| escape(name));
            line("server", &identity.subject)?;
            if count > 0 {
                line("  names", &listed(names, count, MOST_NAMES, ", "))?;
            }
            line("  validity", &identity.validity)?;
        }
        line("OCSP staple", if seen.ocsp_staple { "yes" } else { "none" })?;
        line("chain", &format!("{} sent", counted(self.chain.len())))?;
        for found in &self.chain {
            match found {
                Ok(object) if whole => output.write(object.text())?,
                Ok(object) => output.line(format_args!("  {}", object.short()))?,
                Err(error) => output.line(format_args!("  one that {error}"))?,
            }
        }
        match self.verdict {
            Some(verdict) if seen.proved => verdict.lines("the server's chain is accepted", output),
            _ => Ok(()),
        }
    }

    /// What is worth knowing although nothing failed.
    pub(crate) fn notices(&self, output: &mut Output) {
        if let Some(verdict) = self.verdict.filter(|_| self.attempt.seen.proved) {
            verdict.notices(output);
        }
        let seen = &self.attempt.seen;
        let offers_http2 = self.wish.alpn.iter().any(|protocol| protocol == b"h2");
        if seen.finished && seen.alpn.is_none() && offers_http2 {
            output.notice(
                "The server agreed to no protocol (ALPN); gRPC needs h2, which was offered.",
            );
        }
        if self.wish.own.is_some() && seen.finished && seen.asked.is_none() {
            output.notice("The server did not ask for our certificate, so it was not shown.");
        }
    }

    fn shown(&self) -> Option<String> {
        let own = self.wish.own.filter(|_| self.attempt.seen.shown)?;
        Some(own.certificate().subject().to_string())
    }

    fn alpn(&self) -> String {
        let text = |protocol: &[u8]| escape(&String::from_utf8_lossy(protocol));
        match (&self.attempt.seen.alpn, self.wish.alpn.as_slice()) {
            (Some(chosen), _) => text(chosen),
            (None, []) => "none offered".to_owned(),
            (None, offered) => {
                let offered: Vec<_> = offered.iter().map(|protocol| text(protocol)).collect();
                format!("none agreed; offered: {}", offered.join(", "))
            }
        }
    }

    fn client_certificate(&self) -> String {
        let seen = &self.attempt.seen;
        let Some(asked) = &seen.asked else {
            return match seen.finished {
                true => "not asked for".to_owned(),
                false => "not asked for until the handshake ended".to_owned(),
            };
        };
        let authorities = asked.authorities.iter().map(|der| readable(der));
        let of = match asked.authorities.len() {
            0 => "of any CA".to_owned(),
            count => format!("of {}", listed(authorities, count, MOST_AUTHORITIES, "; ")),
        };
        let own = match self.wish.own {
            Some(own) if seen.shown => format!("{own} shown"),
            _ => "none shown".to_owned(),
        };
        let answer = match (&self.attempt.failure, seen.answered) {
            (Some(failure), _) if failure.is_by_server() => "refused",
            (_, true) => "the server went on",
            (_, false) => "the server said nothing against it",
        };
        format!("asked for, {of}; {own}; {answer}")
    }
}

/// What a server sent as its chain, each as `pki inspect` shows it.
pub(crate) fn objects(chain: &[Vec<u8>], now: OffsetDateTime) -> Vec<Result<Object, InspectError>> {
    // In a handshake a certificate is DER and nothing else (RFC 8446 section 4.4.2): a text is none.
    let show = |certificate: &Vec<u8>| match certificate.first() {
        Some(0x30) => inspect(certificate, now, None),
        _ => vec![Err(InspectError::Foreign)],
    };
    chain.iter().flat_map(show).collect()
}

fn object_json(found: &Result<Object, InspectError>) -> Value {
    match found {
        Ok(object) => serde_json::to_value(object).unwrap_or_default(),
        Err(error) => json!({ "kind": "unreadable", "problem": format!("It {error}.") }),
    }
}

/// The first of `count` names, and how many more there are.
pub(super) fn listed(
    names: impl Iterator<Item = String>,
    count: usize,
    most: usize,
    between: &str,
) -> String {
    let shown: Vec<_> = names.take(most).collect();
    match count.saturating_sub(most) {
        0 => shown.join(between),
        more => format!("{} and {more} more", shown.join(between)),
    }
}

fn counted(count: usize) -> String {
    match count {
        1 => "1 certificate".to_owned(),
        count => format!("{count} certificates"),
    }
}
