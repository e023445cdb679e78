//! Which methods may run twice (R6), read from the `idempotency_level` that the .proto file gives each method.
//!
//! ```proto
//! rpc Create(CreateOrderRequest) returns (CreateOrderResponse) {
//!   option idempotency_level = IDEMPOTENT;
//! }
//! ```
//!
//! A method that says nothing is taken as one that must not run twice: it is sent again only when it is certain that the
//! server never saw it. A single call can say more than its method: put a [`Level`] into the request's extensions, or
//! send the header [`IDEMPOTENCY_KEY`], by which the server recognises the repetition (R7).

use std::collections::HashMap;

use http::HeaderName;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use prost_types::method_options::IdempotencyLevel;

/// A call that carries this header is safe to repeat: each attempt carries the same key, and the server answers the
/// second with the result of the first.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Whether a call may run twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Level {
    /// Nothing is known, so it must not (`IDEMPOTENCY_UNKNOWN`).
    #[default]
    Unknown,
    /// It changes nothing (`NO_SIDE_EFFECTS`).
    NoSideEffects,
    /// Twice has the effect of once (`IDEMPOTENT`).
    Idempotent,
}

/// What a descriptor says of one method.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Method {
    /// Whether it may run twice.
    pub level: Level,
    /// Whether the client sends a stream.
    pub client_streaming: bool,
    /// Whether the server answers with a stream.
    pub server_streaming: bool,
}

/// Every method of a set of .proto files, by path (`/package.Service/Method`).
#[derive(Debug, Clone, Default)]
pub struct Methods(HashMap<String, Method>);

/// Bytes that are not a `google.protobuf.FileDescriptorSet`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "these bytes are not an encoded google.protobuf.FileDescriptorSet ({reason}): give what the proto compiler wrote as its descriptor set"
)]
pub struct DescriptorError {
    reason: String,
}

// === impl Level ===

impl Level {
    /// Whether it may run twice.
    pub fn is_idempotent(self) -> bool {
        self != Self::Unknown
    }
}

// === impl Methods ===

impl Methods {
    /// Reads an encoded `google.protobuf.FileDescriptorSet`.
    ///
    /// # Errors
    ///
    /// When the bytes are not one.
    pub fn from_descriptor_set(encoded: &[u8]) -> Result<Self, DescriptorError> {
        let set = FileDescriptorSet::decode(encoded).map_err(|error| DescriptorError {
            reason: error.to_string(),
        })?;
        let mut methods = HashMap::new();
        for file in set.file {
            let package = file.package().to_owned();
            for service in &file.service {
                for method in &service.method {
                    let dot = if package.is_empty() { "" } else { "." };
                    let path = format!("/{package}{dot}{}/{}", service.name(), method.name());
                    let level = method
                        .options
                        .as_ref()
                        .map(prost_types::MethodOptions::idempotency_level);
                    let level = match level {
                        Some(IdempotencyLevel::NoSideEffects) => Level::NoSideEffects,
                        Some(IdempotencyLevel::Idempotent) => Level::Idempotent,
                        Some(IdempotencyLevel::IdempotencyUnknown) | None => Level::Unknown,
                    };
                    methods.insert(
                        path,
                        Method {
                            level,
                            client_streaming: method.client_streaming(),
                            server_streaming: method.server_streaming(),
                        },
                    );
                }
            }
        }
        Ok(Self(methods))
    }

    /// Adds or changes the level of one method, for a server whose .proto file does not say it.
    #[must_use]
    pub fn with(mut self, path: impl Into<String>, level: Level) -> Self {
        self.0.entry(path.into()).or_default().level = level;
        self
    }

    /// What is known of a method.
    pub fn get(&self, path: &str) -> Option<Method> {
        self.0.get(path).copied()
    }

    /// Whether a request may run twice: by its own word, its key, or its method.
    pub fn level_of<B>(&self, request: &http::Request<B>) -> Level {
        if let Some(level) = request.extensions().get::<Level>() {
            return *level;
        }
        if request.headers().contains_key(IDEMPOTENCY_KEY) {
            return Level::Idempotent;
        }
        self.get(request.uri().path())
            .map(|method| method.level)
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost_types::{
        FileDescriptorProto, MethodDescriptorProto, MethodOptions, ServiceDescriptorProto,
    };

    fn method(name: &str, level: Option<IdempotencyLevel>) -> MethodDescriptorProto {
        MethodDescriptorProto {
            name: Some(name.into()),
            options: level.map(|level| MethodOptions {
                idempotency_level: Some(level.into()),
                ..MethodOptions::default()
            }),
            server_streaming: Some(name == "Watch"),
            ..MethodDescriptorProto::default()
        }
    }

    fn set() -> Vec<u8> {
        FileDescriptorSet {
            file: vec![FileDescriptorProto {
                package: Some("order.v1".into()),
                service: vec![ServiceDescriptorProto {
                    name: Some("Order".into()),
                    method: vec![
                        method("Create", Some(IdempotencyLevel::Idempotent)),
                        method("Get", Some(IdempotencyLevel::NoSideEffects)),
                        method("Watch", Some(IdempotencyLevel::NoSideEffects)),
                        method("Charge", None),
                    ],
                    ..ServiceDescriptorProto::default()
                }],
                ..FileDescriptorProto::default()
            }],
        }
        .encode_to_vec()
    }

    fn request(path: &str) -> http::Request<()> {
        let mut request = http::Request::new(());
        *request.uri_mut() = path.parse().expect("a path");
        request
    }

    #[test]
    fn r6_the_level_is_the_one_of_the_proto_file_and_unknown_without_one() {
        let methods = Methods::from_descriptor_set(&set()).expect("a set");
        for (path, level) in [
            ("/order.v1.Order/Create", Level::Idempotent),
            ("/order.v1.Order/Get", Level::NoSideEffects),
            ("/order.v1.Order/Charge", Level::Unknown),
            ("/order.v1.Order/Other", Level::Unknown),
        ] {
            assert_eq!(methods.level_of(&request(path)), level, "{path}");
        }
        let watch = methods.get("/order.v1.Order/Watch").expect("a method");
        assert!(watch.server_streaming && !watch.client_streaming);
    }

    #[test]
    fn a_single_call_can_say_more_than_its_method() {
        let methods = Methods::default();
        let mut keyed = request("/a.A/B");
        keyed
            .headers_mut()
            .insert(IDEMPOTENCY_KEY, http::HeaderValue::from_static("k-1"));
        assert_eq!(methods.level_of(&keyed), Level::Idempotent);
        keyed.extensions_mut().insert(Level::Unknown);
        assert_eq!(methods.level_of(&keyed), Level::Unknown);
        let named = Methods::default().with("/a.A/B", Level::NoSideEffects);
        assert!(named.level_of(&request("/a.A/B")).is_idempotent());
    }

    #[test]
    fn bytes_that_are_no_descriptor_set_are_refused_in_words() {
        let error = Methods::from_descriptor_set(&[255, 255]).expect_err("no set");
        assert!(error.to_string().contains("FileDescriptorSet"), "{error}");
    }
}
