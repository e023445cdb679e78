//! Servers that speak something else, nothing, or without an end.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use crate::{
    material::{Ca, Pair},
    server::{Setup, TLS12, drain, listen},
    shown::free_port,
    support::{Home, Run},
};

fn connect_to(options: &str, answer: impl Fn(TcpStream) + Send + Sync + 'static) -> Run {
    let home = Home::new();
    home.write("ca.crt", Ca::root("Test Root").pem());
    let address = listen("127.0.0.1:0", answer);
    home.pki(&format!("connect {address} --trust ca.crt {options}"))
}

#[test]
fn what_is_spoken_instead_is_named() {
    for (said, told) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            "in HTTP without TLS (“HTTP/1.1 400 Bad Request”).",
        ),
        (
            b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64",
            "in HTTP/2 without TLS.",
        ),
        (
            b"SSH-2.0-OpenSSH_9.2p1\r\n",
            "in SSH (“SSH-2.0-OpenSSH_9.2p1”).",
        ),
        (
            b"220 mail.example.org ESMTP\r\n",
            "with “220 mail.example.org ESMTP”.",
        ),
        (
            b"\x99\x88\x77\x66\x55\x44\x33\x22",
            "with octets of another protocol.",
        ),
    ] {
        let run = connect_to("", move |mut socket| {
            let _ = socket.write_all(said);
            drain(&mut socket);
        });
        let stderr = run.fails(112);
        assert!(
            stderr.contains("does not speak TLS: it answered"),
            "{stderr}"
        );
        assert!(stderr.contains(told), "{told} is not in {stderr}");
    }
}

#[test]
fn a_server_that_closes_without_a_word_is_told_from_one_that_refuses() {
    let said = connect_to("", |mut socket| {
        let _ = socket.read(&mut [0; 4096]);
    })
    .fails(112);
    assert!(
        said.contains("closed the connection without an answer to TLS."),
        "{said}"
    );
}

#[test]
fn a_silent_server_is_given_up_in_time() {
    let said = connect_to("--timeout 300ms", |mut socket| drain(&mut socket)).fails(111);
    assert!(
        said.contains(
            "was given up after 300ms: it took the connection and did not answer to TLS."
        ),
        "{said}"
    );
}

#[test]
fn a_server_that_dribbles_is_given_up_in_time() {
    // One octet of a record of the longest length, and then another: each read of ours succeeds.
    let said = connect_to("--timeout 500ms", |mut socket| {
        let _ = socket.write_all(&[22, 3, 3, 0x40, 0]);
        let _ = socket.set_read_timeout(Some(Duration::from_millis(20)));
        let mut sink = [0; 4096];
        loop {
            match socket.read(&mut sink) {
                Ok(0) => break,
                Err(error)
                    if !matches!(
                        error.kind(),
                        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                    ) =>
                {
                    break;
                }
                _ if socket.write_all(&[2]).is_err() => break,
                _ => {}
            }
        }
    })
    .fails(111);
    assert!(said.contains("was given up after 500ms"), "{said}");
}

#[test]
fn a_server_without_an_end_is_given_up_early() {
    // A handshake message of 16 MiB, and as much of it as is read.
    let said = connect_to("--timeout 20s", |mut socket| {
        let record = [
            &[22, 3, 3, 0x40, 0][..],
            &[2, 0xff, 0xff, 0xff],
            &[0; 0x4000 - 4],
        ]
        .concat();
        while socket.write_all(&record).is_ok() {}
    })
    .fails(112);
    assert!(
        said.contains("sent more than any TLS handshake is long"),
        "{said}"
    );
}

#[test]
fn a_chain_without_measure_is_given_up() {
    let ca = Ca::root("Test Root");
    let pair = Pair {
        above: ca.pem().repeat(300),
        ..ca.peer("server")
    };
    let home = Home::new();
    home.write("ca.crt", ca.pem());
    for versions in [rustls::ALL_VERSIONS, TLS12] {
        let setup = Setup {
            versions,
            ..Setup::of(&pair)
        };
        let server = setup.start();
        let run = home.pki(&format!(
            "connect localhost:{} --trust ca.crt",
            server.port()
        ));
        assert_eq!(run.code, 112, "{run}");
        assert!(
            run.stderr
                .contains("sent more than any TLS handshake is long"),
            "{run}"
        );
    }
}

#[test]
fn nobody_at_home_is_one_sentence() {
    let home = Home::new();
    home.write("ca.crt", Ca::root("Test Root").pem());
    let port = free_port();
    for command in ["connect --trust ca.crt", "inspect"] {
        let said = home.pki(&format!("{command} 127.0.0.1:{port}")).fails(110);
        assert!(
            said.contains(&format!(
                "Nothing listens at 127.0.0.1:{port} (connection to 127.0.0.1:{port} refused)."
            )),
            "{said}"
        );
    }
}

#[test]
fn a_name_that_does_not_exist_is_one_sentence() {
    let home = Home::new();
    home.write("ca.crt", Ca::root("Test Root").pem());
    // RFC 6761 section 6.4: `.invalid` never resolves. How soon the resolver says so is its own affair.
    let run = home.pki("connect nobody.invalid:443 --trust ca.crt --timeout 2s");
    match run.code {
        110 => assert!(
            run.stderr
                .contains("The name nobody.invalid cannot be resolved: "),
            "{run}"
        ),
        _ => {
            assert_eq!(run.code, 111, "{run}");
            assert!(run.stderr.contains("its name was not resolved"), "{run}");
        }
    }
}
