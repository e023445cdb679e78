//! What went wrong, for people and for programs: what the service said, field by field, where the time went, and what
//! to do next.

use std::fmt::Write as _;

use rpc::ConnectError;
use rpc::deadline::Spent;
use rpc::decide::{self, Advice};
use rpc::status::{PreconditionViolation, Upstream, reason};
use rpc::text::escaped as shown;
use serde_json::{Value, json};
use tonic::{Code, Status};

use super::connection::Cure;
use super::exit::Exit;

/// Why the command did not do what it was asked for.
#[derive(Debug)]
pub(super) enum Failure {
    /// It could not even ask: certificates, address.
    Setup(String),
    /// There is no connection, and waiting brings none.
    Unreachable(Box<Unreachable>),
    /// The service, or what lies between, said no.
    Refused(Box<Refused>),
    /// The time of the whole command was up between two calls.
    TimeIsUp(String),
    /// What was asked could not be written to standard output.
    Output(std::io::Error),
}

#[derive(Debug)]
pub(super) struct Unreachable {
    sentence: String,
    cure: Cure,
    /// The key under which the order can be sent, once there is a connection.
    key: Option<String>,
}

#[derive(Debug)]
pub(super) struct Refused {
    status: Upstream,
    advice: Advice,
    spent: Option<Spent>,
    /// The key under which the same order can be sent again.
    key: Option<String>,
}

impl Failure {
    /// A status, or why there was no connection to get one over, where that is something to change.
    pub(super) fn called(
        status: &Status,
        connection: Option<&ConnectError>,
        key: Option<&str>,
    ) -> Self {
        let may_be_it = matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded);
        match connection.filter(|_| may_be_it) {
            Some(error) if let Some(cure) = Cure::of(error) => {
                Self::Unreachable(Box::new(Unreachable {
                    sentence: error.to_string(),
                    cure,
                    key: key.map(str::to_owned),
                }))
            }
            _ => Self::refused(status, key),
        }
    }

    /// A status, and the idempotency key that the call had.
    pub(super) fn refused(status: &Status, key: Option<&str>) -> Self {
        Self::Refused(Box::new(Refused {
            status: Upstream::read(status),
            advice: decide::of_status(status),
            spent: Spent::from_status(status),
            key: key.map(str::to_owned),
        }))
    }

    /// The certificates or the address cannot be used.
    pub(super) fn setup(error: &dyn std::error::Error) -> Self {
        Self::Setup(error.to_string())
    }

    /// The machine gives this process nothing to run on.
    pub(super) fn runtime(error: &std::io::Error) -> Self {
        Self::Setup(format!("this command cannot run here: {error}"))
    }

    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Setup(_) => Exit::Setup,
            Self::TimeIsUp(_) => Exit::Deadline,
            Self::Output(_) => Exit::GiveUp,
            Self::Unreachable(unreachable) => unreachable.cure.exit,
            Self::Refused(refused) => refused.exit(),
        }
    }

    /// Lines for a person.
    pub(super) fn people(&self) -> String {
        match self {
            Self::Setup(sentence) | Self::TimeIsUp(sentence) => {
                format!("error: {}\n", shown(sentence))
            }
            Self::Output(error) => format!("error: standard output cannot be written: {error}\n"),
            Self::Unreachable(unreachable) => unreachable.people(),
            Self::Refused(refused) => refused.people(),
        }
    }

    /// One object for a program.
    pub(super) fn json(&self) -> Value {
        match self {
            Self::Setup(sentence) => json!({"code": "SETUP", "message": sentence}),
            Self::TimeIsUp(sentence) => json!({"code": "DEADLINE_EXCEEDED", "message": sentence}),
            Self::Output(error) => json!({"code": "OUTPUT", "message": error.to_string()}),
            Self::Unreachable(unreachable) => unreachable.json(),
            Self::Refused(refused) => refused.json(),
        }
    }
}

impl Unreachable {
    fn people(&self) -> String {
        format!(
            "error: {}: {}\nwhat to do: {}\n",
            name(Code::Unavailable),
            shown(&self.sentence),
            self.cure.advice
        )
    }

    fn json(&self) -> Value {
        let act = match self.cure.exit {
            Exit::Access => "reauthenticate",
            _ => "give_up",
        };
        json!({
            "code": name(Code::Unavailable),
            "message": self.sentence,
            "reason": "UNREACHABLE",
            "idempotency_key": self.key,
            "advice": {"do": act, "why": self.cure.advice},
        })
    }
}

impl Refused {
    fn exit(&self) -> Exit {
        match (self.status.code, &self.advice) {
            (Code::DeadlineExceeded, _) => Exit::Deadline,
            (Code::PermissionDenied, _) | (_, Advice::Reauth) => Exit::Access,
            (_, Advice::Fix(_)) => Exit::Fix,
            (_, Advice::RetryAfter(_) | Advice::Restart) => Exit::Later,
            _ => Exit::GiveUp,
        }
    }

    fn people(&self) -> String {
        let mut text = format!(
            "error: {}: {}\n",
            name(self.status.code),
            shown(&self.status.message)
        );
        let mut line = |line: String| {
            text.push_str(&line);
            text.push('\n');
        };
        // The message often is the only field's sentence.
        for violation in &self.status.fields {
            let told = format!("{}: {}", violation.field, violation.description);
            if told != self.status.message {
                line(format!("  {}", shown(&told)));
            }
        }
        // And so it is with the only precondition's.
        let news =
            |violation: &&PreconditionViolation| violation.description != self.status.message;
        for violation in self.status.preconditions.iter().filter(news) {
            line(format!(
                "  {}: {}",
                shown(&violation.subject),
                shown(&violation.description)
            ));
        }
        if let Some(spent) = &self.spent {
            line("where the time went:".to_owned());
            for hop in spent.hops() {
                let mut what = if hop.own { "by itself" } else { "in all" }.to_owned();
                if hop.unfinished {
                    what.push_str(", not finished");
                }
                line(format!(
                    "  {:<32} {:>8.3} s  {what}",
                    shown(&hop.method),
                    hop.time.as_secs_f64()
                ));
            }
        }
        if let Some(id) = self.fact("order_id") {
            line(format!("the order is kept as {}", shown(id)));
        }
        line(format!("what to do: {}", self.what_to_do()));
        text
    }

    fn what_to_do(&self) -> String {
        let again = match &self.key {
            Some(key) => format!("the same command with --key {}", shown(key)),
            None => "the same command".to_owned(),
        };
        match &self.advice {
            Advice::Fix(fields) if fields.is_empty() => "change the request".to_owned(),
            Advice::Fix(fields) if fields.len() == 1 => "change this field".to_owned(),
            Advice::Fix(_) => "change these fields".to_owned(),
            Advice::RetryAfter(wait) if wait.is_zero() => format!("try {again} again"),
            Advice::RetryAfter(wait) => {
                format!("try {again} again in {:.1} s", wait.as_secs_f64())
            }
            Advice::Reauth => {
                "get a certificate that this service accepts, and name its folder with --tls"
                    .to_owned()
            }
            Advice::Restart => format!("begin again: {again}"),
            // The answer was lost, not necessarily the order.
            Advice::GiveUp(_) if self.status.code == Code::DeadlineExceeded => match self.key {
                Some(_) => {
                    format!("{again} tells what became of the order; --deadline gives it more time")
                }
                None => "give it more time with --deadline".to_owned(),
            },
            // The reason of this advice is the precondition, which is said above.
            Advice::GiveUp(_) if self.status.code == Code::FailedPrecondition => {
                "not the same again; it would be refused again".to_owned()
            }
            Advice::GiveUp(_) if self.key_is_taken() => "use a new --key".to_owned(),
            Advice::GiveUp(reason) => format!("nothing; {}", shown(reason)),
            _ => "look at the service's log".to_owned(),
        }
    }

    fn json(&self) -> Value {
        let status = &self.status;
        let advice = match &self.advice {
            Advice::Fix(_) => json!({"do": "fix"}),
            Advice::RetryAfter(wait) => json!({"do": "retry", "after_ms": millis(*wait)}),
            Advice::Reauth => json!({"do": "reauthenticate"}),
            Advice::Restart => json!({"do": "restart"}),
            Advice::GiveUp(reason) => json!({"do": "give_up", "why": reason}),
            _ => json!({"do": "give_up"}),
        };
        let fields = status.fields.iter().map(|violation| {
            json!({
                "field": violation.field,
                "description": violation.description,
                "reason": violation.reason.as_str(),
            })
        });
        let preconditions = status.preconditions.iter().map(|violation| {
            json!({
                "subject": violation.subject,
                "description": violation.description,
                "reason": violation.kind.as_str(),
            })
        });
        let hops = self.spent.iter().flat_map(Spent::hops).map(|hop| {
            json!({
                "method": hop.method,
                "ms": millis(hop.time),
                "own": hop.own,
                "unfinished": hop.unfinished,
            })
        });
        json!({
            "code": name(status.code),
            "message": status.message,
            "reason": status.info.as_ref().map(|info| info.reason.as_str()),
            "domain": status.info.as_ref().map(|info| info.domain.as_str()),
            "fields": fields.collect::<Vec<_>>(),
            "preconditions": preconditions.collect::<Vec<_>>(),
            "spent": hops.collect::<Vec<_>>(),
            "order_id": self.fact("order_id"),
            "idempotency_key": self.key,
            "advice": advice,
        })
    }

    /// Whether the key was used for another order.
    fn key_is_taken(&self) -> bool {
        let info = self.status.info.as_ref();
        info.is_some_and(|info| info.reason == reason::IDEMPOTENCY_KEY_REUSED)
    }

    fn fact(&self, name: &str) -> Option<&str> {
        let info = self.status.info.as_ref()?;
        info.metadata.get(name).map(String::as_str)
    }
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The code as the specification writes it.
fn name(code: Code) -> String {
    let mut name = String::new();
    for c in format!("{code:?}").chars() {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        // Writing to a string does not fail.
        let _ = write!(name, "{}", c.to_ascii_uppercase());
    }
    name
}

#[cfg(test)]
#[path = "failure_tests.rs"]
mod tests;
