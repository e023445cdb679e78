//! `HOST:PORT`, as people write it: a name, an IPv4 address, or an IPv6 address in brackets (RFC 3986 section 3.2.2).

use std::{fmt, net::IpAddr};

use pki::text::escape;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    host: String,
    port: u16,
}

/// Why a text is no address: a whole sentence without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoAddress(String);

impl Address {
    /// Reads an address.
    pub(crate) fn parse(text: &str) -> Result<Self, NoAddress> {
        let no = |why: &str| Err(NoAddress(format!("“{}” {why}", escape(text))));
        if text.contains("://") || text.contains('/') {
            return no("is a URL or a path: give host and port alone, as in order.example.org:443");
        }
        let (host, port_text) = match text.strip_prefix('[') {
            Some(rest) => match rest.split_once("]:") {
                Some((host, port)) if host.contains(':') => (host, port),
                _ => {
                    return no(
                        "is not an IPv6 address in brackets with a port, as [2001:db8::1]:443 is",
                    );
                }
            },
            None => match text.rsplit_once(':') {
                Some((host, _)) if host.contains(':') => {
                    return no(
                        "has several colons: put an IPv6 address in brackets, as in [2001:db8::1]:443",
                    );
                }
                Some(parts) => parts,
                None => return no("has no port: give HOST:PORT, as in order.example.org:443"),
            },
        };
        if host.is_empty() {
            return no("has no host: give HOST:PORT, as in order.example.org:443");
        }
        if host.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return no("has a blank or a control character in its host");
        }
        match port_text.parse() {
            // `parse` takes a sign, too.
            Ok(port @ 1..) if !port_text.starts_with('+') => Ok(Self {
                host: host.to_owned(),
                port,
            }),
            _ => no("has no port from 1 to 65535 behind its last colon"),
        }
    }

    /// The host for the resolver; an IPv6 address without its brackets.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The host as a certificate names it: an IPv6 address has no zone there (RFC 4007 section 11).
    pub(crate) fn name(&self) -> &str {
        match self.host.split_once('%') {
            Some((address, _)) if address.parse::<IpAddr>().is_ok() => address,
            _ => &self.host,
        }
    }
}

/// Safe for a terminal.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = escape(&self.host);
        match host.contains(':') {
            true => write!(f, "[{host}]:{}", self.port),
            false => write!(f, "{host}:{}", self.port),
        }
    }
}

impl fmt::Display for NoAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_of_both_versions_are_read() {
        for (text, host, port, name) in [
            (
                "order.example.org:443",
                "order.example.org",
                443,
                "order.example.org",
            ),
            ("127.0.0.1:1", "127.0.0.1", 1, "127.0.0.1"),
            ("[::1]:65535", "::1", 65535, "::1"),
            ("[fe80::1%eth0]:443", "fe80::1%eth0", 443, "fe80::1"),
        ] {
            let address = Address::parse(text).expect(text);
            assert_eq!(
                (address.host(), address.port(), address.name()),
                (host, port, name)
            );
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_reason() {
        for (text, reason) in [
            ("order", "has no port"),
            ("", "has no port"),
            (":443", "has no host"),
            ("order:", "from 1 to 65535"),
            ("order:0", "from 1 to 65535"),
            ("order:65536", "from 1 to 65535"),
            ("order:-1", "from 1 to 65535"),
            ("order:+1", "from 1 to 65535"),
            ("order:https", "from 1 to 65535"),
            ("::1:443", "several colons"),
            ("[::1]", "in brackets"),
            ("[order]:443", "in brackets"),
            ("https://order:443", "a URL"),
            ("certs/order:443", "a path"),
            ("or\u{1b}der:443", "control character"),
        ] {
            let refused = Address::parse(text).expect_err(text).to_string();
            assert!(refused.contains(reason), "{refused}");
            assert!(!refused.contains('\u{1b}'), "{refused}");
        }
    }
}
