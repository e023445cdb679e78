//! Words that an option takes, each list in one place: what is parsed is what shells complete. A word that is none is
//! refused by the sentence of the library, which says more than a list.

use clap::{
    Arg, Command,
    builder::{PossibleValue, TypedValueParser},
};
use pki::{
    key::{KeyAlgorithm, KeyError},
    profile::Profile,
    revocation_reason::{ReasonRefused, RevocationReason},
};

/// A parser that tells which words it knows.
pub(crate) struct Words<T, E> {
    parse: fn(&str) -> Result<T, E>,
    words: Vec<&'static str>,
}

impl<T, E> Clone for Words<T, E> {
    fn clone(&self) -> Self {
        Self {
            parse: self.parse,
            words: self.words.clone(),
        }
    }
}

/// Every kind of key.
pub(crate) fn key() -> Words<KeyAlgorithm, KeyError> {
    Words {
        parse: |text| text.parse(),
        words: KeyAlgorithm::ALL.map(KeyAlgorithm::name).to_vec(),
    }
}

/// The roles of end entities.
pub(crate) fn profile() -> Words<Profile, String> {
    Words {
        parse: |text| text.parse(),
        words: END_ENTITIES.map(Profile::name).to_vec(),
    }
}

/// The roles of end entities, and that of a CA below another one.
pub(crate) fn profile_or_intermediate() -> Words<Profile, String> {
    let mut words = profile().words;
    words.push(Profile::Intermediate.name());
    Words {
        parse: |text| match text == Profile::Intermediate.name() {
            true => Ok(Profile::Intermediate),
            false => text.parse(),
        },
        words,
    }
}

/// The reasons for which some certificate can be revoked: aACompromise is of attribute authorities.
pub(crate) fn reason() -> Words<RevocationReason, ReasonRefused> {
    let offered = RevocationReason::ALL
        .into_iter()
        .filter(|reason| *reason != RevocationReason::AaCompromise);
    Words {
        parse: |text| text.parse(),
        words: offered.map(RevocationReason::name).collect(),
    }
}

const END_ENTITIES: [Profile; 3] = [Profile::Server, Profile::Client, Profile::Peer];

impl<T, E> TypedValueParser for Words<T, E>
where
    T: Clone + Send + Sync + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    type Value = T;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<Self::Value, clap::Error> {
        self.parse.parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.words.iter().copied().map(PossibleValue::new)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_that_is_offered_is_taken() {
        fn taken<T, E>(words: &Words<T, E>) {
            for word in &words.words {
                assert!((words.parse)(word).is_ok(), "{word}");
            }
        }
        taken(&key());
        taken(&profile());
        taken(&profile_or_intermediate());
        taken(&reason());
    }
}
