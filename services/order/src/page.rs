//! Which orders a caller wants listed, parsed, and the token that leads from one page to the next (AIP-158).
//!
//! A token names the last order of its page and the filter of its list. It is opaque to callers and not secret: it
//! grants nothing that the call itself does not grant.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use proto::order::v1 as wire;
use rpc::status::{FieldViolation, Violations, reason};

use crate::order::{OrderId, State};

/// How many orders there are on a page when the caller does not say.
const DEFAULT_SIZE: u32 = 20;
/// How many there are at most; a caller that asks for more gets these.
const LARGEST_SIZE: u32 = 100;

/// One page of orders, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Only those of this user.
    pub user_id: Option<i64>,
    /// Only those in this state.
    pub state: Option<State>,
    /// At most that many.
    pub size: u32,
    /// Only those that are older than this one.
    pub before: Option<OrderId>,
}

impl Page {
    /// Reads the wire message.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(request: &wire::ListOrdersRequest) -> Result<Self, Vec<FieldViolation>> {
        let mut violations = Violations::new();
        violations.require(
            request.user_id >= 0,
            "user_id",
            reason::TOO_SMALL,
            "user id cannot be less than 1; leave it out for the orders of all users",
        );
        let state = match wire::OrderState::try_from(request.state) {
            Ok(state) => State::from_wire(state),
            Err(_) => {
                violations.add(
                    "state",
                    reason::MALFORMED,
                    format!("there is no order state {}", request.state),
                );
                None
            }
        };
        let size = match u32::try_from(request.page_size) {
            Ok(0) => DEFAULT_SIZE,
            Ok(size) => size.min(LARGEST_SIZE),
            Err(_) => {
                violations.add(
                    "page_size",
                    reason::TOO_SMALL,
                    "a page cannot have less than no order",
                );
                DEFAULT_SIZE
            }
        };
        let mut page = Self {
            user_id: (request.user_id != 0).then_some(request.user_id),
            state,
            size,
            before: None,
        };
        if !request.page_token.is_empty() {
            match page.read_token(&request.page_token) {
                Ok(last) => page.before = Some(last),
                Err(why) => violations.add("page_token", reason::MALFORMED, why),
            }
        }
        violations.finish()?;
        Ok(page)
    }

    /// The token of the page after the one that ends with `last`.
    pub fn token_after(&self, last: OrderId) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(format!("{} {last}", self.filter()))
    }

    fn read_token(&self, token: &str) -> Result<OrderId, &'static str> {
        const UNREADABLE: &str =
            "it is no token of an answer; leave it out to start at the newest order";
        let text = BASE64_URL_SAFE_NO_PAD
            .decode(token)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or(UNREADABLE)?;
        let (filter, last) = text.rsplit_once(' ').ok_or(UNREADABLE)?;
        let last = last.parse().map_err(|_| UNREADABLE)?;
        if filter != self.filter() {
            return Err("it continues another list; keep user_id and state as they were");
        }
        Ok(last)
    }

    fn filter(&self) -> String {
        let state = self.state.map_or("-", State::name);
        format!("1 {} {state}", self.user_id.unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(change: impl FnOnce(&mut wire::ListOrdersRequest)) -> wire::ListOrdersRequest {
        let mut request = wire::ListOrdersRequest::default();
        change(&mut request);
        request
    }

    fn wrong(request: &wire::ListOrdersRequest) -> Vec<String> {
        let violations = Page::parse(request).expect_err("the request was taken");
        violations.into_iter().map(|v| v.field).collect()
    }

    #[test]
    fn an_empty_request_asks_for_the_newest_twenty_of_all() {
        let page = Page::parse(&wire::ListOrdersRequest::default());
        let expected = Page {
            user_id: None,
            state: None,
            size: 20,
            before: None,
        };
        assert_eq!(page, Ok(expected));
    }

    #[test]
    fn a_page_has_at_most_a_hundred_orders() {
        let size = |size| Page::parse(&list(|r| r.page_size = size)).map(|page| page.size);
        assert_eq!(size(1), Ok(1));
        assert_eq!(size(100), Ok(100));
        assert_eq!(size(i32::MAX), Ok(100));
    }

    #[test]
    fn everything_wrong_with_a_list_is_said_at_once() {
        let request = wire::ListOrdersRequest {
            user_id: -1,
            state: 99,
            page_size: -1,
            page_token: "nonsense".into(),
        };
        assert_eq!(
            wrong(&request),
            ["user_id", "state", "page_size", "page_token"]
        );
    }

    #[test]
    fn a_token_leads_to_the_orders_after_the_last_one() {
        let first = list(|r| {
            r.user_id = 23;
            r.state = wire::OrderState::Paid.into();
        });
        let last = OrderId::next();
        let token = Page::parse(&first).expect("a page").token_after(last);
        let mut second = first;
        second.page_token = token;
        let page = Page::parse(&second).expect("a page");
        assert_eq!(page.before, Some(last));
        assert_eq!(page.state, Some(State::Paid));
    }

    #[test]
    fn a_token_of_another_list_is_refused() {
        let all = Page::parse(&wire::ListOrdersRequest::default()).expect("a page");
        let token = all.token_after(OrderId::next());
        assert_eq!(
            wrong(&list(|r| {
                r.user_id = 23;
                r.page_token = token.clone();
            })),
            ["page_token"]
        );
    }

    #[test]
    fn a_token_that_was_tampered_with_is_refused_and_never_a_panic() {
        let page = Page::parse(&wire::ListOrdersRequest::default()).expect("a page");
        let token = page.token_after(OrderId::next());
        for end in 1..token.len() {
            assert_eq!(
                wrong(&list(|r| r.page_token = token[..end].into())),
                ["page_token"],
                "the first {end} characters"
            );
        }
        assert_eq!(wrong(&list(|r| r.page_token = "ü".into())), ["page_token"]);
    }
}
