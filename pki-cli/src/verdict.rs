//! What path validation answered, as every command tells it: text, JSON and an exit code; and where rustls-webpki,
//! which the services use, would decide otherwise.

use std::{io, path::Path};

use pki::{
    Error, ErrorKind,
    authority::{FOLDER, Generations},
    folder::is_there,
    index::{self, Index},
    path_validation::{
        Accepted, FailureKind, Position, Rejected, Request, rustls_verdict, validate,
    },
    revocation::recorded,
    text::escape,
};
use serde_json::{Value, json};

use crate::{
    command_error::{CommandError, Kind},
    output::{GOOD, Output},
};

/// Our answer to one question, and that of rustls-webpki.
pub(crate) struct Verdict {
    ours: Result<Accepted, Rejected>,
    /// Absent when it was not asked.
    rustls: Option<Result<(), String>>,
}

impl Verdict {
    /// Asks both.
    pub(crate) fn of(request: &Request<'_>) -> Self {
        let ours = validate(request);
        let rustls = match &ours {
            // A bundle that is too much work for us is not given to somebody with a larger limit.
            Err(rejected) if rejected.kind == FailureKind::WorkLimit => None,
            _ => Some(rustls_verdict(request, ours.as_ref().ok())),
        };
        Self { ours, rustls }
    }

    /// Asks the index of the CA below `dir` as well, which may know of revocations that no CRL tells of yet. A copy of
    /// the CA's certificates has none.
    pub(crate) fn ask_index(
        &mut self,
        dir: &Path,
        output: &mut Output,
    ) -> Result<(), CommandError> {
        let asked = match is_there(&dir.join(FOLDER).join(index::FILE)) {
            Ok(false) => Ok(()),
            Ok(true) => Generations::read(dir)
                .and_then(|generations| Ok(generations.index_to_read()?))
                .and_then(|index| self.ask(&index)),
            Err(error) => Err(error.into()),
        };
        match asked {
            // Whoever may not read the index goes by the CRLs, as everybody else does.
            Err(error) if error.kind() == ErrorKind::Io => {
                output.notice(format_args!(
                    "The index was not asked whether it is revoked. {error}"
                ));
                Ok(())
            }
            other => Ok(other?),
        }
    }

    fn ask(&mut self, index: &Index) -> Result<(), Error> {
        if let Ok(accepted) = &self.ours
            && let Some(rejected) = recorded(index, accepted)?
        {
            self.ours = Err(rejected);
            // Nobody but us has the index.
            self.rustls = None;
        }
        Ok(())
    }

    /// The rule that failed, when the answer is no.
    pub(crate) fn rule(&self) -> Option<FailureKind> {
        self.ours.as_ref().err().map(|rejected| rejected.kind)
    }

    /// The answer for machines. The field names are a promise.
    pub(crate) fn json(&self) -> Value {
        let rustls = self.rustls.as_ref().map(
            |verdict| json!({ "accepted": verdict.is_ok(), "reason": verdict.as_ref().err() }),
        );
        match &self.ours {
            Ok(accepted) => {
                let path: Vec<_> = positions(accepted)
                    .zip(&accepted.subjects)
                    .map(|(position, subject)| json!({ "position": position, "subject": subject }))
                    .collect();
                json!({ "accepted": true, "path": path, "notices": accepted.notices, "rustls": rustls })
            }
            Err(rejected) => json!({
                "accepted": false,
                "rule": rejected.kind.as_str(),
                "position": rejected.position.to_string(),
                "subject": rejected.subject,
                "reason": rejected.reason,
                "clause": rejected.clause,
                "advice": rejected.advice,
                "rustls": rustls,
            }),
        }
    }

    /// The path for people, when there is one. `heading` says that it is accepted.
    pub(crate) fn lines(&self, heading: &str, output: &mut Output) -> io::Result<()> {
        let Ok(accepted) = &self.ours else {
            return Ok(());
        };
        output.line(format_args!("{GOOD}{heading}{GOOD:#}"))?;
        for (position, subject) in positions(accepted).zip(&accepted.subjects) {
            output.line(format_args!("  {position:<15} {subject}"))?;
        }
        Ok(())
    }

    /// What is worth knowing about a path that is accepted.
    pub(crate) fn notices(&self, output: &mut Output) {
        let Ok(accepted) = &self.ours else {
            return;
        };
        for notice in &accepted.notices {
            output.notice(notice);
        }
        if let Some(Err(reason)) = &self.rustls {
            output.notice(format_args!(
                "rustls-webpki, which the services use, would refuse it: {}.",
                escape(reason)
            ));
        }
    }

    /// The failure of the command, when the answer is no. `named` begins a sentence: what was asked about.
    pub(crate) fn failure(&self, named: &str) -> Option<CommandError> {
        let rejected = self.ours.as_ref().err()?;
        let subject = match rejected.subject.as_str() {
            "" => String::new(),
            subject => format!(" “{subject}”"),
        };
        let message = format!(
            "{named} is rejected ({}): {}{subject}: {} ({}).",
            rejected.kind.as_str(),
            rejected.position,
            rejected.reason,
            rejected.clause,
        );
        let error = CommandError::new(Kind::from(rejected.kind), message)
            .hint(sentence(&rejected.advice))
            .details(self.json());
        Some(match self.rustls {
            Some(Ok(())) => {
                // What `mtls` adds to it: the dates of trust anchors, and who may issue.
                let at_anchor = rejected.position == Position::TrustAnchor;
                let services = match rejected.kind {
                    FailureKind::NotACa => " The services look at it themselves.",
                    FailureKind::Expired | FailureKind::NotYetValid if at_anchor => {
                        " The services look at it themselves."
                    }
                    _ => "",
                };
                error.hint(format_args!("rustls-webpki, which the services use, would accept it: it does not look at this rule.{services}"))
            }
            Some(Err(_)) | None => error,
        })
    }
}

fn positions(accepted: &Accepted) -> impl Iterator<Item = String> {
    let count = accepted.subjects.len();
    (0..count).map(move |at| match at {
        0 => "leaf".to_owned(),
        at if at + 1 == count => "trust anchor".to_owned(),
        at => format!("intermediate {at}"),
    })
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), chars.as_str()),
        None => String::new(),
    }
}
