use tonic::Status as Received;

use super::*;

fn every_failure() -> Vec<Failure> {
    let message = || "a sentence".to_owned();
    vec![
        Failure::InvalidArgument {
            violations: vec![
                FieldViolation::new("items[2].quantity", reason::TOO_SMALL, "1 or greater"),
                FieldViolation::new("user_id", reason::REQUIRED, "who orders"),
            ],
        },
        Failure::not_found("payment", 17),
        Failure::AlreadyExists {
            reason: reason::IDEMPOTENCY_KEY_REUSED,
            kind: "payment".into(),
            id: "k".into(),
            message: message(),
        },
        Failure::FailedPrecondition {
            reason: Reason::new("AMOUNT_OVER_LIMIT"),
            message: message(),
            violations: vec![PreconditionViolation {
                kind: Reason::new("AMOUNT_OVER_LIMIT"),
                subject: "amount".into(),
                description: "nothing was charged".into(),
            }],
            metadata: Metadata::from([("limit".into(), "100.00 EUR".into())]),
        },
        Failure::Aborted {
            reason: reason::CONFLICT,
            message: message(),
        },
        Failure::PermissionDenied {
            caller: Some("spiffe://example.org/a".into()),
            method: "test.v1.Test/Say".into(),
        },
        Failure::Unauthenticated { message: message() },
        Failure::Unavailable {
            reason: reason::DATABASE_UNAVAILABLE,
            message: message(),
            retry_after: Some(Duration::from_millis(1_500)),
            metadata: Metadata::new(),
        },
        Failure::ResourceExhausted {
            reason: reason::OVERLOADED,
            message: message(),
            retry_after: Some(Duration::from_millis(250)),
            violations: vec![QuotaViolation {
                subject: "user/23".into(),
                description: "ten orders a minute".into(),
            }],
        },
        Failure::DeadlineExceeded {
            message: message(),
            metadata: Metadata::from([("hop.1".into(), "order 300ms".into())]),
        },
        Failure::Cancelled { message: message() },
        Failure::internal("the disk is gone"),
    ]
}

#[test]
fn every_status_says_its_reason_its_domain_and_its_code_also_in_the_details() {
    for failure in every_failure() {
        let code = failure.code();
        let status = failure.into_status("payment");
        assert_eq!(status.code(), code);
        let wire = decoded(status.details());
        assert_eq!(
            (wire.code, wire.message.as_str()),
            (code as i32, status.message())
        );
        let info = Upstream::read(&status)
            .info
            .unwrap_or_else(|| unreachable!("{code:?}"));
        assert_eq!(info.domain, "payment");
    }
}

fn decoded(details: &[u8]) -> pb::Status {
    prost::Message::decode(details).expect("details are a google.rpc.Status")
}

#[test]
fn what_a_service_says_is_what_its_caller_reads() {
    let read: Vec<Upstream> = every_failure()
        .into_iter()
        .map(|failure| Upstream::read(&failure.into_status("payment")))
        .collect();

    let invalid = &read[0];
    assert_eq!(invalid.fields.len(), 2);
    assert_eq!(
        invalid.fields[0],
        FieldViolation::new("items[2].quantity", reason::TOO_SMALL, "1 or greater")
    );
    assert_eq!(invalid.fields[1].field, "user_id");

    let missing = read[1].resource.as_ref().expect("ResourceInfo");
    assert_eq!(
        (missing.kind.as_str(), missing.id.as_str()),
        ("payment", "17")
    );

    assert!(read[2].is("payment", &reason::IDEMPOTENCY_KEY_REUSED));
    assert!(!read[2].is("order", &reason::IDEMPOTENCY_KEY_REUSED));

    assert_eq!(read[3].preconditions[0].description, "nothing was charged");
    assert_eq!(
        read[3].info.as_ref().expect("ErrorInfo").metadata["limit"],
        "100.00 EUR"
    );

    assert_eq!(read[7].retry_after, Some(Duration::from_millis(1_500)));
    assert_eq!(read[8].retry_after, Some(Duration::from_millis(250)));
    assert_eq!(read[8].quotas[0].subject, "user/23");
    assert_eq!(
        read[9].info.as_ref().expect("ErrorInfo").metadata["hop.1"],
        "order 300ms"
    );
}

#[test]
fn a_time_to_come_back_is_told_as_detail_and_as_pushback() {
    let failure = Failure::Unavailable {
        reason: reason::OVERLOADED,
        message: String::new(),
        retry_after: Some(Duration::from_millis(150)),
        metadata: Metadata::new(),
    };
    let status = failure.into_status("payment");
    let pushback = status.metadata().get("grpc-retry-pushback-ms");
    assert_eq!(pushback.and_then(|value| value.to_str().ok()), Some("150"));
}

#[test]
fn the_source_of_an_internal_failure_is_never_sent() {
    let source = std::io::Error::other("password=hunter2 at 10.0.0.7");
    let status = Failure::internal(source).into_status("payment");
    assert_eq!(status.code(), Code::Internal);
    let sent = format!(
        "{} {:?}",
        status.message(),
        String::from_utf8_lossy(status.details())
    );
    assert!(
        !sent.contains("hunter2") && !sent.contains("10.0.0.7"),
        "{sent}"
    );
    let info = Upstream::read(&status).info.expect("ErrorInfo");
    assert_eq!(info.metadata["incident"].len(), 16);
    assert!(status.message().contains(&info.metadata["incident"]));
}

#[test]
fn ten_thousand_violations_still_arrive_counted() {
    let violations = (0..10_000)
        .map(|n| {
            FieldViolation::new(
                format!("items[{n}].quantity"),
                reason::TOO_SMALL,
                "é".repeat(300),
            )
        })
        .collect();
    let status = Failure::InvalidArgument { violations }.into_status("order");
    assert!(
        status.details().len() <= 4096,
        "{} bytes",
        status.details().len()
    );
    let read = Upstream::read(&status);
    let omitted: usize = read.info.as_ref().expect("ErrorInfo").metadata["violations_omitted"]
        .parse()
        .expect("a number");
    assert!(!read.fields.is_empty());
    assert_eq!(read.fields.len() + omitted, 10_000);
    assert_eq!(read.fields[0].field, "items[0].quantity");
}

#[test]
fn a_long_text_is_cut_between_letters() {
    assert_eq!(cut_at("äöü", 3), "ä");
    assert_eq!(cut_at("abc", 3), "abc");
    let status = Failure::Cancelled {
        message: "ü".repeat(10_000),
    }
    .into_status("order");
    assert_eq!(status.message().len(), MAX_MESSAGE);
}

#[test]
fn details_that_cannot_be_read_cost_only_themselves() {
    for details in [&b"\xff\xff\xff"[..], b"", b"\x12\x05hello"] {
        let status = Received::with_details(Code::NotFound, "gone", details.to_vec().into());
        let read = Upstream::read(&status);
        assert_eq!((read.code, read.message.as_str()), (Code::NotFound, "gone"));
        assert_eq!(read.info, None);
    }
}

#[test]
fn one_malformed_detail_does_not_take_the_others_with_it() {
    let good = Failure::not_found("payment", 17).into_status("payment");
    let mut wire = decoded(good.details());
    wire.details[0].value = vec![0xff, 0xff];
    let bytes = prost::Message::encode_to_vec(&wire);
    let read = Upstream::read(&Received::with_details(
        Code::NotFound,
        "gone",
        bytes.into(),
    ));
    assert_eq!(read.info, None);
    assert_eq!(
        read.resource.map(|resource| resource.id),
        Some("17".to_owned())
    );
}

mod translation {
    use super::*;

    /// What `order` makes of a failure of `payment`: `amount…` is its own `price…`, everything else it filled in itself.
    fn translated(failure: Failure) -> Upstream {
        let received = Upstream::read(&failure.into_status("payment"));
        let reroot = |field: &str| {
            field
                .strip_prefix("amount")
                .map(|rest| format!("price{rest}"))
        };
        Upstream::read(&received.translate("payment", reroot).into_status("order"))
    }

    #[test]
    fn a_field_of_ours_is_named_as_the_caller_knows_it() {
        let answer = translated(Failure::invalid_argument(
            "amount.nanos",
            Reason::new("SIGNS_DIFFER"),
            "one sign",
        ));
        assert_eq!(answer.code, Code::InvalidArgument);
        assert!(answer.is("order", &reason::INVALID_FIELDS));
        assert_eq!(
            answer.fields,
            [FieldViolation::new(
                "price.nanos",
                Reason::new("SIGNS_DIFFER"),
                "one sign"
            )]
        );
    }

    #[test]
    fn a_field_that_we_filled_in_is_our_fault() {
        let answer = translated(Failure::invalid_argument(
            "user_id",
            reason::TOO_SMALL,
            "1 or greater",
        ));
        assert_eq!(answer.code, Code::Internal);
        assert!(answer.fields.is_empty());
        assert!(!answer.message.contains("greater"), "{}", answer.message);
    }

    #[test]
    fn unavailable_stays_unavailable_with_its_time_to_come_back() {
        let answer = translated(Failure::Unavailable {
            reason: reason::DATABASE_UNAVAILABLE,
            message: "the disk of host 7 is gone".into(),
            retry_after: Some(Duration::from_secs(2)),
            metadata: Metadata::from([("host".into(), "7".into())]),
        });
        assert_eq!(answer.code, Code::Unavailable);
        assert!(answer.is("order", &reason::DEPENDENCY_UNAVAILABLE));
        assert_eq!(answer.retry_after, Some(Duration::from_secs(2)));
        let metadata = answer.info.expect("ErrorInfo").metadata;
        assert_eq!(
            metadata,
            Metadata::from([("dependency".into(), "payment".into())])
        );
        assert!(!answer.message.contains("host"), "{}", answer.message);
    }

    #[test]
    fn exhausted_stays_exhausted_with_its_time_to_come_back() {
        let answer = translated(Failure::ResourceExhausted {
            reason: reason::OVERLOADED,
            message: "full".into(),
            retry_after: Some(Duration::from_secs(3)),
            violations: Vec::new(),
        });
        assert_eq!(answer.code, Code::ResourceExhausted);
        assert_eq!(answer.retry_after, Some(Duration::from_secs(3)));
    }

    #[test]
    fn a_failed_precondition_keeps_its_reason_under_our_domain() {
        let over_limit = Reason::new("AMOUNT_OVER_LIMIT");
        let answer = translated(Failure::FailedPrecondition {
            reason: over_limit.clone(),
            message: "too much".into(),
            violations: vec![PreconditionViolation {
                kind: over_limit.clone(),
                subject: "amount".into(),
                description: "nothing was charged".into(),
            }],
            metadata: Metadata::from([("host".into(), "7".into())]),
        });
        assert_eq!(answer.code, Code::FailedPrecondition);
        assert!(answer.is("order", &over_limit));
        assert_eq!(answer.preconditions.len(), 1);
        assert!(
            !answer
                .info
                .expect("ErrorInfo")
                .metadata
                .contains_key("host")
        );
    }

    #[test]
    fn a_deadline_stays_a_deadline_and_says_who_was_late() {
        let answer = translated(Failure::DeadlineExceeded {
            message: "late".into(),
            metadata: Metadata::new(),
        });
        assert_eq!(answer.code, Code::DeadlineExceeded);
        assert!(answer.is("order", &reason::DEADLINE_EXCEEDED));
        assert_eq!(
            answer.info.expect("ErrorInfo").metadata["dependency"],
            "payment"
        );
    }

    #[test]
    fn what_a_caller_cannot_act_upon_is_ours_and_without_inner_text() {
        for failure in [
            Failure::internal("a secret"),
            Failure::PermissionDenied {
                caller: Some("order".into()),
                method: "a secret".into(),
            },
            Failure::Unauthenticated {
                message: "a secret".into(),
            },
            Failure::AlreadyExists {
                reason: reason::IDEMPOTENCY_KEY_REUSED,
                kind: "payment".into(),
                id: "a secret".into(),
                message: "a secret".into(),
            },
        ] {
            let answer = translated(failure);
            assert_eq!(answer.code, Code::Internal);
            assert!(!format!("{answer:?}").contains("secret"), "{answer:?}");
        }
    }
}
