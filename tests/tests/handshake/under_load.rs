//! Peers that are slow, silent, noisy or many, and how little the others notice of them.

use std::time::Duration;

use anyhow::{Context, Result};
use mtls::{ConnectFailure, HandshakeFailure, HandshakeLimits};
use tests::handshake::house::House;
use tests::handshake::{PATIENCE, TestServer, channel, check_health, failure_to_connect};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

#[tokio::test]
async fn silent_clients_do_not_delay_a_good_one() -> Result<()> {
    let house = House::new()?;
    let limits = HandshakeLimits {
        timeout: PATIENCE,
        in_progress: 4,
    };
    let mut server = TestServer::start_with(house.server("payment")?, limits).await?;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(server.address).await?);
    }

    check_health(channel(
        server.address,
        "localhost",
        house.client("order")?,
    )?)
    .await?;

    // 100 silent ones and the good one, of which 4 may be in progress: each of the others gave way to a newer one.
    for _ in 0..96 {
        assert_eq!(server.refused().await?.reason, HandshakeFailure::GaveWay);
    }
    server.stop().await
}

#[tokio::test]
async fn a_silent_client_is_refused_when_its_time_is_over() -> Result<()> {
    let house = House::new()?;
    let limit = Duration::from_millis(20);
    let limits = HandshakeLimits {
        timeout: limit,
        ..HandshakeLimits::default()
    };
    let mut server = TestServer::start_with(house.server("payment")?, limits).await?;
    let mut silent = TcpStream::connect(server.address).await?;

    let refused = server.refused().await?;

    assert_eq!(refused.reason, HandshakeFailure::TimedOut(limit));
    assert_eq!(refused.address, silent.local_addr()?);
    assert_eq!(
        silent.read(&mut [0; 1]).await?,
        0,
        "the connection is still open"
    );
    server.stop().await
}

#[tokio::test]
async fn noise_is_refused_with_a_reason_and_the_next_client_is_served() -> Result<()> {
    let house = House::new()?;
    let mut server = TestServer::start(house.server("payment")?).await?;
    let endless_hello = [&[0x16, 0x03, 0x01, 0x40, 0x00][..], &[0x01; 0x4000]].concat();
    for (noise, label) in [
        (&b"GET / HTTP/1.1\r\nHost: payment\r\n\r\n"[..], "not_tls"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not_tls"),
        (&[0; 512], "not_tls"),
        (&[0xff; 512], "not_tls"),
        (&endless_hello, "protocol"),
        (&[0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28], "alert"),
    ] {
        let mut client = TcpStream::connect(server.address).await?;
        client.write_all(noise).await?;
        let refused = server.refused().await?;
        assert_eq!(refused.reason.label(), label, "{refused} for {noise:?}");
    }
    drop(TcpStream::connect(server.address).await?);
    assert_eq!(server.refused().await?.reason, HandshakeFailure::Closed);

    check_health(channel(
        server.address,
        "localhost",
        house.client("order")?,
    )?)
    .await?;
    server.stop().await
}

#[tokio::test]
async fn a_server_that_stops_leaves_no_listener_behind() -> Result<()> {
    let house = House::new()?;
    let server = TestServer::start(house.server("payment")?).await?;
    let address = server.address;
    let unfinished = TcpStream::connect(address).await?;
    server.stop().await?;

    let error = failure_to_connect(channel(address, "127.0.0.1", house.client("order")?)?).await?;

    assert_eq!(error.reason.label(), "tcp");
    drop(unfinished);
    Ok(())
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_in_time() -> Result<()> {
    let house = House::new()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let limit = Duration::from_millis(50);
    let connector = house.client("order")?.connect_timeout(limit);

    let error = connector
        .oneshot(format!("https://127.0.0.1:{port}").parse()?)
        .await
        .err()
        .context("connected to a server that does not answer")?;

    let error: &mtls::ConnectError = error.0.downcast_ref().context("not a ConnectError")?;
    assert_eq!(
        error.reason,
        ConnectFailure::TimedOut {
            during: "the TLS handshake",
            limit
        }
    );
    assert_eq!(
        error.to_string(),
        format!("cannot connect to 127.0.0.1:{port}: the TLS handshake was not done within 50ms")
    );
    Ok(())
}
