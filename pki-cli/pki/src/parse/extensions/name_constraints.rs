//! Name constraints as they are written (RFC 5280 section 4.2.1.10); what they mean is in `path_validation`.

use crate::parse::{
    der::{self, DerError, Reader, Result, tag},
    general_name::GeneralName,
};

#[derive(Clone, Debug)]
pub(crate) struct NameConstraints<'a> {
    pub(crate) permitted: Vec<Subtree<'a>>,
    pub(crate) excluded: Vec<Subtree<'a>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Subtree<'a> {
    pub(crate) base: GeneralName<'a>,
    /// RFC 5280 section 4.2.1.10: always zero and absent.
    pub(crate) has_minimum_or_maximum: bool,
}

pub(super) fn name_constraints(octets: &[u8]) -> Result<NameConstraints<'_>> {
    let what = "the name constraints";
    let mut reader = Reader::new(der::whole(octets, tag::SEQUENCE, what)?.content);
    let mut subtrees = |n| -> Result<Vec<Subtree<'_>>> {
        let Some(value) = reader.optional(tag::context_constructed(n), what)? else {
            return Ok(Vec::new());
        };
        let mut list = Reader::new(value.content);
        let mut subtrees = Vec::new();
        while !list.is_empty() {
            let mut subtree = list.sequence(what)?;
            let base = GeneralName::read(&mut subtree, what)?;
            let minimum = subtree.optional(tag::context(0), what)?;
            let maximum = subtree.optional(tag::context(1), what)?;
            subtree.end(what)?;
            subtrees.push(Subtree {
                base,
                has_minimum_or_maximum: minimum.is_some() || maximum.is_some(),
            });
        }
        if subtrees.is_empty() {
            Err(DerError::new(what, "hold an empty list"))
        } else {
            Ok(subtrees)
        }
    };
    let (permitted, excluded) = (subtrees(0)?, subtrees(1)?);
    reader.end(what)?;
    // RFC 5280 section 4.2.1.10: never an empty sequence.
    if permitted.is_empty() && excluded.is_empty() {
        return Err(DerError::new(what, "permit and exclude nothing"));
    }
    Ok(NameConstraints {
        permitted,
        excluded,
    })
}
