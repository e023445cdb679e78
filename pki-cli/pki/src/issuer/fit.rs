//! An issuer that was found fit to issue: what does not hang on the request is asked once for many certificates.

use time::{Duration, OffsetDateTime};

use super::{
    BACKDATE, Issuer, Notice, Prepared, Request,
    chain::{check_common_name, check_names},
    general_notices, to_be_signed,
};
use crate::{error::Error, profile::Profile};

/// An issuer that may issue under a profile at a moment, everything above it included.
#[derive(Clone, Copy, Debug)]
pub struct Fit<'a> {
    pub(super) issuer: &'a Issuer,
    pub(super) profile: Profile,
    pub(super) now: OffsetDateTime,
}

impl<'a> Fit<'a> {
    /// See [`Issuer::prepare`].
    pub fn prepare(&self, request: &Request<'_>) -> Result<Prepared<'a>, Error> {
        self.issuer.check_request(request)?;
        if request.profile != self.profile {
            return self.issuer.prepare(request, self.now);
        }
        self.prepare_checked(request)
    }

    pub(super) fn prepare_checked(&self, request: &Request<'_>) -> Result<Prepared<'a>, Error> {
        let Self { issuer, now, .. } = *self;
        check_names(issuer.chain(), request.subject, request.names)?;
        if !request.profile.is_ca() {
            check_common_name(issuer.chain(), request.subject, request.names)?;
        }
        let mut notices = general_notices(request);
        if !issuer.anchor().is_self_issued() {
            notices.push(Notice::AnchorIsNoRoot(
                issuer.anchor().subject().to_string(),
            ));
        }
        let asked = now + Duration::days(request.days.into());
        let mut not_after = asked;
        for above in issuer.chain().filter(|above| above.not_after() < asked) {
            if above.not_after() < not_after {
                not_after = above.not_after();
                notices.retain(|notice| !matches!(notice, Notice::Clamped { .. }));
                notices.push(Notice::Clamped {
                    asked,
                    granted: not_after,
                    issuer: above.subject().to_string(),
                });
            }
        }
        let not_before = (now - BACKDATE).max(issuer.certificate.not_before());
        let authority_key_identifier = match &issuer.certificate.subject_key_identifier {
            Some(identifier) => identifier.clone(),
            None => issuer.key.public().identifier(),
        };
        let to_be_signed = to_be_signed(
            request,
            issuer.certificate.subject().clone(),
            &authority_key_identifier,
            (not_before, not_after),
        );
        Prepared::lint(
            &issuer.key,
            to_be_signed,
            notices,
            request,
            Some(&issuer.certificate),
        )
    }
}
