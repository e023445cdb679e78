//! The command line of `order-client`. The doc comments are its help.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use proto::Money;
use proto::order::v1::OrderState;

use super::exit::Exit;

/// Orders, and follows orders, at an order service.
#[derive(Debug, Parser)]
#[command(name = "order-client", version, after_help = Exit::HELP)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,

    // After a command's own options.
    /// Print JSON, one object a line: results on standard output, failures on standard error.
    #[arg(long, global = true, display_order = 900)]
    pub(super) json: bool,

    // Last, because its heading goes on to what follows.
    #[command(flatten)]
    pub(super) connection: Connection,
}

/// Each has its environment variable, which is read after the command line: clap would say that a flag is wrong where
/// its variable is, and take an empty variable for a value.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(super) struct Connection {
    /// Where the order service is [env: ORDER_CLIENT_ADDRESS] [default: https://localhost:50050].
    #[arg(long, global = true, value_name = "URL", allow_hyphen_values = true)]
    address: Option<String>,

    /// The folder with this caller's tls.crt, tls.key and ca.crt [env: ORDER_CLIENT_TLS] [default: certs/order-client].
    #[arg(long, global = true, value_name = "DIR")]
    tls: Option<PathBuf>,

    /// The name in the service's certificate, where it is not the host of the address [env: ORDER_CLIENT_SERVER_NAME].
    #[arg(long, global = true, value_name = "NAME", allow_hyphen_values = true)]
    pub(super) server_name: Option<String>,

    /// How long the whole command may take, such as 250ms, 5s or 10m [env: ORDER_CLIENT_DEADLINE] [default: 5s; watch:
    /// 10m].
    #[arg(
        long,
        global = true,
        value_name = "TIME",
        allow_hyphen_values = true,
        value_parser = duration
    )]
    pub(super) deadline: Option<Duration>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Orders a product. Repeating the command with the same --key never orders twice.
    Create(Create),
    /// Shows one order.
    Get {
        /// The order's number.
        #[arg(allow_negative_numbers = true)]
        order_id: String,
    },
    /// Lists orders, newest first.
    List(List),
    /// Follows one order until it is shipped, refused or refunded.
    Watch {
        /// The order's number.
        #[arg(allow_negative_numbers = true)]
        order_id: String,
    },
    /// Asks whether the service takes orders.
    Health,
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// Who orders, 1 or greater.
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true, value_parser = number)]
    pub(super) user: i64,

    /// What is ordered.
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true, value_parser = number)]
    pub(super) product: i64,

    /// What you expect it to cost, such as "3.20 EUR".
    #[arg(long, value_name = "AMOUNT", allow_hyphen_values = true, value_parser = money)]
    pub(super) price: Money,

    /// The same for every repetition of one order; made up when it is missing.
    #[arg(long, value_name = "TEXT", allow_negative_numbers = true)]
    pub(super) key: Option<String>,

    /// The name on the parcel. Without an address the order is collected.
    #[arg(long, value_name = "NAME", allow_negative_numbers = true)]
    pub(super) recipient: Option<String>,

    /// Street and number.
    #[arg(long, value_name = "STREET", allow_negative_numbers = true)]
    pub(super) street: Option<String>,

    /// City.
    #[arg(long, value_name = "CITY")]
    pub(super) city: Option<String>,

    /// Postal code.
    #[arg(long, value_name = "CODE", allow_negative_numbers = true)]
    pub(super) postal_code: Option<String>,

    /// Two-letter country code, such as TR.
    #[arg(long, value_name = "CODE", allow_negative_numbers = true)]
    pub(super) country: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only this user's orders.
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 0,
        allow_hyphen_values = true,
        value_parser = number
    )]
    pub(super) user: i64,

    /// Only orders in this state.
    #[arg(
        long,
        value_name = "STATE",
        ignore_case = true,
        allow_hyphen_values = true
    )]
    pub(super) state: Option<State>,

    /// At most this many on a page, up to 100.
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 0,
        allow_hyphen_values = true,
        value_parser = small_number
    )]
    pub(super) page_size: i32,

    /// Go on where the page before ended.
    #[arg(
        long,
        value_name = "TOKEN",
        allow_negative_numbers = true,
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

impl Arguments {
    /// Reads a command line, and where it is silent about the connection, the environment. An empty variable counts as
    /// none.
    pub(super) fn parse(
        arguments: impl IntoIterator<Item = OsString>,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, clap::Error> {
        let mut parsed = Self::try_parse_from(arguments)?;
        let variable = |name: &str| environment(name).filter(|value| !value.is_empty());
        let refuse = |name: &str, value: &str, problem: &str| {
            let sentence = format!("the variable {name} is {value:?}: {problem}");
            Self::command().error(ErrorKind::ValueValidation, sentence)
        };
        let text = |name: &str| {
            let Some(value) = variable(name) else {
                return Ok(None);
            };
            value
                .into_string()
                .map(Some)
                .map_err(|value| refuse(name, &value.to_string_lossy(), "it is not UTF-8"))
        };
        let connection = &mut parsed.connection;
        if connection.address.is_none() {
            connection.address = text("ORDER_CLIENT_ADDRESS")?;
        }
        if connection.tls.is_none() {
            connection.tls = variable("ORDER_CLIENT_TLS").map(PathBuf::from);
        }
        if connection.server_name.is_none() {
            connection.server_name = text("ORDER_CLIENT_SERVER_NAME")?;
        }
        if connection.deadline.is_none() {
            let name = "ORDER_CLIENT_DEADLINE";
            connection.deadline = text(name)?
                .map(|value| duration(&value).map_err(|problem| refuse(name, &value, &problem)))
                .transpose()?;
        }
        Ok(parsed)
    }
}

impl Connection {
    pub(super) fn address(&self) -> &str {
        self.address.as_deref().unwrap_or("https://localhost:50050")
    }

    pub(super) fn tls(&self) -> &Path {
        self.tls
            .as_deref()
            .unwrap_or_else(|| Path::new("certs/order-client"))
    }
}

/// Nobody waits for a command longer than this; a longer time is a slip.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// Nothing is done in less.
const SHORTEST: Duration = Duration::from_millis(1);

fn duration(text: &str) -> Result<Duration, String> {
    let time = rpc::config::duration::parse(text)
        .map_err(|_| "write a number and a unit, such as 250ms, 5s or 10m".to_owned())?;
    if (SHORTEST..=LONGEST).contains(&time) {
        return Ok(time);
    }
    let written = rpc::config::duration::format;
    Err(format!(
        "it must be from {} to {}",
        written(SHORTEST),
        written(LONGEST)
    ))
}

/// A whole number. Which ones are good is the service's to say.
fn number(text: &str) -> Result<i64, String> {
    whole(text, i64::MIN, i64::MAX)
}

/// The same for a field that holds less.
fn small_number(text: &str) -> Result<i32, String> {
    whole(text, i32::MIN, i32::MAX)
}

fn whole<T: FromStr + fmt::Display>(text: &str, least: T, most: T) -> Result<T, String> {
    let refuse = |_: T::Err| format!("it is not a whole number from {least} to {most}");
    text.parse().map_err(refuse)
}

fn money(text: &str) -> Result<Money, String> {
    text.parse::<Money>().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
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

    fn with_variable(name: &str, value: &str, line: &[&str]) -> Result<Arguments, String> {
        let line = ["order-client"].iter().chain(line).map(OsString::from);
        Arguments::parse(line, |asked| (asked == name).then(|| OsString::from(value)))
            .map_err(|error| error.to_string())
    }

    fn refused(line: &[&str]) -> String {
        with_variable("", "", line).expect_err("a refusal")
    }

    #[test]
    fn a_deadline_needs_a_unit_and_a_time_that_makes_sense() {
        for (text, good) in [
            ("5s", true),
            ("250ms", true),
            ("1ms", true),
            ("24h", true),
            ("5", false),
            ("0s", false),
            ("1ns", false),
            ("999999999h", false),
            ("-1s", false),
            ("-5", false),
        ] {
            let parsed = with_variable("", "", &["health", "--deadline", text]);
            assert_eq!(parsed.is_ok(), good, "{text}");
            if let Err(said) = parsed {
                assert!(said.contains(&format!("invalid value '{text}'")), "{said}");
                assert!(said.contains("--deadline"), "{said}");
            }
        }
        for text in ["1ns", "999999999h"] {
            let said = refused(&["health", "--deadline", text]);
            assert!(said.contains("from 1ms to 24h"), "{said}");
        }
    }

    #[test]
    fn a_variable_is_blamed_by_its_own_name_and_an_empty_one_is_none() {
        let said = with_variable("ORDER_CLIENT_DEADLINE", "x", &["health"]).expect_err("a refusal");
        assert!(said.contains("ORDER_CLIENT_DEADLINE is \"x\""), "{said}");
        assert!(!said.contains("--deadline"), "{said}");

        let parsed = with_variable("ORDER_CLIENT_ADDRESS", "", &["health"]).expect("a command");
        assert_eq!(parsed.connection.address(), "https://localhost:50050");
        let parsed =
            with_variable("ORDER_CLIENT_ADDRESS", "https://v:1", &["health"]).expect("a command");
        assert_eq!(parsed.connection.address(), "https://v:1");
        let line = ["health", "--address", "https://f:1"];
        let parsed =
            with_variable("ORDER_CLIENT_ADDRESS", "https://v:1", &line).expect("a command");
        assert_eq!(parsed.connection.address(), "https://f:1");
        let parsed = with_variable("ORDER_CLIENT_TLS", "t", &["health"]).expect("a command");
        assert_eq!(parsed.connection.tls(), Path::new("t"));
    }

    #[test]
    fn a_number_that_is_none_is_told_in_words() {
        for (line, flag, range) in [
            (
                &["list", "--user", "x"][..],
                "--user",
                "9223372036854775807",
            ),
            (
                &["list", "--user", "99999999999999999999"],
                "--user",
                "9223372036854775807",
            ),
            (&["list", "--user", "-5x"], "--user", "a whole number"),
            (
                &["list", "--page-size", "3000000000"],
                "--page-size",
                "2147483647",
            ),
            (
                &["create", "--product", "-x"],
                "--product",
                "a whole number",
            ),
        ] {
            let said = refused(line);
            assert!(said.contains("invalid value"), "{said}");
            assert!(said.contains(flag) && said.contains(range), "{said}");
        }
    }

    #[test]
    fn a_commands_own_options_stand_before_those_of_the_connection() {
        let help = refused(&["create", "--help"]);
        let order = [
            "--user",
            "--country",
            "--json",
            "Connection:",
            "--address",
            "--deadline",
        ];
        let positions: Vec<_> = order
            .iter()
            .map(|text| help.find(text).expect(text))
            .collect();
        assert!(positions.is_sorted(), "{help}");
    }
}
