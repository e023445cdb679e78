//! The third stage: the previous CA is trusted no longer.

use std::path::Path;

use time::OffsetDateTime;

use super::{Living, RotationRefused, activate::take_place, living, lock};
use crate::{
    authority::{Generations, Role, Stage},
    certificate::Certificate,
    error::Error,
    folder::Wait,
    index::{Filter, Index, Status},
    issuer::date,
};

/// What was retired.
#[derive(Clone, Debug)]
pub struct Retired {
    /// The CA that is trusted no longer; `None` when there was none.
    pub authority: Option<Certificate>,
    /// Whether its root went with it, so that nobody accepts what it issued.
    pub with_root: bool,
    /// What it issued and was still valid, passed over by force.
    pub living: Living,
    /// Until when its CRL, and for that its key, stay.
    pub crl_until: Option<OffsetDateTime>,
    /// A CA that was retired before and of which the CRL is needed no longer either.
    pub gone: Option<Certificate>,
    /// What the index lacked and was taken over from `crl.pem`, in sentences.
    pub taken_over: Vec<String>,
}

/// Retires the CA that was replaced below `dir`. With `force` also when certificates of it are still valid.
pub fn retire(
    dir: &Path,
    force: bool,
    now: OffsetDateTime,
    wait: &mut Wait<'_>,
) -> Result<Retired, Error> {
    let folder = lock(dir, wait)?;
    let generations = Generations::read(dir)?;
    let (index, taken_over) = generations.index_to_rotate()?;
    let mut done = Retired {
        authority: None,
        with_root: generations.get(Role::PreviousRoot).is_some(),
        living: Living::default(),
        crl_until: None,
        gone: None,
        taken_over,
    };
    let (mut entries, mut remove) = (Vec::new(), Vec::new());
    if let Some(retired) = generations.get(Role::Retired) {
        match crl_needed_until(&index, retired, now)? {
            Some(until) => done.crl_until = Some(until),
            None => {
                remove.extend([Role::Retired.certificate_file(), Role::Retired.key_file()]);
                done.gone = Some(retired.clone());
            }
        }
    }
    match (generations.stage(), generations.next_issuer()) {
        (Stage::Prepared, Some(next)) => {
            return Err(RotationRefused::NotActive(next.subject().to_string()).into());
        }
        (Stage::Active, _) => {}
        _ => {
            if done.gone.is_some() {
                folder.replace(&entries, &remove)?;
            }
            return Ok(done);
        }
    }
    let Some(previous) = generations.previous_issuer() else {
        return Ok(done);
    };
    let living = living(&index, &generations, now)?;
    if let (Some(until), false) = (living.until, force) {
        return Err(RotationRefused::StillLiving {
            issuers: living.issuers,
            count: living.count,
            replaced: living.replaced,
            authorities: living.authorities,
            until: date(until),
            examples: living.names.join(", "),
        }
        .into());
    }
    // A CA below a root that goes as well is not trusted by anybody, and nobody needs its CRL. One below a root that stays
    // is kept out by its CRL until the last certificate is over that this keeps out.
    let needed_until = match generations.get(Role::PreviousRoot) {
        Some(_) => None,
        None => crl_needed_until(&index, previous, now)?,
    };
    remove.extend([
        Role::PreviousRoot.certificate_file(),
        Role::PreviousRoot.key_file(),
    ]);
    // The same holds for one that was retired before: without its root it could not even sign.
    if let (Some(root), Some(retired)) = (
        generations.get(Role::PreviousRoot),
        generations.get(Role::Retired),
    ) && done.gone.is_none()
        && retired.names_as_issuer(root)
    {
        remove.extend([Role::Retired.certificate_file(), Role::Retired.key_file()]);
        done.gone = Some(retired.clone());
        done.crl_until = None;
    }
    if needed_until.is_some() {
        if let (Some(retired), Some(until), false) =
            (generations.get(Role::Retired), done.crl_until, force)
        {
            return Err(RotationRefused::CrlNeeded {
                name: retired.subject().to_string(),
                until: date(until),
            }
            .into());
        }
        take_place(
            &generations,
            Role::Previous,
            Role::Retired,
            &mut entries,
            &mut remove,
        )?;
        done.crl_until = needed_until;
    } else {
        remove.extend([Role::Previous.certificate_file(), Role::Previous.key_file()]);
    }
    folder.replace(&entries, &remove)?;
    done.authority = Some(previous.clone());
    done.living = living;
    Ok(done)
}

/// Until when the CRL of a CA is needed: while a certificate of it is valid and could be revoked, or was revoked in a CRL
/// and is not over; and while a run may be about to issue one.
fn crl_needed_until(
    index: &Index,
    issuer: &Certificate,
    now: OffsetDateTime,
) -> Result<Option<OffsetDateTime>, Error> {
    let name = issuer.subject().to_string();
    let has_crl = index.crl(&name)?.is_some();
    let filter = Filter {
        issuer: Some(&name),
        valid_at: Some(now),
        ..Filter::default()
    };
    let mut until = None;
    index.each(&filter, |row| {
        let counts = match row.status {
            Status::Reserved => false,
            Status::Issued => true,
            Status::Revoked => has_crl,
        };
        if counts && !super::is_own_authority(&row) {
            until = until.max(row.not_after);
        }
        Ok::<_, Error>(())
    })?;
    super::under_way(index, &name, now, |end, _| until = until.max(Some(end)))?;
    Ok(until)
}
