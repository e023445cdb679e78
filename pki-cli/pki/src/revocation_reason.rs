//! Why a certificate was revoked (RFC 5280 §5.3.1, CRLReason).
//!
//! `certificateHold` and `removeFromCRL` are not offered: a hold says that a certificate may come back, so nobody can
//! rely on either answer, and whoever lifts it must know that the key was in nobody else's hands meanwhile. Revoke, and
//! issue a new certificate.

use std::{fmt, str::FromStr};

/// A reason that can be given.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum RevocationReason {
    /// Nothing in particular. In a CRL the reason is then left out: "the reason code CRL entry extension SHOULD be absent
    /// instead of using the unspecified (0) reasonCode value".
    #[default]
    Unspecified,
    /// Somebody else may have the key.
    KeyCompromise,
    /// Somebody else may have the key of a CA.
    CaCompromise,
    /// The name, or what else stands in the certificate, is no longer right.
    AffiliationChanged,
    /// Another certificate has taken its place.
    Superseded,
    /// It is not needed any more.
    CessationOfOperation,
    /// Somebody may no longer do what the certificate lets them do.
    PrivilegeWithdrawn,
    /// Somebody else may have the key of an attribute authority.
    AaCompromise,
}

/// A word that is no reason.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ReasonRefused {
    /// Nobody knows it. Offered is what some certificate can be revoked for: aACompromise is of attribute authorities.
    #[error(
        "{0:?} is not a reason for revocation; choose unspecified, keyCompromise, cACompromise, affiliationChanged, superseded, cessationOfOperation or privilegeWithdrawn."
    )]
    Unknown(String),
    /// A hold.
    #[error(
        "{0} is not offered: a certificate on hold may come back, so nobody could rely on either answer. Revoke it with another reason, and issue a new one when it is needed again."
    )]
    Hold(&'static str),
}

impl RevocationReason {
    /// Every reason, in the order of its code.
    pub const ALL: [Self; 8] = [
        Self::Unspecified,
        Self::KeyCompromise,
        Self::CaCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::PrivilegeWithdrawn,
        Self::AaCompromise,
    ];

    /// The name that RFC 5280 gives it; the form in the index.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "keyCompromise",
            Self::CaCompromise => "cACompromise",
            Self::AffiliationChanged => "affiliationChanged",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessationOfOperation",
            Self::PrivilegeWithdrawn => "privilegeWithdrawn",
            Self::AaCompromise => "aACompromise",
        }
    }

    /// Whether it says that the key is in other hands, so that no certificate for it can be relied on any more.
    pub fn is_compromise(self) -> bool {
        matches!(
            self,
            Self::KeyCompromise | Self::CaCompromise | Self::AaCompromise
        )
    }

    /// The number of CRLReason.
    pub fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::CaCompromise => 2,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
            Self::PrivilegeWithdrawn => 9,
            Self::AaCompromise => 10,
        }
    }
}

impl fmt::Display for RevocationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for RevocationReason {
    type Err = ReasonRefused;

    /// Letter case does not count: openssl writes `CACompromise` and RFC 5280 `cACompromise`.
    fn from_str(text: &str) -> Result<Self, ReasonRefused> {
        for hold in ["certificateHold", "removeFromCRL"] {
            if hold.eq_ignore_ascii_case(text) {
                return Err(ReasonRefused::Hold(hold));
            }
        }
        Self::ALL
            .into_iter()
            .find(|reason| reason.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| ReasonRefused::Unknown(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_goes_there_and_back_whatever_the_letter_case() {
        for reason in RevocationReason::ALL {
            assert_eq!(reason.name().parse(), Ok(reason));
            assert_eq!(reason.name().to_uppercase().parse(), Ok(reason));
        }
        assert_eq!("CACompromise".parse(), Ok(RevocationReason::CaCompromise));
    }

    #[test]
    fn a_hold_and_an_unknown_word_are_refused_with_the_way_out() {
        for (word, expected) in [
            ("certificateHold", "issue a new one"),
            ("removefromcrl", "removeFromCRL is not offered"),
            ("stolen", "choose unspecified, keyCompromise"),
        ] {
            let refused = word
                .parse::<RevocationReason>()
                .expect_err(word)
                .to_string();
            assert!(refused.contains(expected), "{refused}");
        }
    }
}
