//! An order as people and as programs see it.

use std::fmt::Write as _;

use prost_types::Timestamp;
use proto::Money;
use proto::order::v1::{ListOrdersResponse, OrderRecord, OrderState};
use rpc::text::escaped as shown;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// The order on several lines.
pub(super) fn people(order: &OrderRecord) -> String {
    let mut text = format!("order {}  {}\n", shown(&order.order_id), state(order));
    let mut line = |name: &str, value: String| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {name:<9} {value}");
    };
    line(
        "product",
        format!("{} ({})", shown(&order.product_title), order.product_id),
    );
    line("price", price(order));
    line("user", order.user_id.to_string());
    if order.payment_id != 0 {
        line("payment", order.payment_id.to_string());
    }
    if order.shipping_id != 0 {
        line("shipment", order.shipping_id.to_string());
    }
    line("ordered", moment(order.create_time));
    line("changed", moment(order.update_time));
    if !order.note.is_empty() {
        line("note", shown(&order.note));
    }
    text
}

/// The orders of a page, one a line below their headings.
pub(super) fn table(page: &ListOrdersResponse) -> String {
    if page.orders.is_empty() {
        return "no orders\n".to_owned();
    }
    let mut rows = vec![["ORDER", "STATE", "PRICE", "USER", "PRODUCT"].map(str::to_owned)];
    rows.extend(page.orders.iter().map(|order| {
        [
            shown(&order.order_id),
            state(order).to_owned(),
            price(order),
            order.user_id.to_string(),
            shown(&order.product_title),
        ]
    }));
    let widths: [usize; 5] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or_default()
    });
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<_> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    if !page.next_page_token.is_empty() {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "there are more: --page-token {}",
            shown(&page.next_page_token)
        );
    }
    text
}

/// One line of a follower.
pub(super) fn step(order: &OrderRecord) -> String {
    let mut text = format!("{}  {}", moment(order.update_time), state(order));
    if !order.note.is_empty() {
        // Writing to a string does not fail.
        let _ = write!(text, "  {}", shown(&order.note));
    }
    text.push('\n');
    text
}

/// The order for a program.
pub(super) fn object(order: &OrderRecord) -> Value {
    json!({
        "order_id": order.order_id,
        "state": state(order),
        "user_id": order.user_id,
        "product_id": order.product_id,
        "product_title": order.product_title,
        "price": price(order),
        "payment_id": number(order.payment_id),
        "shipping_id": number(order.shipping_id),
        "note": order.note,
        "create_time": rfc3339(order.create_time),
        "update_time": rfc3339(order.update_time),
    })
}

/// A page for a program.
pub(super) fn page(page: &ListOrdersResponse) -> Value {
    json!({
        "orders": page.orders.iter().map(object).collect::<Vec<_>>(),
        "next_page_token": page.next_page_token,
    })
}

/// The name of its state, also of one that is newer than this command.
pub(super) fn state(order: &OrderRecord) -> &'static str {
    match OrderState::try_from(order.state) {
        Ok(state) => state.as_str_name().trim_start_matches("ORDER_STATE_"),
        Err(_) => "UNKNOWN",
    }
}

fn price(order: &OrderRecord) -> String {
    match order.price.as_ref().map(Money::parse) {
        Some(Ok(price)) => price.to_string(),
        _ => "unknown".to_owned(),
    }
}

fn number(id: i64) -> Value {
    if id == 0 { Value::Null } else { id.into() }
}

fn moment(time: Option<Timestamp>) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
    read(time)
        .and_then(|time| time.format(&format).ok())
        .unwrap_or_else(|| "unknown".to_owned())
}

fn rfc3339(time: Option<Timestamp>) -> Value {
    read(time)
        .and_then(|time| time.format(&Rfc3339).ok())
        .map_or(Value::Null, Value::String)
}

fn read(time: Option<Timestamp>) -> Option<OffsetDateTime> {
    let time = time?;
    let nanos = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos);
    OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> OrderRecord {
        OrderRecord {
            order_id: "0194".into(),
            user_id: 23,
            product_id: 12,
            product_title: "Resilient communication".into(),
            price: Some("3.2 EUR".parse::<Money>().expect("an amount").into()),
            state: OrderState::Paid.into(),
            payment_id: 7,
            shipping_id: 0,
            note:
                "paid and waiting: shipping does not answer at the moment; it ships later by itself"
                    .into(),
            create_time: Some(Timestamp {
                seconds: 1_795_000_000,
                nanos: 250_000_000,
            }),
            update_time: None,
        }
    }

    #[test]
    fn a_person_sees_the_order_and_what_it_waits_for() {
        assert_eq!(
            people(&order()),
            "order 0194  PAID\n  \
               product   Resilient communication (12)\n  \
               price     3.20 EUR\n  \
               user      23\n  \
               payment   7\n  \
               ordered   2026-11-18 11:06:40 UTC\n  \
               changed   unknown\n  \
               note      paid and waiting: shipping does not answer at the moment; it ships later by itself\n"
        );
    }

    #[test]
    fn a_program_sees_the_same() {
        assert_eq!(
            object(&order()),
            json!({
                "order_id": "0194",
                "state": "PAID",
                "user_id": 23,
                "product_id": 12,
                "product_title": "Resilient communication",
                "price": "3.20 EUR",
                "payment_id": 7,
                "shipping_id": null,
                "note": order().note,
                "create_time": "2026-11-18T11:06:40.25Z",
                "update_time": null,
            })
        );
    }

    #[test]
    fn a_page_is_a_table_that_says_how_to_go_on() {
        let one = ListOrdersResponse {
            orders: vec![order()],
            next_page_token: "abc".into(),
        };
        assert_eq!(
            table(&one),
            "ORDER  STATE  PRICE     USER  PRODUCT\n\
             0194   PAID   3.20 EUR  23    Resilient communication\n\
             there are more: --page-token abc\n"
        );
        assert_eq!(table(&ListOrdersResponse::default()), "no orders\n");
    }

    #[test]
    fn an_answer_without_sense_is_shown_without_a_panic() {
        let senseless = OrderRecord {
            order_id: "\u{1b}[2J".into(),
            state: 99,
            create_time: Some(Timestamp {
                seconds: i64::MAX,
                nanos: i32::MIN,
            }),
            ..OrderRecord::default()
        };
        let text = people(&senseless);
        assert!(text.starts_with("order \\u{1b}[2J  UNKNOWN\n"), "{text}");
        assert!(text.contains("price     unknown"), "{text}");
    }
}
