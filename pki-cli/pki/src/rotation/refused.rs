//! Why a CA is not rotated.

use std::path::PathBuf;

use crate::error::ErrorKind;

/// Why a stage of a rotation is not entered: one sentence with the reason and the fix.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RotationRefused {
    /// Half of the life is not over.
    #[error(
        "The CA {name:?} is not half through its life before {due}, so its successor is not due; wait, or prepare it with --now."
    )]
    TooEarly {
        /// The CA.
        name: String,
        /// When half of its life is over.
        due: String,
    },
    /// The last rotation is not at its end.
    #[error(
        "The CA {0:?} was replaced and is not retired yet; finish that first with \"pki ca rotate retire\"."
    )]
    Unfinished(String),
    /// There is nothing to activate.
    #[error("There is no CA to activate; make one first with \"pki ca rotate prepare\".")]
    NothingPrepared,
    /// The services had no time to reload.
    #[error(
        "Services that have not reloaded their folders since the CA {name:?} was prepared do not trust it, and they are given until {due}; wait, or, when every service has reloaded, activate it with --now."
    )]
    TooSoon {
        /// The next CA.
        name: String,
        /// When it is due.
        due: String,
    },
    /// The next CA does not issue yet.
    #[error(
        "The CA {0:?} is prepared and does not issue yet, so nothing can be retired; let it issue first with \"pki ca rotate activate\"."
    )]
    NotActive(String),
    /// The root's key is kept elsewhere.
    #[error(
        "The root's key {0:?} is not here, and the next issuing CA needs its signature. Bring it there for this one command, and take it away again afterwards; the present CA issues meanwhile. Or replace the root as well, with --root."
    )]
    RootKeyElsewhere(PathBuf),
    /// Peers would refuse what the next CA issues.
    #[error(
        "Not every folder trusts the next CA yet ({count} of them do not), and their services would refuse its certificates: {folders}. Run \"pki ca rotate prepare\" again, let the services reload, and then activate; or go on with --force."
    )]
    NotTrusted {
        /// How many.
        count: usize,
        /// Their names and what they lack.
        folders: String,
    },
    /// Somebody still has a certificate of the previous CA.
    #[error(
        "{} of the CA {} {} still valid, the last until {until}: {examples}. {}{}; or go on with --force.",
        certificates(*count),
        quoted(issuers),
        if *count == 1 { "is" } else { "are" },
        of_authorities(*count, *replaced, *authorities),
        advice(*count, *replaced, *authorities)
    )]
    StillLiving {
        /// The CAs that issued them.
        issuers: Vec<String>,
        /// How many.
        count: u64,
        /// How many of them have a successor.
        replaced: u64,
        /// How many of them are CAs of others.
        authorities: u64,
        /// When the last one ends.
        until: String,
        /// Some of them.
        examples: String,
    },
    /// The next CA is over.
    #[error(
        "The next CA {name:?} expired on {not_after}, so it cannot take over; make it again: take next.* and next-root.* out of the CA's folder, and run \"pki ca rotate prepare\"."
    )]
    NextExpired {
        /// The CA.
        name: String,
        /// When.
        not_after: String,
    },
    /// Something in the CA's certificate is not given to anybody.
    #[error(
        "The certificate of the CA {name:?} has {what}, which its successor would not have; do without it with --allow-dropped."
    )]
    NotCarriedOver {
        /// The CA.
        name: String,
        /// What would be lost.
        what: String,
    },
    /// A CA of which the CRL is still needed is in the way.
    #[error(
        "The CRL of the CA {name:?}, which was retired before, is needed until {until}; retire this one then, or go on with --force."
    )]
    CrlNeeded {
        /// The CA.
        name: String,
        /// Until when.
        until: String,
    },
}

fn certificates(count: u64) -> String {
    match count {
        1 => "1 certificate".to_owned(),
        more => format!("{more} certificates"),
    }
}

fn quoted(names: &[String]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("{name:?}")).collect();
    quoted.join(" and ")
}

/// What falls with a CA is more than is known here.
fn of_authorities(count: u64, replaced: u64, authorities: u64) -> String {
    let (fall, whose) = match (authorities, count) {
        (0, _) => return String::new(),
        (1, 1) => ("It is a CA, and all that it issued falls with it", "it"),
        (1, _) => ("All that the CA among them issued falls with it", "it"),
        _ => ("All that the CAs among them issued falls with them", "each"),
    };
    match replaced == count {
        true => format!("{fall}. "),
        false => format!(
            "{fall}: have a request of {whose} signed anew with \"pki sign --profile intermediate\". "
        ),
    }
}

fn advice(count: u64, replaced: u64, authorities: u64) -> String {
    const WAIT: &str = "wait until then, or revoke what nobody presents any more with \"pki revoke --reason superseded\"";
    match replaced {
        0 if authorities == count => "Then wait until it has expired, or revoke it".to_owned(),
        0 => "Have others issued with \"pki apply\" or \"pki renew --all\", and wait until these have expired, or revoke them".to_owned(),
        all if all == count => {
            let subject = if count == 1 { "It was" } else { "All of them were" };
            format!("{subject} replaced already; {WAIT}")
        }
        some => {
            let were = if some == 1 { "was" } else { "were" };
            format!("{some} of them {were} replaced already; have the others issued anew with \"pki apply\" or \"pki renew --all\", and {WAIT}")
        }
    }
}

impl RotationRefused {
    /// The kind of this failure.
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::RootKeyElsewhere(_) => ErrorKind::NotFound,
            _ => ErrorKind::Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_that_were_replaced_are_waited_for_and_not_replaced_again() {
        let sentence = |count, replaced| {
            RotationRefused::StillLiving {
                issuers: vec!["CN=CA".to_owned()],
                count,
                replaced,
                authorities: 0,
                until: "2026-12-24".to_owned(),
                examples: "a".to_owned(),
            }
            .to_string()
        };
        assert!(sentence(1, 0).starts_with("1 certificate of the CA \"CN=CA\" is still valid"));
        assert!(sentence(1, 1).contains("It was replaced already; wait until then, or revoke"));
        let all = sentence(3, 3);
        assert!(all.contains("3 certificates of the CA \"CN=CA\" are still valid"));
        assert!(all.contains("All of them were replaced already; wait until then"));
        assert!(!all.contains("issued"), "{all}");
        assert!(sentence(3, 1).contains("1 of them was replaced already; have the others"));
    }
}
