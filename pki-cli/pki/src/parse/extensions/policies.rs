//! Certificate policies, their qualifiers, mappings and constraints (RFC 5280 sections 4.2.1.4, 4.2.1.5 and 4.2.1.11).

use super::{Content, list};
use crate::parse::{
    der::{self, DerError, Reader, Result, Value, tag},
    name::string,
    oid::{Oid, known},
};

#[derive(Clone, Debug)]
pub(crate) struct Policy<'a> {
    pub(crate) oid: Oid<'a>,
    pub(crate) qualifiers: Vec<Qualifier<'a>>,
}

#[derive(Clone, Debug)]
pub(crate) enum Qualifier<'a> {
    Cps(&'a [u8]),
    UserNotice {
        organization: Option<String>,
        numbers: Vec<u64>,
        text: Option<String>,
    },
    Other {
        oid: Oid<'a>,
        value: &'a [u8],
    },
}

pub(super) fn certificate_policies(octets: &[u8]) -> Result<Vec<Policy<'_>>> {
    let what = "the certificate policies";
    list(octets, what, |mut policy| {
        let oid = policy.oid(what)?;
        let qualifiers = match policy.optional(tag::SEQUENCE, what)? {
            Some(value) => list(value.raw, what, |mut qualifier| {
                let oid = qualifier.oid(what)?;
                let value = qualifier.any(what)?;
                qualifier.end(what)?;
                Ok(match oid {
                    known::QUALIFIER_CPS if value.tag == tag::IA5_STRING => {
                        Qualifier::Cps(value.content)
                    }
                    known::QUALIFIER_USER_NOTICE => user_notice(value, what)?,
                    _ => Qualifier::Other {
                        oid,
                        value: value.raw,
                    },
                })
            })?,
            None => Vec::new(),
        };
        policy.end(what)?;
        Ok(Policy { oid, qualifiers })
    })
}

fn user_notice<'a>(value: Value<'a>, what: &'static str) -> Result<Qualifier<'a>> {
    let broken = DerError::new(what, "holds a user notice that cannot be read");
    if value.tag != tag::SEQUENCE {
        return Err(broken);
    }
    let mut notice = Reader::new(value.content);
    let (mut organization, mut numbers) = (None, Vec::new());
    if let Some(reference) = notice.optional(tag::SEQUENCE, what)? {
        let mut reference = Reader::new(reference.content);
        organization = Some(string(reference.any(what)?).ok_or(broken)?.into_owned());
        let mut list = reference.sequence(what)?;
        while !list.is_empty() {
            numbers.push(list.unsigned(what)?);
        }
        reference.end(what)?;
    }
    let text = match notice.is_empty() {
        true => None,
        false => Some(string(notice.any(what)?).ok_or(broken)?.into_owned()),
    };
    notice.end(what)?;
    Ok(Qualifier::UserNotice {
        organization,
        numbers,
        text,
    })
}

pub(super) fn policy_mappings(octets: &[u8]) -> Result<Vec<(Oid<'_>, Oid<'_>)>> {
    let what = "the policy mappings";
    list(octets, what, |mut mapping| {
        let pair = (mapping.oid(what)?, mapping.oid(what)?);
        mapping.end(what)?;
        Ok(pair)
    })
}

pub(super) fn policy_constraints(octets: &[u8]) -> Result<Content<'_>> {
    let what = "the policy constraints";
    let mut reader = Reader::new(der::whole(octets, tag::SEQUENCE, what)?.content);
    let mut skip = |n| match reader.optional(tag::context(n), what)? {
        Some(value) => der::unsigned(value.content, what).map(Some),
        None => Ok(None),
    };
    let (require_explicit, inhibit_mapping) = (skip(0)?, skip(1)?);
    reader.end(what)?;
    // RFC 5280 section 4.2.1.11: never an empty sequence.
    if require_explicit.is_none() && inhibit_mapping.is_none() {
        return Err(DerError::new(what, "constrain nothing"));
    }
    Ok(Content::PolicyConstraints {
        require_explicit,
        inhibit_mapping,
    })
}
