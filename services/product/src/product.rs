//! What a product is. Pure: no wire, no database.

use proto::Money;
use rpc::status::{FieldViolation, reason};

/// One product of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Its number.
    pub id: ProductId,
    /// What a person calls it.
    pub title: String,
    /// The price of one piece.
    pub price: Money,
}

/// The number of a product, 1 or greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProductId(i64);

impl ProductId {
    /// Reads the field of that name.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(field: &str, number: i64) -> Result<Self, FieldViolation> {
        if number >= 1 {
            Ok(Self(number))
        } else {
            Err(FieldViolation::new(
                field,
                reason::TOO_SMALL,
                format!("a product id is 1 or greater, and {number} is not"),
            ))
        }
    }

    /// The number.
    pub fn get(self) -> i64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_id_is_1_or_greater() {
        assert_eq!(ProductId::parse("product_id", 1).map(ProductId::get), Ok(1));
        for number in [0, -1, i64::MIN] {
            let violation = ProductId::parse("product_id", number).expect_err("a violation");
            assert_eq!(violation.field, "product_id");
            assert_eq!(violation.reason, reason::TOO_SMALL);
        }
    }
}
