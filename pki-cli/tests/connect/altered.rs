//! A real handshake in which somebody on the way changes one octet of what the server says.

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
};

use crate::{
    material::Ca,
    server::{Setup, TLS12, TLS13, listen},
    support::Home,
};

/// Forwards both ways; the octet at `changed` of what comes from upstream is flipped.
pub(crate) fn forward(client: TcpStream, upstream: TcpStream, changed: Option<usize>) -> usize {
    let (mut to, mut from) = (
        upstream.try_clone().expect("a socket"),
        client.try_clone().expect("a socket"),
    );
    thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Write);
    });
    let (mut upstream, mut client) = (upstream, client);
    let (mut buffer, mut passed) = ([0; 4096], 0);
    while let Ok(count @ 1..) = upstream.read(&mut buffer) {
        if let Some(at) = changed.and_then(|at| at.checked_sub(passed))
            && let Some(octet) = buffer[..count].get_mut(at)
        {
            *octet ^= 0x41;
        }
        passed += count;
        if client.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = client.shutdown(std::net::Shutdown::Both);
    passed
}

#[test]
fn a_changed_octet_is_noticed_or_without_effect() {
    let root = Ca::root("Test Root");
    let issuing = root.intermediate("Issuing");
    let home = Home::new();
    issuing.peer("client").write(&home, "certs/client", &root);
    let mut noticed = 0;
    for (versions, step) in [(TLS13, 11), (TLS12, 13)] {
        let setup = Setup {
            versions,
            ..Setup::of(&issuing.peer("server")).requires(&root)
        };
        let server = setup.start();
        let behind = server.address;
        let (report, lengths) = std::sync::mpsc::channel();
        let (choose, chosen) = std::sync::mpsc::channel::<Option<usize>>();
        let chosen = std::sync::Mutex::new(chosen);
        let address = listen("127.0.0.1:0", move |socket| {
            let changed = chosen
                .lock()
                .expect("one at a time")
                .recv()
                .expect("chosen");
            let upstream = TcpStream::connect(behind).expect("the server");
            let _ = report.send(forward(socket, upstream, changed));
        });
        let connect = |changed: Option<usize>| {
            choose.send(changed).expect("the proxy lives");
            let run = home.pki(&format!(
                "connect {address} --host localhost --identity client --timeout 2s --json"
            ));
            (run, lengths.recv().expect("the proxy lives"))
        };
        let (unchanged, length) = connect(None);
        assert_eq!(unchanged.code, 0, "{unchanged}");
        let chain = unchanged.json()["chain"].clone();
        assert!(length > 1000, "a chain was sent: {length}");
        for at in (0..length).step_by(step) {
            let (run, _) = connect(Some(at));
            let told = format!("octet {at}: {run}");
            assert!(!run.stderr.contains("panicked"), "{told}");
            match run.code {
                // The versions in the heads of records are not looked at, and what follows the first word is not read.
                0 => assert_eq!(run.json()["chain"], chain, "{told}"),
                10..=25 | 111..=113 => {
                    noticed += 1;
                    assert!(run.json()["error"]["message"].is_string(), "{told}");
                }
                _ => panic!("{told}"),
            }
        }
    }
    assert!(noticed > 200, "{noticed} changes were noticed");
}
