//! What rustls-webpki, the verifier of the services, says to the same question.
//!
//! It never decides here. Its verdict is shown when it differs from ours, because a connection would then fail, or
//! succeed, against what `verify` says.

use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use webpki::{
    CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage, OwnedCertRevocationList,
    RevocationOptionsBuilder,
};

use super::request::{Expected, Purpose, Request};

/// The verdict of rustls-webpki: nothing, or its reason to refuse.
pub fn rustls_verdict(request: &Request<'_>) -> Result<(), String> {
    let say = |error: webpki::Error| error.to_string();
    let leaf = CertificateDer::from(request.leaf);
    let trust: Vec<_> = request
        .trust
        .iter()
        .map(|der| CertificateDer::from(*der))
        .collect();
    let intermediates: Vec<_> = request
        .intermediates
        .iter()
        .map(|der| CertificateDer::from(*der))
        .collect();
    // rustls, too, leaves out the trust anchors that it cannot read.
    let anchors: Vec<_> = trust
        .iter()
        .filter_map(|der| webpki::anchor_from_trusted_cert(der).ok())
        .collect();
    let crls: Vec<CertRevocationList<'_>> = request
        .crls
        .iter()
        .flatten()
        .map(|der| {
            OwnedCertRevocationList::from_der(der)
                .map(Into::into)
                .map_err(say)
        })
        .collect::<Result<_, _>>()?;
    let crls: Vec<_> = crls.iter().collect();
    let revocation = match request.crls {
        Some(_) => Some(
            RevocationOptionsBuilder::new(&crls)
                .map_err(|_| "no CRL was given".to_owned())?
                .with_expiration_policy(ExpirationPolicy::Enforce)
                .build(),
        ),
        None => None,
    };
    let usage = match request.purpose {
        Some(Purpose::Client) => KeyUsage::client_auth(),
        Some(Purpose::Server) | None => KeyUsage::server_auth(),
    };
    let seconds = u64::try_from(request.time.unix_timestamp()).unwrap_or(0);
    let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    let leaf = EndEntityCert::try_from(&leaf).map_err(say)?;
    leaf.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        &anchors,
        &intermediates,
        time,
        usage,
        revocation,
        None,
    )
    .map_err(say)?;
    for name in &request.names {
        let name = match &name.0 {
            Expected::Host(host) => {
                ServerName::try_from(host.as_str()).map_err(|error| error.to_string())?
            }
            Expected::Ip(ip) => ServerName::from(*ip),
            // It has no notion of these.
            Expected::Uri(_) | Expected::Email(_) => continue,
        };
        leaf.verify_is_valid_for_subject_name(&name).map_err(say)?;
    }
    Ok(())
}
