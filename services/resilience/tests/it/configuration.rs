//! The policy of a client as it is written, and what is refused.

use std::time::Duration;

use resilience::retry::{Backoff, Jitter};
use resilience::{ClientPolicy, ClientPolicyConfig};

#[test]
fn an_empty_file_is_the_defaults() {
    let read: ClientPolicy = toml::from_str("").expect("the defaults");
    assert_eq!(*read.config(), ClientPolicyConfig::default());
    assert_eq!(*ClientPolicy::default().config(), *read.config());
    assert_eq!(read.config().deadline, Duration::from_secs(5));
    assert_eq!(read.config().retry.max_attempts, 3);
}

#[test]
fn what_is_written_is_read_back() {
    let text = r#"
        deadline = "3s"
        attempt_timeout = "800ms"

        [retry]
        max_attempts = 5
        backoff = { linear = { step = "1s", max = "5s" } }
        jitter = "full"
        codes = ["UNAVAILABLE", "RESOURCE_EXHAUSTED"]
        throttle = "off"
        budget = { ratio = 0.1 }

        [circuit_breaker]
        failure_ratio = { ratio = 0.1, minimum_calls = 6, window = 50 }
        open = { initial = "4s" }

        [methods."order.v1.Order/*"]
        deadline = "1m30s"
        retry = { max_attempts = 1, backoff = { fixed = { delay = "10ms" } } }

        [methods."order.v1.Order/Create"]
        circuit_breaker = { enabled = false }
    "#;
    let policy: ClientPolicy = toml::from_str(text).expect("a policy");
    let config = policy.config();
    assert_eq!(
        config.retry.backoff,
        Backoff::Linear {
            step: Duration::from_secs(1),
            max: Duration::from_secs(5)
        }
    );
    assert_eq!(config.retry.jitter, Jitter::Full);
    assert_eq!(config.retry.throttle.on(), None);
    assert_eq!(
        config.retry.budget.on().map(|budget| budget.ratio),
        Some(0.1)
    );
    let json = serde_json::to_string(&policy).expect("JSON");
    let again: ClientPolicy = serde_json::from_str(&json).expect("a policy");
    assert_eq!(again.config(), config);
}

#[test]
fn what_contradicts_itself_is_refused_with_a_sentence_that_names_it() {
    for (text, named) in [
        ("dead_line = \"5s\"", "dead_line"),
        ("deadline = 5", "deadline"),
        ("deadline = \"5\"", "\"5\" is not a duration"),
        ("deadline = \"0s\"", "deadline is 0s"),
        ("attempt_timeout = \"0s\"", "attempt_timeout is 0s"),
        ("retry = { max_attempts = 0 }", "max_attempts"),
        (
            "retry = { codes = [\"NOT_FOUND\"] }",
            "NotFound must not be retried",
        ),
        ("retry = { codes = [\"GONE\"] }", "GONE"),
        ("retry = { jitter = { ratio = 2.0 } }", "jitter"),
        (
            "retry = { backoff = { exponential = { initial = \"2s\", multiplier = 2.0, max = \"1s\" } } }",
            "more than its max of 1s",
        ),
        ("retry = { throttle = { max_tokens = 0.0 } }", "max_tokens"),
        ("retry = { budget = { ratio = 11.0 } }", "ratio"),
        ("retry = { budget = \"none\" }", "off"),
        (
            "circuit_breaker = { failure_ratio = { ratio = 0.0 } }",
            "failure_ratio.ratio",
        ),
        (
            "methods = { \"order\" = { deadline = \"1s\" } }",
            "\"order\" names no method",
        ),
        (
            "methods = { \"a.A/B\" = { deadline = \"0s\" } }",
            "deadline for a.A/B is 0s",
        ),
        (
            "methods = { \"a.A/B\" = { retry = { max_attempts = 0 } } }",
            "retry for a.A/B",
        ),
    ] {
        let error = toml::from_str::<ClientPolicy>(text)
            .expect_err(text)
            .to_string();
        assert!(error.contains(named), "{text}: {error}");
    }
}
