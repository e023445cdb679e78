//! Many leaves under the same trust anchors and intermediates, at the same time: what does not hang on the leaf is read
//! and verified once.

use super::{
    Rejected,
    build::{Pool, Signatures, Work},
    request::{Purpose, Request},
    validate_in,
};

/// One question about many leaves.
pub(crate) struct Series<'a> {
    /// Its leaf is none.
    question: Request<'a>,
    pool: Pool<'a>,
}

impl<'a> Series<'a> {
    /// A series of the same question; the leaf of `question` does not matter.
    pub(crate) fn new(question: Request<'a>) -> Self {
        Self {
            pool: Pool::new(&question),
            question,
        }
    }

    /// Asks for one leaf, for each of these purposes; without any, the purpose is not looked at.
    pub(crate) fn validate(&self, leaf: &[u8], purposes: &[Purpose]) -> Result<(), Rejected> {
        // Each leaf has the same work limit as if it were alone.
        let mut work = Work::new();
        let mut signatures = Signatures::default();
        let mut ask = |purpose| {
            let question = Request {
                leaf,
                purpose,
                ..self.question.clone()
            };
            validate_in(&question, &self.pool, &mut signatures, &mut work).map(drop)
        };
        match purposes {
            [] => ask(None),
            purposes => purposes.iter().try_for_each(|purpose| ask(Some(*purpose))),
        }
    }
}
