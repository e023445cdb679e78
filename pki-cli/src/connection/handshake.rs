//! One handshake, step by step, and the wait for the server's first word after it.
//!
//! In TLS 1.3 a client is done before the server has looked at its certificate (RFC 8446 sections 4.4.4 and 6.2), so a
//! refusal comes after the handshake. Where the server asked for a certificate we therefore listen for a while: for an
//! alert, for a session ticket (a server that asks for certificates sends it only after the client's last message,
//! section 4.6.1), or for data. A server of HTTP/2 that waits for the client to speak first is told the opening of that
//! protocol (RFC 9113 section 3.4).

use std::{
    io::Write,
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{ClientConfig, ClientConnection, IoState, ProtocolVersion, client::Resumption};

use super::{Failure, OwnPair, Seen, Wish, observer::Observer, provider, wire::Wire};

/// How long we listen for the server's first word.
const FIRST_WORD: Duration = Duration::from_millis(1000);
/// Of which so long before we open HTTP/2: a server that speaks first, or refuses, has then spoken. What is sent to a
/// server that closes the connection can cost us its last words.
const LISTEN_FIRST: Duration = Duration::from_millis(250);

/// The opening of HTTP/2 with settings that change nothing.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Shakes hands. What was seen is written down also when it fails.
pub(super) fn run(wish: &Wish<'_>, wire: &mut Wire, seen: &mut Seen) -> Result<(), Failure> {
    let provider = provider();
    let observer = Arc::new(Observer::new(
        provider.signature_verification_algorithms,
        wish.own.map(OwnPair::key),
    ));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(wish.versions)
        .map_err(Failure::Tls)?
        // It records and does not judge; path validation does afterwards.
        .dangerous()
        .with_custom_certificate_verifier(observer.clone())
        .with_client_cert_resolver(observer.clone());
    config.alpn_protocols.clone_from(&wish.alpn);
    config.resumption = Resumption::disabled();
    let mut tls =
        ClientConnection::new(Arc::new(config), wish.server_name.clone()).map_err(Failure::Tls)?;

    let outcome = shake(&mut tls, wire);
    write_down(&tls, &observer, seen);
    outcome?;
    seen.finished = true;
    // TLS 1.2 has the server's last message after its judgement of our certificate (RFC 5246 section 7.3).
    if seen.asked.is_none() {
        return Ok(());
    }
    if tls.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
        seen.answered = true;
        return Ok(());
    }
    if wish.listens {
        seen.answered = first_word(&mut tls, wire)?;
    }
    tls.send_close_notify();
    let _ = tls.write_tls(wire);
    Ok(())
}

fn write_down(tls: &ClientConnection, observer: &Observer, seen: &mut Seen) {
    let notes = observer.notes();
    seen.chain = notes.chain;
    seen.ocsp_staple = notes.ocsp_staple;
    seen.proved = notes.proved;
    seen.shown = notes
        .asked
        .as_ref()
        .is_some_and(|asked| asked.takes_our_key);
    seen.asked = notes.asked;
    seen.protocol = tls.protocol_version().map(|version| match version {
        ProtocolVersion::TLSv1_2 => "TLS 1.2".to_owned(),
        ProtocolVersion::TLSv1_3 => "TLS 1.3".to_owned(),
        other => format!("{other:?}"),
    });
    // rustls tells the suites of TLS 1.3 apart by a 13 that is not in their names.
    seen.cipher_suite = tls
        .negotiated_cipher_suite()
        .map(|suite| format!("{:?}", suite.suite()).replace("TLS13_", "TLS_"));
    seen.key_exchange = tls
        .negotiated_key_exchange_group()
        .map(|group| format!("{:?}", group.name()));
    seen.alpn = tls.alpn_protocol().map(<[u8]>::to_vec);
}

fn shake(tls: &mut ClientConnection, wire: &mut Wire) -> Result<(), Failure> {
    loop {
        send(tls, wire)?;
        if !tls.is_handshaking() {
            return Ok(());
        }
        receive(tls, wire)?;
    }
}

/// Whether the server said something that was no refusal.
fn first_word(tls: &mut ClientConnection, wire: &mut Wire) -> Result<bool, Failure> {
    let now = Instant::now();
    let end = wire.deadline().min(now + FIRST_WORD);
    if tls.alpn_protocol() == Some(b"h2") {
        wire.set_deadline(end.min(now + LISTEN_FIRST));
        if listen(tls, wire)? {
            return Ok(true);
        }
        // What cannot be sent any more is told by what is received next.
        let _ = tls.writer().write_all(HTTP2_PREFACE);
        let _ = tls.write_tls(wire);
    }
    wire.set_deadline(end);
    listen(tls, wire)
}

fn listen(tls: &mut ClientConnection, wire: &mut Wire) -> Result<bool, Failure> {
    let mut state = tls
        .process_new_packets()
        .map_err(|error| Failure::of_tls(error, wire.beginning()))?;
    loop {
        if tls.tls13_tickets_received() > 0
            || state.plaintext_bytes_to_read() > 0
            || state.peer_has_closed()
        {
            return Ok(true);
        }
        match receive(tls, wire) {
            Ok(news) => state = news,
            Err(Failure::TimedOut(..)) => return Ok(false),
            Err(failure) => return Err(failure),
        }
    }
}

fn send(tls: &mut ClientConnection, wire: &mut Wire) -> Result<(), Failure> {
    while tls.wants_write() {
        if let Err(error) = tls.write_tls(wire) {
            let failure = Failure::of_io(error, wire);
            // A server that went away may have said why, and that is still to be read.
            return Err(match failure {
                Failure::Closed => last_words(tls, wire).unwrap_or(failure),
                failure => failure,
            });
        }
    }
    Ok(())
}

/// The alert that is waiting to be read, if there is one.
fn last_words(tls: &mut ClientConnection, wire: &mut Wire) -> Option<Failure> {
    loop {
        match receive(tls, wire) {
            Ok(_) => {}
            Err(failure @ (Failure::Alert(_) | Failure::NotTls(_))) => return Some(failure),
            Err(_) => return None,
        }
    }
}

fn receive(tls: &mut ClientConnection, wire: &mut Wire) -> Result<IoState, Failure> {
    match tls.read_tls(wire) {
        Ok(0) => return Err(Failure::Closed),
        Ok(_) => {}
        Err(error) => return Err(Failure::of_io(error, wire)),
    }
    tls.process_new_packets().map_err(|error| {
        // Our alert, as the protocol asks (RFC 8446 section 6.2).
        let _ = tls.write_tls(wire);
        Failure::of_tls(error, wire.beginning())
    })
}
