//! Comparing the names that people ask for with the names that certificates carry (RFC 9525, RFC 5280 section 7).

/// Whether `name` is a host name in the preferred syntax of RFC 1034 section 3.5, as RFC 5280 section 4.2.1.6 asks for:
/// letters, digits and inner hyphens, labels of 1 to 63, at most 253 characters in all.
///
/// RFC 1123 section 2.1 lets a label start with a digit. The last label is not all digits: that would be an IP address.
pub(crate) fn is_host_name(name: &str) -> bool {
    let label_is_valid = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let last_is_number = name
        .rsplit('.')
        .next()
        .is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    name.len() <= 253 && !last_is_number && name.split('.').all(label_is_valid)
}

/// Scheme and host in lower case, the rest as it is.
pub(crate) fn normalise_uri(uri: &str) -> String {
    let Some((scheme, rest)) = uri.split_once(':') else {
        return uri.to_owned();
    };
    let mut out = format!("{}:", scheme.to_ascii_lowercase());
    match rest.strip_prefix("//") {
        Some(hierarchy) => {
            let end = hierarchy.find(['/', '?', '#']).unwrap_or(hierarchy.len());
            let (authority, path) = hierarchy.split_at(end);
            let host_at = authority.rfind('@').map_or(0, |at| at + 1);
            out.push_str("//");
            out.push_str(&authority[..host_at]);
            out.push_str(&authority[host_at..].to_ascii_lowercase());
            out.push_str(path);
        }
        None => out.push_str(rest),
    }
    out
}

/// The host in lower case, the local part as it is.
pub(crate) fn normalise_email(email: &str) -> String {
    match email.rsplit_once('@') {
        Some((local, host)) => format!("{local}@{}", host.to_ascii_lowercase()),
        None => email.to_owned(),
    }
}
