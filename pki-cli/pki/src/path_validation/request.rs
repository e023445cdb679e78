//! What is to be validated, against what, when and for what use.

use time::OffsetDateTime;

/// One question to the validator: "may this certificate be relied on?"
///
/// Everything the answer depends on is in here; the validator reads no file, no clock and no environment.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    pub(crate) leaf: &'a [u8],
    pub(crate) time: OffsetDateTime,
    pub(crate) trust: Vec<&'a [u8]>,
    pub(crate) intermediates: Vec<&'a [u8]>,
    pub(crate) crls: Option<Vec<&'a [u8]>>,
    pub(crate) purpose: Option<Purpose>,
    pub(crate) names: Vec<ExpectedName>,
    pub(crate) max_depth: Option<usize>,
}

impl<'a> Request<'a> {
    /// Asks for `leaf` (DER) at `time`. Without [`Request::trust`] nothing is trusted and every answer is no.
    pub fn new(leaf: &'a [u8], time: OffsetDateTime) -> Self {
        Self {
            leaf,
            time,
            trust: Vec::new(),
            intermediates: Vec::new(),
            crls: None,
            purpose: None,
            names: Vec::new(),
            max_depth: None,
        }
    }

    /// Adds trust anchors: certificates (DER) that are relied on without a signature above them.
    #[must_use]
    pub fn trust<T: AsRef<[u8]> + ?Sized + 'a>(
        mut self,
        certificates: impl IntoIterator<Item = &'a T>,
    ) -> Self {
        self.trust
            .extend(certificates.into_iter().map(AsRef::as_ref));
        self
    }

    /// Adds certificates (DER) from which a path may be built, in any order, unused ones among them.
    #[must_use]
    pub fn intermediates<T: AsRef<[u8]> + ?Sized + 'a>(
        mut self,
        certificates: impl IntoIterator<Item = &'a T>,
    ) -> Self {
        self.intermediates
            .extend(certificates.into_iter().map(AsRef::as_ref));
        self
    }

    /// Adds CRLs (DER) and asks for revocation: from now on every certificate of the path below the trust anchor must
    /// be covered by a valid CRL, also when the list given here is empty.
    #[must_use]
    pub fn crls<T: AsRef<[u8]> + ?Sized + 'a>(
        mut self,
        crls: impl IntoIterator<Item = &'a T>,
    ) -> Self {
        self.crls
            .get_or_insert_default()
            .extend(crls.into_iter().map(AsRef::as_ref));
        self
    }

    /// Asks for a use in TLS (RFC 5280 section 4.2.1.12). Without it extended key usage is not looked at.
    #[must_use]
    pub fn purpose(mut self, purpose: Purpose) -> Self {
        self.purpose = Some(purpose);
        self
    }

    /// Asks that the certificate is for this name, too. Several names must all match.
    #[must_use]
    pub fn name(mut self, name: ExpectedName) -> Self {
        self.names.push(name);
        self
    }

    /// At most this many intermediate certificates that are not self-issued between trust anchor and leaf.
    #[must_use]
    pub fn max_depth(mut self, depth: usize) -> Self {
        self.max_depth = Some(depth);
        self
    }
}

/// What the end entity wants to do with its certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// `id-kp-serverAuth`.
    Server,
    /// `id-kp-clientAuth`.
    Client,
}

/// A name that the caller expects to find in the certificate.
///
/// Made with [`ExpectedName::host`] and its siblings, which refuse what no certificate could ever match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedName(pub(crate) Expected);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Lower case, no trailing dot.
    Host(String),
    Ip(std::net::IpAddr),
    Uri(String),
    Email(String),
}

/// Why a name cannot be asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExpectedNameError {
    /// Not a host name.
    #[error(
        "“{0}” is not a host name: give letters, digits and hyphens in labels joined by dots, without a wildcard"
    )]
    Host(String),
    /// An IP address where a host name was asked for.
    #[error("“{0}” is an IP address: ask for it as an IP, since it never matches a DNS name")]
    HostIsIp(String),
    /// Not an IP address.
    #[error(
        "“{0}” is not an IP address: give it as 192.0.2.1 or 2001:db8::1, without a prefix length"
    )]
    Ip(String),
    /// Not a URI.
    #[error("“{0}” is not a URI: give it with its scheme, as in spiffe://example.org/service")]
    Uri(String),
    /// Not a mailbox.
    #[error("“{0}” is not an e-mail address: give it as name@host")]
    Email(String),
}

impl ExpectedName {
    /// A host name, compared by RFC 9525 section 6.3: case does not matter, and a certificate's `*` covers one label.
    pub fn host(host: &str) -> Result<Self, ExpectedNameError> {
        if host.parse::<std::net::IpAddr>().is_ok() {
            return Err(ExpectedNameError::HostIsIp(crate::text::escape(host)));
        }
        let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        if !super::names::is_host_name(&name) {
            return Err(ExpectedNameError::Host(crate::text::escape(host)));
        }
        Ok(Self(Expected::Host(name)))
    }

    /// An IP address, compared octet by octet.
    pub fn ip(ip: &str) -> Result<Self, ExpectedNameError> {
        let parsed = ip
            .parse()
            .map_err(|_| ExpectedNameError::Ip(crate::text::escape(ip)))?;
        Ok(Self(Expected::Ip(parsed)))
    }

    /// A URI, compared character by character after scheme and host are put in lower case (RFC 3986 section 6.2.2.1).
    pub fn uri(uri: &str) -> Result<Self, ExpectedNameError> {
        let scheme = uri.split_once(':').map_or("", |(scheme, _)| scheme);
        let scheme_is_valid = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        if !scheme_is_valid
            || !uri.is_ascii()
            || uri.contains(|c: char| c.is_ascii_control() || c == ' ')
        {
            return Err(ExpectedNameError::Uri(crate::text::escape(uri)));
        }
        Ok(Self(Expected::Uri(super::names::normalise_uri(uri))))
    }

    /// A mailbox: the local part is compared exactly, the host without regard to case (RFC 5280 section 7.5).
    pub fn email(email: &str) -> Result<Self, ExpectedNameError> {
        match email.rsplit_once('@') {
            Some((local, host)) if !local.is_empty() && !host.is_empty() && email.is_ascii() => {
                Ok(Self(Expected::Email(super::names::normalise_email(email))))
            }
            _ => Err(ExpectedNameError::Email(crate::text::escape(email))),
        }
    }
}

impl std::fmt::Display for ExpectedName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Expected::Host(host) => write!(f, "host name {host}"),
            Expected::Ip(ip) => write!(f, "IP address {ip}"),
            Expected::Uri(uri) => write!(f, "URI {uri}"),
            Expected::Email(email) => write!(f, "e-mail address {}", crate::text::escape(email)),
        }
    }
}
