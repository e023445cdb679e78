//! What a server means by the alert with which it ends a handshake (RFC 8446 section 6.2), told with what is known
//! of our own certificate: who refused, why, and what to do.

use pki::{inspect::distinguished_name, text::escape};
use rustls::AlertDescription;

use super::{
    OwnPair, Seen, Wish,
    report::{MOST_AUTHORITIES, listed},
};
use crate::command_error::{CommandError, Kind};

/// The alert's name in RFC 8446, or its number.
pub(super) fn name(alert: AlertDescription) -> String {
    // IANA's registry writes these so; rustls writes them in camel case.
    let known = match alert {
        AlertDescription::UnknownCA => "unknown_ca",
        AlertDescription::UnrecognisedName => "unrecognized_name",
        AlertDescription::UnknownPSKIdentity => "unknown_psk_identity",
        AlertDescription::Unknown(number) => return number.to_string(),
        other => return snake_case(&format!("{other:?}")),
    };
    known.to_owned()
}

fn snake_case(camel_case: &str) -> String {
    let mut out = String::new();
    for character in camel_case.chars() {
        if character.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(character.to_ascii_lowercase());
    }
    out
}

/// The failure that an alert tells of.
pub(super) fn tell(
    alert: AlertDescription,
    at: &str,
    wish: &Wish<'_>,
    seen: &Seen,
) -> CommandError {
    let told = name(alert);
    if seen.asked.is_some()
        && let Some(error) = about_our_certificate(alert, &told, at, wish, seen)
    {
        return error;
    }
    let handshake = |message: String| CommandError::new(Kind::Handshake, message);
    match alert {
        AlertDescription::ProtocolVersion => no_version(at, wish),
        AlertDescription::NoApplicationProtocol => {
            let offered: Vec<_> = wish
                .alpn
                .iter()
                .map(|protocol| escape(&String::from_utf8_lossy(protocol)))
                .collect();
            handshake(format!(
                "{at} speaks none of the protocols that were offered by ALPN: {} (alert {told}).",
                offered.join(", ")
            ))
            .hint("Offer another one, as in --alpn http/1.1, or none with --alpn none.")
        }
        AlertDescription::UnrecognisedName => handshake(format!(
            "{at} serves nothing under the name {} (alert {told}).",
            escape(&wish.server_name.to_str())
        ))
        .hint("Give the name that it serves with --host."),
        AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => {
            handshake(format!(
                "{at} and this side have no cipher suite, group or signature algorithm in common (alert {told})."
            ))
            .hint("Allow what is of today on the server (TLS 1.3, or TLS 1.2 with ECDHE and AES-GCM); --tls 1.2 and --tls 1.3 offer one version alone.")
        }
        AlertDescription::InternalError => {
            handshake(format!("{at} met an error of its own (alert {told})."))
                .hint("Its log says which; a server without a certificate for this name says this, too (--host).")
        }
        _ => handshake(format!("{at} ended the handshake (alert {told})."))
            .hint("Its log says why."),
    }
}

/// The server closed the connection after it had asked for a certificate, and said nothing.
pub(super) fn silent(at: &str, wish: &Wish<'_>, seen: &Seen) -> CommandError {
    match wish.own {
        Some(own) if seen.shown => CommandError::new(
            Kind::PeerRefused,
            format_args!(
                "{at} closed the connection after our certificate {own} was shown, without an alert: it most likely refused it."
            ),
        )
        .hint("Its log says why."),
        _ => nothing_shown(at, "it closed the connection", wish, seen),
    }
}

/// No version of TLS in common.
pub(super) fn no_version(at: &str, wish: &Wish<'_>) -> CommandError {
    let offered = match wish.versions {
        [one] if one.version == rustls::ProtocolVersion::TLSv1_2 => "TLS 1.2",
        [_] => "TLS 1.3",
        _ => "TLS 1.2 or TLS 1.3",
    };
    let hint = match wish.versions {
        [_] => "Leave out --tls, to offer TLS 1.2 and TLS 1.3.",
        _ => "What is older is broken (RFC 8996): switch TLS 1.3 on at the server.",
    };
    CommandError::new(
        Kind::Handshake,
        format_args!("{at} does not speak {offered}, which was offered."),
    )
    .hint(hint)
}

/// The alerts with which a server answers to a certificate, or to there being none.
fn about_our_certificate(
    alert: AlertDescription,
    told: &str,
    at: &str,
    wish: &Wish<'_>,
    seen: &Seen,
) -> Option<CommandError> {
    let own = wish.own.filter(|_| seen.shown);
    let (why, hint) = match (alert, own) {
        // TLS 1.2 has no alert of its own for that (RFC 5246 section 7.4.6).
        (
            AlertDescription::CertificateRequired
            | AlertDescription::HandshakeFailure
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::NoCertificate
            | AlertDescription::AccessDenied,
            None,
        ) => return Some(nothing_shown(at, &format!("alert {told}"), wish, seen)),
        (_, None) => return None,
        (AlertDescription::CertificateRevoked, Some(_)) => (
            "it is revoked",
            "Find out why it was revoked, and have a new one issued under a new key.".to_owned(),
        ),
        (AlertDescription::CertificateExpired, Some(own)) => (
            "it has expired, or is not valid yet, by the server's clock",
            own.validity_advice(),
        ),
        (AlertDescription::UnknownCA, Some(own)) => (
            "the server does not trust the CA that issued it",
            format!(
                "It was issued by {}{}. Show a certificate of a CA that the server trusts{}, or have that CA's root added to its trust anchors.",
                escape(&own.issuer()),
                own.intermediates_sent(),
                names_of(seen)
            ),
        ),
        (AlertDescription::UnsupportedCertificate, Some(_)) => (
            "it is not for clients (extended key usage clientAuth)",
            "Have it issued under the profile client or peer.".to_owned(),
        ),
        (AlertDescription::AccessDenied, Some(_)) => (
            "it is valid, and its names have no access",
            "Allow its identity on the server.".to_owned(),
        ),
        (AlertDescription::BadCertificate, Some(_)) => (
            "something in it, or its name, is not acceptable",
            "The server's log says what; pki verify --purpose client judges it here.".to_owned(),
        ),
        (AlertDescription::CertificateUnknown, Some(_)) => (
            "something in it or in its chain is not acceptable",
            "The server's log says what; pki verify --purpose client judges it here.".to_owned(),
        ),
        (AlertDescription::DecryptError, Some(_)) => (
            "a signature by it or in its chain is wrong",
            "Look whether the server trusts another CA of the same name; pki verify --purpose client judges the chain here.".to_owned(),
        ),
        (AlertDescription::HandshakeFailure, Some(_)) => (
            "it did not say why",
            "The server's log says why; pki verify --purpose client judges it here.".to_owned(),
        ),
        _ => return None,
    };
    let own = own?;
    Some(
        CommandError::new(
            Kind::PeerRefused,
            format_args!("{at} refused our certificate {own}: {why} (alert {told})."),
        )
        .hint(hint),
    )
}

fn nothing_shown(at: &str, told: &str, wish: &Wish<'_>, seen: &Seen) -> CommandError {
    let error = CommandError::new(
        Kind::PeerRefused,
        match wish.own {
            Some(own) => format!(
                "{at} demands a client certificate, and takes no signature by a key like that of {own}, so none was shown ({told})."
            ),
            None => format!("{at} demands a client certificate, and none was shown ({told})."),
        },
    );
    let names = names_of(seen);
    match wish.own {
        Some(_) => error
            .hint("Have one issued with another kind of key, P-256 for example, and show that."),
        None => error.hint(format!(
            "Show one with --identity NAME, or with --cert FILE and --key FILE{names}."
        )),
    }
}

/// The CAs that the server names, as a part of a sentence; nothing when it names none.
fn names_of(seen: &Seen) -> String {
    let authorities = seen
        .asked
        .as_ref()
        .map(|asked| asked.authorities.as_slice())
        .unwrap_or_default();
    if authorities.is_empty() {
        return String::new();
    }
    let names = authorities.iter().map(|der| readable(der));
    let names = listed(names, authorities.len(), MOST_AUTHORITIES, "; ");
    format!(" (it names {names})")
}

/// A CA's name, safe for a terminal.
pub(crate) fn readable(der: &[u8]) -> String {
    distinguished_name(der).unwrap_or_else(|| "a name that cannot be read".to_owned())
}

impl OwnPair {
    fn intermediates_sent(&self) -> String {
        match self.count() {
            1 => ", and no intermediate was sent along".to_owned(),
            2 => ", and 1 intermediate was sent along".to_owned(),
            count => format!(", and {} intermediates were sent along", count - 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_have_the_names_of_the_standard() {
        for (alert, expected) in [
            (
                AlertDescription::CertificateRequired,
                "certificate_required",
            ),
            (AlertDescription::UnknownCA, "unknown_ca"),
            (AlertDescription::UnrecognisedName, "unrecognized_name"),
            (AlertDescription::ProtocolVersion, "protocol_version"),
            (
                AlertDescription::NoApplicationProtocol,
                "no_application_protocol",
            ),
            (AlertDescription::Unknown(200), "200"),
        ] {
            assert_eq!(name(alert), expected);
        }
    }
}
