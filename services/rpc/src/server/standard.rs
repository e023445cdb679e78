//! The standard services that every server has: `grpc.health.v1.Health` and `grpc.reflection`, v1 and v1alpha.
//!
//! They are answered to every peer with a valid certificate unless a rule of `[allow]` says otherwise, are never shed, and
//! end their streams at a shutdown.

use std::collections::BTreeMap;

use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tonic_reflection::server::{Builder, Error};

use super::ServeError;
use crate::config::closest::closest;

const HEALTH: &str = "grpc.health.v1.Health";
const REFLECTION: &str = "grpc.reflection.v1.ServerReflection";
/// What grpcurl and others ask where v1 is not answered.
const REFLECTION_ALPHA: &str = "grpc.reflection.v1alpha.ServerReflection";

pub(super) const SERVICES: [&str; 3] = [HEALTH, REFLECTION, REFLECTION_ALPHA];

pub(super) const DESCRIPTORS: [&[u8]; 3] = [
    tonic_health::pb::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
];

/// Whether a request's path is of one of them.
pub(super) fn is_standard(path: &str) -> bool {
    let service = path.trim_start_matches('/').split('/').next();
    service.is_some_and(|service| SERVICES.contains(&service))
}

/// Adds them to `routes`. Health says SERVING for each of `names` and for the whole; reflection lists them, and nothing
/// else that happens to be in `descriptors`.
pub(super) async fn add(
    routes: Routes,
    names: &[&'static str],
    descriptors: &'static [u8],
) -> Result<(Routes, HealthReporter), ServeError> {
    let (reporter, health) = tonic_health::server::health_reporter();
    for name in names {
        reporter
            .set_service_status(name, ServingStatus::Serving)
            .await;
    }
    let reflection = |own_name| {
        let builder = Builder::configure()
            .register_encoded_file_descriptor_set(descriptors)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
        let listed = names.iter().copied().chain([HEALTH, own_name]);
        listed.fold(builder, Builder::with_service_name)
    };
    let malformed = |error: Error| ServeError::Reflection(error.to_string());
    let v1 = reflection(REFLECTION).build_v1().map_err(malformed)?;
    let alpha = reflection(REFLECTION_ALPHA)
        .build_v1alpha()
        .map_err(malformed)?;
    let routes = routes
        .add_service(health)
        .add_service(v1)
        .add_service(alpha);
    Ok((routes.prepare(), reporter))
}

/// The methods that answer with a stream, as `package.Service/Method`.
pub(super) fn streams(descriptors: &[u8]) -> Result<Vec<String>, ServeError> {
    let methods = methods(descriptors)?.into_iter();
    Ok(methods
        .filter_map(|(name, streams)| streams.then_some(name))
        .collect())
}

/// Refuses a rule for a method that is neither in `descriptors` nor standard: a typing error would mean that nobody may
/// call the real one.
pub(super) fn check_methods<'a>(
    rules: impl IntoIterator<Item = &'a String>,
    descriptors: &[u8],
) -> Result<(), ServeError> {
    let mut known = Vec::new();
    for set in DESCRIPTORS.into_iter().chain([descriptors]) {
        known.extend(methods(set)?.into_iter().map(|(name, _)| name));
    }
    known.sort_unstable();
    known.dedup();
    for rule in rules {
        let is_known = match rule.strip_suffix('*') {
            Some(service) => known.iter().any(|method| method.starts_with(service)),
            None => known.contains(rule),
        };
        if !is_known {
            return Err(ServeError::UnknownMethod {
                rule: rule.clone(),
                advice: match closest(rule, known.iter().map(String::as_str)) {
                    Some(method) => format!("did you mean {method:?}?"),
                    None => format!("there are {}", known.join(", ")),
                },
            });
        }
    }
    Ok(())
}

/// Lets what is said of reflection v1 count for v1alpha too, where nothing is said of that: whoever closes the one means
/// what it tells, and the other tells the same.
pub(super) fn extend_to_alpha(allow: &mut BTreeMap<String, Vec<String>>) {
    let rules: Vec<_> = allow
        .iter()
        .filter_map(|(rule, callers)| {
            let method = rule.strip_prefix(REFLECTION)?.strip_prefix('/')?;
            Some((format!("{REFLECTION_ALPHA}/{method}"), callers.clone()))
        })
        .collect();
    for (rule, callers) in rules {
        allow.entry(rule).or_insert(callers);
    }
}

/// Every method as `package.Service/Method`, and whether it answers with a stream.
fn methods(descriptors: &[u8]) -> Result<Vec<(String, bool)>, ServeError> {
    let set = FileDescriptorSet::decode(descriptors)
        .map_err(|error| ServeError::Reflection(error.to_string()))?;
    let mut methods = Vec::new();
    for file in &set.file {
        for service in &file.service {
            methods.extend(service.method.iter().map(|method| {
                let name = format!("{}.{}/{}", file.package(), service.name(), method.name());
                (name, method.server_streaming())
            }));
        }
    }
    Ok(methods)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_streams_of_a_file_are_found() {
        let health = streams(tonic_health::pb::FILE_DESCRIPTOR_SET).expect("a descriptor set");
        assert_eq!(health, ["grpc.health.v1.Health/Watch"]);
        assert!(streams(b"no descriptors").is_err());
    }

    #[test]
    fn health_and_reflection_are_standard_and_what_only_looks_like_them_is_not() {
        assert!(is_standard("/grpc.health.v1.Health/Check"));
        assert!(is_standard(
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
        ));
        for path in [
            "/grpc.health.v1.Healthy/Check",
            "/payment.v1.Payment/Create",
            "",
            "/",
        ] {
            assert!(!is_standard(path), "{path:?}");
        }
    }
}
