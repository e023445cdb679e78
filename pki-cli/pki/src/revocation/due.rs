//! Which CRLs are due, why, and how long the next ones live.

use time::{Duration, OffsetDateTime};

use super::{CrlIssuer, RevocationLists, published::Published};
use crate::{
    certificate_revocation_list::lacks,
    error::Error,
    folder,
    index::CrlRow,
    issuer::{BACKDATE, Refusal, date},
};

/// How long the CRL of a CA that issues to end entities lives, unless somebody says otherwise.
pub const LIFE: Duration = Duration::days(30);
/// How long that of a root lives that revokes only CAs.
pub const ROOT_LIFE: Duration = Duration::days(365);

/// How long CRLs are to live, and when they are to be signed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish {
    /// The life of an issuing CA's CRL; that of its last one when nothing is said.
    pub life: Option<Duration>,
    /// The life of a root's that only certifies CAs.
    pub root_life: Option<Duration>,
    /// Sign although nothing is due.
    pub force: bool,
}

/// One CA's CRL, and what is to be done about it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Due {
    /// The CA, as RFC 4514 writes its name.
    pub issuer: String,
    /// What is to be done.
    pub action: Action,
    /// Whether verifiers are told something wrong, or nothing, until it is done.
    pub is_urgent: bool,
    /// How long a new one would live.
    pub life: Duration,
    /// How many certificates a new one would list.
    pub entries: usize,
    /// The one that is there.
    pub current: Option<CrlRow>,
}

/// What is to be done about a CRL.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// It is to be signed, for these reasons.
    Sign(Vec<String>),
    /// It is as it should be.
    Keep,
    /// It should be signed, for these reasons, and the key is not here.
    KeyMissing(Vec<String>),
    /// It should have been signed, for these reasons, and could not be.
    Failed(Vec<String>),
}

impl Wish {
    /// Whether CRLs can live for as long as is wished. Asked before anything is changed.
    pub fn check(&self) -> Result<(), Refusal> {
        let allowed = Duration::HOUR..=Duration::days(36_500);
        for life in [self.life, self.root_life].into_iter().flatten() {
            if !allowed.contains(&life) {
                return Err(Refusal::CrlLife(format!("{} hours", life.whole_hours())));
            }
        }
        Ok(())
    }
}

impl CrlIssuer {
    fn life(&self, wish: &Wish, current: Option<&CrlRow>) -> Duration {
        let (asked, default) = match self.is_root {
            true => (wish.root_life, ROOT_LIFE),
            false => (wish.life, LIFE),
        };
        asked.or_else(|| current.map(life_of)).unwrap_or(default)
    }
}

/// The life for which a CRL was signed: from the moment of signing, which is later than thisUpdate.
fn life_of(crl: &CrlRow) -> Duration {
    const STEP: i64 = 600;
    let seconds = (crl.next_update - crl.this_update - BACKDATE).whole_seconds();
    // A CA that was just made cannot date its CRL back; to the nearest ten minutes nothing creeps.
    Duration::seconds(((seconds + STEP / 2) / STEP * STEP).max(STEP))
}

impl RevocationLists {
    /// What is to be done about each CRL. A CA whose validity is over has none.
    pub fn due(&self, wish: &Wish, now: OffsetDateTime) -> Result<Vec<Due>, Error> {
        wish.check()?;
        let mut all = Vec::new();
        let published = self.published()?;
        for issuer in &self.issuers {
            if issuer.certificate.not_after() < now {
                continue;
            }
            let due = self.due_of(issuer, &published, wish, now)?;
            // A CA that was replaced and left neither key nor CRL has nothing that could be done.
            let is_gone = due.current.is_none() && matches!(due.action, Action::KeyMissing(_));
            if issuer.is_needed || !is_gone {
                all.push(due);
            }
        }
        Ok(all)
    }

    fn due_of(
        &self,
        issuer: &CrlIssuer,
        published: &[Published],
        wish: &Wish,
        now: OffsetDateTime,
    ) -> Result<Due, Error> {
        let name = issuer.name();
        let current = self.index.crl(&name)?;
        let revoked = self.index.revoked(&name)?;
        let mut reasons = Vec::new();
        if let Some(crl) = &current {
            match lacks(&crl.der, &revoked) {
                None => {}
                Some(1) => reasons.push("1 revocation is not in it".to_owned()),
                Some(more) => reasons.push(format!("{more} revocations are not in it")),
            }
            if crl.next_update < now {
                reasons.push(format!("it ended on {}", date(crl.next_update)));
            }
        } else {
            reasons.push("there is none yet".to_owned());
        }
        for ahead in published.iter().filter(|one| one.crl.issuer == name) {
            reasons.extend(ahead.reasons());
        }
        let is_urgent = !reasons.is_empty();
        if let Some(crl) = &current
            && crl.next_update >= now
            && crl.this_update + (crl.next_update - crl.this_update) / 2 < now
        {
            reasons.push(format!(
                "it ends on {}, and less than half of its life is left",
                date(crl.next_update)
            ));
        }
        // A key that this user may not look at is there: whoever opens it says why it cannot be opened.
        let (is_at_hand, has_key) = match (&issuer.opened, folder::is_there(&issuer.key)) {
            (Some(_), _) => (true, true),
            (None, Ok(is_there)) => (is_there, is_there),
            (None, Err(_)) => (false, true),
        };
        // Whoever gets a root's first CRL should get it with its whole life before it, if that can be.
        let is_first = issuer.is_root && is_at_hand;
        if reasons.is_empty() && is_first && !folder::is_there(&self.path())? {
            reasons.push("nobody has it yet".to_owned());
        }
        if reasons.is_empty() && wish.force {
            reasons.push("--force".to_owned());
        }
        let action = match (reasons.is_empty(), has_key) {
            (true, _) => Action::Keep,
            (false, true) => Action::Sign(reasons),
            (false, false) => Action::KeyMissing(reasons),
        };
        Ok(Due {
            issuer: name,
            action,
            is_urgent,
            life: issuer.life(wish, current.as_ref()),
            entries: revoked.len(),
            current,
        })
    }
}
