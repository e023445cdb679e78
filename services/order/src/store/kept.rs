//! An order as a row of the table, and back. Both drivers read and write the same columns, so this is there once.

use proto::Money;
use rpc::idempotency_key::IdempotencyKey;
use rpc::status::{FieldViolation, PreconditionViolation, Reason};
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::clock::Moment;
use crate::new_order::{Address, NewOrder};
use crate::order::{Order, Refusal, State, Step};

/// The columns that are read, in the types that both drivers have.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) idempotency_key: String,
    pub(super) user_id: i64,
    pub(super) product_id: i64,
    pub(super) product_title: String,
    pub(super) currency_code: String,
    pub(super) units: i64,
    pub(super) nanos: i64,
    pub(super) recipient: Option<String>,
    pub(super) street: Option<String>,
    pub(super) city: Option<String>,
    pub(super) postal_code: Option<String>,
    pub(super) country_code: Option<String>,
    pub(super) state: String,
    pub(super) payment_id: Option<i64>,
    pub(super) shipping_id: Option<i64>,
    pub(super) note: String,
    pub(super) refusal: Option<String>,
    pub(super) attempts: i64,
    pub(super) next_attempt_at: Option<i64>,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
    pub(super) version: i64,
}

impl Row {
    pub(super) fn into_order(self) -> Result<Order, StoreError> {
        let corrupt = |column: &str, why: &dyn std::fmt::Display| StoreError::Corrupt {
            what: format!("the column {column} of order {}: {why}", self.id),
        };
        let nanos = i32::try_from(self.nanos).map_err(|error| corrupt("nanos", &error))?;
        let price = Money::new(&self.currency_code, self.units, nanos)
            .map_err(|error| corrupt("units", &error))?;
        let state =
            State::named(&self.state).ok_or_else(|| corrupt("state", &"there is no such state"))?;
        let refusal = self
            .refusal
            .as_deref()
            .map(|text| read_refusal(text).map_err(|error| corrupt("refusal", &error)))
            .transpose()?;
        let idempotency_key = IdempotencyKey::parse("idempotency_key", &self.idempotency_key)
            .map_err(|violation| corrupt("idempotency_key", &violation.description))?;
        let id = self
            .id
            .parse()
            .map_err(|error: uuid::Error| corrupt("id", &error))?;
        let attempts = u32::try_from(self.attempts).map_err(|error| corrupt("attempts", &error))?;
        let address = match (
            self.recipient,
            self.street,
            self.city,
            self.postal_code,
            self.country_code,
        ) {
            (Some(recipient), Some(street), Some(city), Some(postal_code), Some(country_code)) => {
                Some(Address {
                    recipient,
                    street,
                    city,
                    postal_code,
                    country_code,
                })
            }
            _ => None,
        };
        Ok(Order {
            id,
            content: NewOrder {
                idempotency_key,
                user_id: self.user_id,
                product_id: self.product_id,
                price,
                address,
            },
            product_title: self.product_title,
            state,
            payment_id: self.payment_id,
            shipping_id: self.shipping_id,
            note: self.note,
            refusal,
            attempts,
            next_attempt_at: self.next_attempt_at.map(Moment),
            created_at: Moment(self.created_at),
            updated_at: Moment(self.updated_at),
            version: self.version,
        })
    }
}

/// A refusal as it is kept.
#[derive(Serialize, Deserialize)]
struct KeptRefusal {
    step: String,
    reason: String,
    message: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    fields: Vec<KeptViolation>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    preconditions: Vec<KeptViolation>,
}

/// A violation of a field, or of a precondition, whose subject is its `of`.
#[derive(Serialize, Deserialize)]
struct KeptViolation {
    of: String,
    reason: String,
    description: String,
}

pub(super) fn write_refusal(refusal: &Refusal) -> Result<String, serde_json::Error> {
    serde_json::to_string(&KeptRefusal {
        step: refusal.step.name().to_owned(),
        reason: refusal.reason.to_string(),
        message: refusal.message.clone(),
        fields: refusal
            .fields
            .iter()
            .map(|violation| KeptViolation {
                of: violation.field.clone(),
                reason: violation.reason.to_string(),
                description: violation.description.clone(),
            })
            .collect(),
        preconditions: refusal
            .preconditions
            .iter()
            .map(|violation| KeptViolation {
                of: violation.subject.clone(),
                reason: violation.kind.to_string(),
                description: violation.description.clone(),
            })
            .collect(),
    })
}

fn read_refusal(text: &str) -> Result<Refusal, String> {
    let kept: KeptRefusal = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let reason = |text: &str| Reason::parse(text).ok_or_else(|| format!("{text:?} is no reason"));
    Ok(Refusal {
        step: Step::named(&kept.step).ok_or_else(|| format!("there is no step {:?}", kept.step))?,
        reason: reason(&kept.reason)?,
        message: kept.message,
        fields: kept
            .fields
            .into_iter()
            .map(|violation| {
                let reason = reason(&violation.reason)?;
                Ok(FieldViolation::new(
                    violation.of,
                    reason,
                    violation.description,
                ))
            })
            .collect::<Result<_, String>>()?,
        preconditions: kept
            .preconditions
            .into_iter()
            .map(|violation| {
                Ok(PreconditionViolation {
                    kind: reason(&violation.reason)?,
                    subject: violation.of,
                    description: violation.description,
                })
            })
            .collect::<Result<_, String>>()?,
    })
}
