//! Mutual TLS: 6.8.

use std::path::Path;

use anyhow::Result;
use mtls::{CertificateProblem, ConnectFailure, HandshakeFailure};
use tests::listings::mutual_tls;

use crate::{PROGRAM, page};

#[tokio::test]
async fn both_sides_prove_who_they_are_and_strangers_are_refused() -> Result<()> {
    let mut page = page();
    // The chapter's keys take seconds to be found; the story is the same with these.
    let outcome = mutual_tls::run_with(&mut page, Path::new(PROGRAM), "p256").await?;

    assert_eq!(outcome.payment_id, 1243);
    assert!(
        outcome.caller.contains(mutual_tls::CLIENT),
        "{}",
        outcome.caller
    );

    // The server verified the certificate that the chapter's server would only have collected, and the client heard it.
    assert!(
        matches!(outcome.stranger_to_server, HandshakeFailure::Certificate(_)),
        "{}",
        outcome.stranger_to_server
    );
    assert!(
        matches!(
            outcome.stranger,
            ConnectFailure::Handshake(HandshakeFailure::Alert(_))
        ),
        "{:?}",
        outcome.stranger
    );
    assert!(
        matches!(
            outcome.wrong_name,
            ConnectFailure::Handshake(HandshakeFailure::Certificate(
                CertificateProblem::WrongName { .. }
            ))
        ),
        "{:?}",
        outcome.wrong_name
    );

    let verbs: Vec<_> = outcome
        .commands
        .iter()
        .filter_map(|command| command.split_whitespace().nth(1))
        .collect();
    assert_eq!(verbs, ["init", "csr", "sign", "csr", "sign"]);
    Ok(())
}
