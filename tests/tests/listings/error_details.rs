//! Error details: 6.7.

use anyhow::{Context, Result};
use tests::listings::{Options, World, error_details};
use tonic::Code;

use crate::{page, tells};

#[tokio::test]
async fn a_wrong_order_is_refused_with_every_violation_in_typed_values() -> Result<()> {
    let mut page = page();
    let outcome = error_details::run(&mut page, World::Memory, Options::default()).await?;

    let chapter = &outcome.chapter;
    assert_eq!(chapter.code, Code::InvalidArgument);
    let said: Vec<_> = chapter
        .fields
        .iter()
        .map(|violation| (violation.field.as_str(), violation.description.as_str()))
        .collect();
    // Product 0 is not negative, so of the chapter's two rules the order breaks one.
    assert_eq!(said, [("user_id", "user id cannot be less than 1")]);
    let info = chapter.info.as_ref().context("no ErrorInfo")?;
    assert_eq!(info.domain, "order");
    assert_eq!(info.reason, "INVALID_FIELDS");

    let everything = &outcome.everything;
    assert_eq!(everything.code, Code::InvalidArgument);
    let fields: Vec<_> = everything
        .fields
        .iter()
        .map(|violation| violation.field.as_str())
        .collect();
    assert_eq!(
        fields,
        [
            "idempotency_key",
            "user_id",
            "product_id",
            "price",
            "address.recipient",
            "address.street",
            "address.city",
            "address.postal_code",
            "address.country_code",
        ]
    );
    let product = &everything.fields[2];
    assert_eq!(product.description, "product id cannot be negative");
    assert_eq!(product.reason, "TOO_SMALL");

    // What the violations said was all that was wrong.
    assert_eq!(outcome.mended.user_id, 23);
    tells(
        page,
        &[
            "INVALID_ARGUMENT (code 3)",
            "the field user_id has an invalid value: user id cannot be less than 1",
            "reason INVALID_FIELDS, says the service order",
            "the field product_id has an invalid value: product id cannot be negative",
            "order 1243 is created",
        ],
    );
    Ok(())
}
