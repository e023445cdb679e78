//! The command line of `order-client`. The doc comments are its help.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use proto::Money;
use proto::order::v1::OrderState;

use super::exit::Exit;

/// Orders, and follows orders, at an order service.
#[derive(Debug, Parser)]
#[command(name = "order-client", version, after_help = Exit::HELP)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,

    /// Where the order service is.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "ORDER_CLIENT_ADDRESS",
        default_value = "https://localhost:50050"
    )]
    pub(super) address: String,

    /// The folder with this caller's tls.crt, tls.key and ca.crt.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "ORDER_CLIENT_TLS",
        default_value = "certs/order-client"
    )]
    pub(super) tls: PathBuf,

    /// The name in the service's certificate, where it is not the host of the address.
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        env = "ORDER_CLIENT_SERVER_NAME"
    )]
    pub(super) server_name: Option<String>,

    /// How long the whole command may take, such as 250ms, 5s or 10m [default: 5s; watch: 10m].
    #[arg(long, global = true, value_name = "TIME", env = "ORDER_CLIENT_DEADLINE", value_parser = duration)]
    pub(super) deadline: Option<Duration>,

    /// Print JSON, one object a line: results on standard output, failures on standard error.
    #[arg(long, global = true)]
    pub(super) json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Orders a product. Repeating the command with the same --key never orders twice.
    Create(Create),
    /// Shows one order.
    Get {
        /// The order's number.
        order_id: String,
    },
    /// Lists orders, newest first.
    List(List),
    /// Follows one order until it is shipped, refused or refunded.
    Watch {
        /// The order's number.
        order_id: String,
    },
    /// Asks whether the service takes orders.
    Health,
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// Who orders, 1 or greater.
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub(super) user: i64,

    /// What is ordered.
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub(super) product: i64,

    /// What you expect it to cost, such as "3.20 EUR".
    #[arg(long, value_name = "AMOUNT", allow_hyphen_values = true, value_parser = money)]
    pub(super) price: Money,

    /// The same for every repetition of one order; made up when it is missing.
    #[arg(long, value_name = "TEXT")]
    pub(super) key: Option<String>,

    /// The name on the parcel. Without an address the order is collected.
    #[arg(long, value_name = "NAME")]
    pub(super) recipient: Option<String>,

    /// Street and number.
    #[arg(long, value_name = "STREET")]
    pub(super) street: Option<String>,

    /// City.
    #[arg(long, value_name = "CITY")]
    pub(super) city: Option<String>,

    /// Postal code.
    #[arg(long, value_name = "CODE")]
    pub(super) postal_code: Option<String>,

    /// Two-letter country code, such as TR.
    #[arg(long, value_name = "CODE")]
    pub(super) country: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only this user's orders.
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    pub(super) user: i64,

    /// Only orders in this state.
    #[arg(long, value_name = "STATE", ignore_case = true)]
    pub(super) state: Option<State>,

    /// At most this many on a page, up to 100.
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    pub(super) page_size: i32,

    /// Go on where the page before ended.
    #[arg(
        long,
        value_name = "TOKEN",
        default_value = "",
        hide_default_value = true
    )]
    pub(super) page_token: String,
}

/// A state as it is typed.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum State {
    /// Stored, not yet charged.
    Created,
    /// Charged, not yet shipped.
    Paid,
    /// Shipped.
    Shipped,
    /// The payment was refused.
    Refused,
    /// It cannot be shipped; the payment is being given back.
    Refunding,
    /// The payment was given back.
    Refunded,
}

impl From<State> for OrderState {
    fn from(state: State) -> Self {
        match state {
            State::Created => Self::Created,
            State::Paid => Self::Paid,
            State::Shipped => Self::Shipped,
            State::Refused => Self::Refused,
            State::Refunding => Self::Refunding,
            State::Refunded => Self::Refunded,
        }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    match rpc::config::duration::parse(text) {
        Ok(time) if time.is_zero() => Err("no time at all; give at least 1ms".to_owned()),
        Ok(time) => Ok(time),
        Err(error) => Err(error.to_string()),
    }
}

fn money(text: &str) -> Result<Money, String> {
    text.parse::<Money>().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn create(price: &str) -> Result<Create, String> {
        let line = [
            "order-client",
            "create",
            "--user",
            "23",
            "--product",
            "12",
            "--price",
            price,
        ];
        match Arguments::try_parse_from(line).map(|arguments| arguments.command) {
            Ok(Command::Create(create)) => Ok(create),
            Ok(other) => Err(format!("{other:?}")),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_price_is_read_without_a_floating_point_number() {
        for (text, nanos) in [
            ("3.2 EUR", 200_000_000),
            ("3.20 EUR", 200_000_000),
            ("3.000000001 EUR", 1),
        ] {
            let price = create(text).expect("understood").price;
            assert_eq!((price.units(), price.nanos()), (3, nanos), "{text}");
        }
    }

    #[test]
    fn a_price_that_is_none_is_refused_with_an_example() {
        for text in ["3.20", "3,20 EUR", "EUR 3.20", "three EUR"] {
            let said = create(text).expect_err("refused");
            assert!(said.contains("3.20 EUR"), "{said}");
        }
    }

    #[test]
    fn what_only_the_service_judges_is_sent_as_it_is() {
        // The violations of the service are shown, so that there is one place that knows the rules.
        assert!(create("-3 EUR").is_ok());
        let line = [
            "order-client",
            "create",
            "--user",
            "-1",
            "--product",
            "-1",
            "--price",
            "2 EUR",
        ];
        assert!(Arguments::try_parse_from(line).is_ok());
    }

    #[test]
    fn a_deadline_needs_a_unit_and_some_time() {
        for (text, good) in [("5s", true), ("250ms", true), ("5", false), ("0s", false)] {
            let line = ["order-client", "health", "--deadline", text];
            assert_eq!(Arguments::try_parse_from(line).is_ok(), good, "{text}");
        }
    }
}
