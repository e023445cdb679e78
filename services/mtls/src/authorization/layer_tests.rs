//! The layer in front of a service that counts who came through.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::KeyPair;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tower::{Layer, ServiceExt, service_fn};

use super::*;
use crate::test_ca::{TestCa, TestResult, days};

const METHOD: &str = "payment.v1.Payment/Create";

fn refuse(refusal: &Refusal) -> http::Response<Body> {
    let mut response = http::Response::new(Body::empty());
    *response.status_mut() = http::StatusCode::FORBIDDEN;
    if let Ok(sentence) = refusal.to_string().parse() {
        response.headers_mut().insert("sentence", sentence);
    }
    response
}

/// Sends one request through the layer: its sentence if it was refused, and how many requests came through.
async fn call(allowed: &str, peer: Option<PeerInfo>) -> TestResult<(Option<String>, usize)> {
    let rules = BTreeMap::from([(METHOD.to_owned(), vec![allowed.to_owned()])]);
    let policy = Policy::try_from_rules(&rules)?;
    let served = AtomicUsize::new(0);
    let inner = service_fn(|_: http::Request<()>| {
        served.fetch_add(1, Ordering::SeqCst);
        async { Ok::<_, Infallible>(http::Response::new(Body::empty())) }
    });
    let service = AuthorizationLayer::new(Arc::new(policy), refuse).layer(inner);
    let mut request = http::Request::builder()
        .uri(format!("https://payment/{METHOD}"))
        .body(())?;
    if let Some(peer) = peer {
        request.extensions_mut().insert(peer);
    }
    let response = service.oneshot(request).await?;
    let sentence = response
        .headers()
        .get("sentence")
        .map(|value| value.to_str().map(str::to_owned));
    Ok((sentence.transpose()?, served.load(Ordering::SeqCst)))
}

fn order() -> TestResult<PeerInfo> {
    let pem = TestCa::new(days(-2), days(2))?.issue(&KeyPair::generate()?, |_| {})?;
    let der = CertificateDer::from_pem_slice(pem.as_bytes())?;
    Ok(PeerInfo {
        address: None,
        identity: Some(Arc::new(PeerIdentity::from_der(&der)?)),
    })
}

#[tokio::test]
async fn an_allowed_peer_comes_through() -> TestResult {
    let outcome = call("spiffe://microservices.dev/order", Some(order()?)).await?;
    assert_eq!(outcome, (None, 1));
    Ok(())
}

#[tokio::test]
async fn another_peer_is_told_who_it_is_and_not_who_may() -> TestResult {
    let (sentence, served) = call("spiffe://microservices.dev/secret", Some(order()?)).await?;
    assert_eq!(
        sentence.as_deref(),
        Some("spiffe://microservices.dev/order may not call payment.v1.Payment/Create")
    );
    assert_eq!(served, 0);
    Ok(())
}

#[tokio::test]
async fn nobody_comes_through_without_a_certificate() -> TestResult {
    let sentence =
        "a caller without a certificate may not call payment.v1.Payment/Create".to_owned();
    let unknown = PeerInfo {
        address: None,
        identity: None,
    };
    for peer in [None, Some(unknown)] {
        let outcome = call("spiffe://microservices.dev/order", peer).await?;
        assert_eq!(outcome, (Some(sentence.clone()), 0));
    }
    Ok(())
}
