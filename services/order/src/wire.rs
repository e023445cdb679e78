//! Orders as the wire has them.

use prost_types::Timestamp;
use proto::order::v1 as wire;

use crate::clock::Moment;
use crate::order::{Order, State};

impl State {
    /// The state of that number on the wire; none for "unspecified".
    pub fn from_wire(state: wire::OrderState) -> Option<Self> {
        match state {
            wire::OrderState::Unspecified => None,
            wire::OrderState::Created => Some(Self::Created),
            wire::OrderState::Paid => Some(Self::Paid),
            wire::OrderState::Shipped => Some(Self::Shipped),
            wire::OrderState::Refused => Some(Self::Refused),
            wire::OrderState::Refunding => Some(Self::Refunding),
            wire::OrderState::Refunded => Some(Self::Refunded),
        }
    }

    /// Its number on the wire.
    pub fn to_wire(self) -> wire::OrderState {
        match self {
            Self::Created => wire::OrderState::Created,
            Self::Paid => wire::OrderState::Paid,
            Self::Shipped => wire::OrderState::Shipped,
            Self::Refused => wire::OrderState::Refused,
            Self::Refunding => wire::OrderState::Refunding,
            Self::Refunded => wire::OrderState::Refunded,
        }
    }
}

/// What a caller sees of an order. Neither its key nor the address, which only the one who sent them needs.
impl From<Order> for wire::OrderRecord {
    fn from(order: Order) -> Self {
        Self {
            order_id: order.id.to_string(),
            user_id: order.content.user_id,
            product_id: order.content.product_id,
            product_title: order.product_title,
            price: Some(order.content.price.into()),
            state: order.state.to_wire().into(),
            payment_id: order.payment_id.unwrap_or_default(),
            shipping_id: order.shipping_id.unwrap_or_default(),
            note: order.note,
            create_time: Some(timestamp(order.created_at)),
            update_time: Some(timestamp(order.updated_at)),
        }
    }
}

fn timestamp(moment: Moment) -> Timestamp {
    Timestamp {
        seconds: moment.0.div_euclid(1_000),
        // At most 999 milliseconds.
        nanos: i32::try_from(moment.0.rem_euclid(1_000) * 1_000_000).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_goes_to_the_wire_and_back() {
        for state in State::ALL {
            assert_eq!(State::from_wire(state.to_wire()), Some(state));
            let name = state.to_wire().as_str_name();
            assert_eq!(name, format!("ORDER_STATE_{state}"));
        }
    }

    #[test]
    fn a_moment_before_1970_is_a_valid_timestamp_too() {
        let before = timestamp(Moment(-1));
        assert_eq!((before.seconds, before.nanos), (-1, 999_000_000));
    }
}
