//! What is to be done for one entry: what is there, held against what is wanted.

use std::path::Path;

use time::{Duration, OffsetDateTime};

use super::{Action, COMPROMISED, REVOKED, chain::Chain, pair::Pair};
use crate::{
    error::Error,
    folder::{self},
    issuer::{BACKDATE, date},
    manifest::Entry,
    subject_alt_name::GeneralName,
    validity::in_days,
};

/// What is to be done for one entry.
pub(super) fn action(
    entry: &Entry,
    path: &Path,
    chain: Option<&Chain<'_>>,
    now: OffsetDateTime,
) -> Result<Action, Error> {
    let Some(pair) = Pair::read(path)? else {
        return Ok(Action::Issue);
    };
    let mut trust = None;
    let (certificate, problem) = match pair {
        Pair::Broken(problem) => return Ok(Action::Replace(vec![problem])),
        Pair::Whole {
            chain: present,
            anchor,
            problem,
        } => {
            let Some(own) = present.first().cloned() else {
                return Ok(Action::Issue);
            };
            let foreign = match chain {
                Some(chain) => chain.foreign(&present),
                None => Some("issued by another CA".to_owned()),
            };
            if let Some(chain) = chain {
                trust = chain.trust_difference(&anchor);
            }
            (own, problem.or(foreign))
        }
    };
    let mut reasons: Vec<String> = problem.into_iter().collect();
    if chain.is_some_and(|chain| chain.has_revoked(&certificate)) {
        reasons.push(REVOKED.to_owned());
    } else if chain.is_some_and(|chain| chain.has_given_up_key_of(&certificate)) {
        reasons.push(COMPROMISED.to_owned());
    }
    // Whoever could read the key may have it: another mode alone would not help.
    if let Some(mode) = folder::mode_of(&path.join(folder::KEY))?
        && mode & 0o077 != 0
    {
        reasons.push(format!("others can get at tls.key (mode {mode:04o})"));
    }
    if certificate.profile() != Some(entry.profile) {
        let present = certificate
            .profile()
            .map_or("another", |profile| profile.name());
        reasons.push(format!("profile: {present} → {}", entry.profile));
    }
    compare(
        &mut reasons,
        "subject",
        &certificate.subject().to_slashes(),
        &entry.subject.to_slashes(),
    );
    if let Some(difference) = names_difference(certificate.names(), &entry.names) {
        reasons.push(difference);
    }
    if !entry.key.makes(certificate.public_key()) {
        reasons.push(format!("key: {} → {}", certificate.public_key(), entry.key));
    }
    let lifetime = certificate.not_after() - certificate.not_before();
    let days = (lifetime - BACKDATE).whole_days();
    // When it would end had it been issued by this entry, under the CA that is there.
    let asked = certificate.not_before() + BACKDATE + Duration::days(entry.days.into());
    let end = chain.map_or(asked, |chain| asked.min(chain.not_after()));
    let is_clamped = end < asked && end == certificate.not_after();
    // A certificate that is as old as its CA begins with it, a little later than it would.
    if (end - certificate.not_after()).abs() > BACKDATE {
        reasons.push(format!("days: {days} → {}", entry.days));
    }
    let left = certificate.not_after() - now;
    if left < Duration::ZERO {
        reasons.push(format!("expired on {}", date(certificate.not_after())));
    } else if left < lifetime / 3 && !is_clamped {
        // A third of the life is left for retries and for people to notice.
        reasons.push(format!(
            "expires on {}, {}",
            date(certificate.not_after()),
            in_days(certificate.not_after(), now)
        ));
    } else if let Some(chain) = chain
        && reasons.is_empty()
    {
        reasons.extend(chain.fault(&certificate));
    }
    Ok(match (reasons.is_empty(), trust) {
        (true, None) => Action::Keep(certificate.not_after()),
        (true, Some(difference)) => Action::Trust(vec![difference]),
        (false, _) => Action::Replace(reasons),
    })
}

pub(super) fn compare(differences: &mut Vec<String>, what: &str, present: &str, wanted: &str) {
    if present != wanted {
        differences.push(format!("{what}: {present} → {wanted}"));
    }
}

/// `names: +DNS:a.dev −IP:::1`; the order of names means nothing.
pub(super) fn names_difference(present: &[GeneralName], wanted: &[GeneralName]) -> Option<String> {
    let added = wanted
        .iter()
        .filter(|name| !present.contains(name))
        .map(|name| format!("+{name}"));
    let removed = present
        .iter()
        .filter(|name| !wanted.contains(name))
        .map(|name| format!("-{name}"));
    let changes: Vec<_> = added.chain(removed).collect();
    (!changes.is_empty()).then(|| format!("names: {}", changes.join(" ")))
}
