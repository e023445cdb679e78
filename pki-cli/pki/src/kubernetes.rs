//! A Secret of Kubernetes of the type `kubernetes.io/tls`, as YAML: what `kubectl apply` takes, and what cert-manager
//! makes. Its keys `tls.crt` and `tls.key` are those that the type demands; `ca.crt` and `crl.pem` stand beside them.
//!
//! Names are checked here, after RFC 1123 as Kubernetes does, and everything is quoted: nothing of a certificate can
//! become YAML of its own.

use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use crate::error::ErrorKind;

/// Kubernetes takes no Secret whose values are larger together.
const MAX_DATA: usize = 1 << 20;

/// Why there is no Secret: one sentence.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretRefused {
    /// The name of the Secret.
    #[error(
        "{0:?} cannot be the name of a Secret: small letters, digits, hyphens and dots, at most 253, each part beginning and ending with a letter or digit (RFC 1123); give another one with --secret."
    )]
    Name(String),
    /// The namespace.
    #[error(
        "{0:?} cannot be a namespace: small letters, digits and hyphens, at most 63, beginning and ending with a letter or digit (RFC 1123)."
    )]
    Namespace(String),
    /// Too much.
    #[error(
        "The Secret would hold {0} octets, and Kubernetes takes no more than 1048576; leave out CRLs or certificates."
    )]
    TooLarge(usize),
}

impl SecretRefused {
    /// The kind of this failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Name(_) | Self::Namespace(_) => ErrorKind::Usage,
            Self::TooLarge(_) => ErrorKind::Refused,
        }
    }
}

/// What a Secret holds.
#[derive(Debug)]
pub struct Secret<'a> {
    name: &'a str,
    namespace: Option<&'a str>,
}

impl<'a> Secret<'a> {
    /// A Secret of this name, in this namespace or in whichever `kubectl` is told.
    pub fn new(name: &'a str, namespace: Option<&'a str>) -> Result<Self, SecretRefused> {
        // "A lowercase RFC 1123 subdomain": labels joined by dots.
        if name.len() > 253 || !name.split('.').all(|label| is_label(label, 253)) {
            return Err(SecretRefused::Name(name.to_owned()));
        }
        if let Some(namespace) = namespace.filter(|namespace| !is_label(namespace, 63)) {
            return Err(SecretRefused::Namespace(namespace.to_owned()));
        }
        Ok(Self { name, namespace })
    }

    /// The YAML. `data` are file names of ours and their contents.
    pub fn to_yaml(
        &self,
        data: &[(&'static str, &[u8])],
    ) -> Result<Zeroizing<String>, SecretRefused> {
        let size: usize = data.iter().map(|(_, content)| content.len()).sum();
        if size > MAX_DATA {
            return Err(SecretRefused::TooLarge(size));
        }
        // Room for all at once: what a growing string leaves behind is not wiped.
        let mut yaml = Zeroizing::new(String::with_capacity(size / 3 * 4 + 1024));
        yaml.push_str("apiVersion: v1\nkind: Secret\nmetadata:\n");
        yaml.push_str(&format!("  name: \"{}\"\n", self.name));
        if let Some(namespace) = self.namespace {
            yaml.push_str(&format!("  namespace: \"{namespace}\"\n"));
        }
        yaml.push_str("type: kubernetes.io/tls\ndata:\n");
        for (file, content) in data {
            let base64 = Zeroizing::new(STANDARD.encode(content));
            yaml.push_str("  ");
            yaml.push_str(file);
            yaml.push_str(": \"");
            yaml.push_str(&base64);
            yaml.push_str("\"\n");
        }
        Ok(yaml)
    }
}

/// RFC 1123 section 2.1, in small letters.
fn is_label(label: &str, longest: usize) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let (first, last) = (label.bytes().next(), label.bytes().next_back());
    label.len() <= longest
        && first.is_some_and(is_inner)
        && last.is_some_and(is_inner)
        && label.bytes().all(|byte| is_inner(byte) || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_kubernetes_takes() {
        let long = "a".repeat(64);
        for (name, namespace, expected) in [
            ("order", Some("shop"), true),
            ("order.v1-x", None, true),
            (long.as_str(), None, true),
            ("order", Some(long.as_str()), false),
            ("order", Some("a.b"), false),
            ("Order", None, false),
            ("or_der", None, false),
            ("order-", None, false),
            ("-order", None, false),
            ("a..b", None, false),
            ("", None, false),
            ("a\"\nb", None, false),
            ("order", Some(""), false),
        ] {
            assert_eq!(
                Secret::new(name, namespace).is_ok(),
                expected,
                "{name:?} {namespace:?}"
            );
        }
        assert!(Secret::new(&"a".repeat(254), None).is_err());
    }

    #[test]
    fn words_that_yaml_would_take_for_something_else_stay_names() {
        let secret = Secret::new("null", Some("123")).expect("names");
        let yaml = secret
            .to_yaml(&[("tls.crt", b"certificate"), ("tls.key", b"key")])
            .expect("small");
        assert_eq!(
            *yaml,
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: \"null\"\n  namespace: \"123\"\n\
             type: kubernetes.io/tls\ndata:\n  tls.crt: \"Y2VydGlmaWNhdGU=\"\n  tls.key: \"a2V5\"\n"
        );
    }

    #[test]
    fn what_kubernetes_would_not_take_is_refused_here() {
        let secret = Secret::new("order", None).expect("a name");
        let large = vec![0; MAX_DATA];
        assert!(secret.to_yaml(&[("crl.pem", &large)]).is_ok());
        assert_eq!(
            secret.to_yaml(&[("crl.pem", &large), ("tls.key", b"x")]),
            Err(SecretRefused::TooLarge(MAX_DATA + 1))
        );
    }
}
