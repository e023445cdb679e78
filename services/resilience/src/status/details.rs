//! The list of details in a status: google.rpc's messages in `google.protobuf.Any`.

use bytes::Bytes;
use prost::Message;
use prost_types::Any;
use tonic::Code;
use tonic_types::pb;

/// The most bytes of details that are written, before base64 (E4). With base64 and a full message the trailers stay
/// below 8 KiB, which every peer accepts by PROTOCOL-HTTP2; peers that get more lose the whole status.
pub const MAX_DETAILS: usize = 4096;

/// A message of google.rpc that can stand in the details.
pub trait Detail: Message + Default + sealed::Sealed {
    /// Its full name, after `type.googleapis.com/`.
    const NAME: &'static str;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! details {
    ($($type:ident),*) => {$(
        impl sealed::Sealed for pb::$type {}
        impl Detail for pb::$type {
            const NAME: &'static str = concat!("google.rpc.", stringify!($type));
        }
    )*};
}

details!(
    BadRequest,
    DebugInfo,
    ErrorInfo,
    Help,
    LocalizedMessage,
    PreconditionFailure,
    QuotaFailure,
    RequestInfo,
    ResourceInfo,
    RetryInfo
);

/// Details in the order in which they were sent. Types that are not known here are kept byte for byte (E7).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Details(Vec<Any>);

// === impl Details ===

impl Details {
    /// Decodes the content of `grpc-status-details-bin`, a `google.rpc.Status`. Its code and message are not looked at:
    /// `grpc-status` and `grpc-message` are the ones to believe (E1). Bytes that are no such message give no details.
    pub fn decode(bytes: &[u8]) -> Self {
        Self(
            pb::Status::decode(bytes)
                .map(|status| status.details)
                .unwrap_or_default(),
        )
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first detail of this type that can be decoded.
    pub fn get<D: Detail>(&self) -> Option<D> {
        self.all().next()
    }

    /// Every detail of this type that can be decoded.
    pub fn all<D: Detail>(&self) -> impl Iterator<Item = D> {
        self.0
            .iter()
            .filter(|any| is::<D>(any))
            .filter_map(|any| D::decode(any.value.as_slice()).ok())
    }

    /// Adds a detail at the end.
    pub fn push<D: Detail>(&mut self, detail: &D) {
        self.0.push(Any {
            type_url: format!("type.googleapis.com/{}", D::NAME),
            value: detail.encode_to_vec(),
        });
    }

    /// Keeps the details of this type that the function wants, and all of other types.
    pub fn retain<D: Detail>(&mut self, mut keep: impl FnMut(&D) -> bool) {
        self.0
            .retain(|any| !is::<D>(any) || D::decode(any.value.as_slice()).is_ok_and(|d| keep(&d)));
    }

    /// The delay that a `RetryInfo` asks for; a negative one is zero.
    pub fn retry_delay(&self) -> Option<std::time::Duration> {
        let delay = self.get::<pb::RetryInfo>()?.retry_delay?;
        Some(std::time::Duration::try_from(delay).unwrap_or_default())
    }

    /// Encodes as the content of `grpc-status-details-bin`, at most [`MAX_DETAILS`] long; empty when there are none.
    ///
    /// What is too much goes in this order (E4): `DebugInfo`; `Help` and `LocalizedMessage`; violations from the end of
    /// their lists, where the last one left says how many are missing; types that are not known; the metadata of
    /// `ErrorInfo`. `ErrorInfo` itself and `RetryInfo` always stay.
    pub fn encode(&self, code: Code, message: &str) -> Bytes {
        if self.0.is_empty() {
            return Bytes::new();
        }
        let mut status = pb::Status {
            code: code.into(),
            message: message.into(),
            details: self.0.clone(),
        };
        for trim in [
            drop_all::<pb::DebugInfo>,
            drop_help,
            trim_violations,
            drop_unknown,
            trim_error_info,
            drop_message,
        ] {
            if status.encoded_len() <= MAX_DETAILS {
                break;
            }
            trim(&mut status);
        }
        status.encode_to_vec().into()
    }
}

fn is<D: Detail>(any: &Any) -> bool {
    // google.protobuf.Any: only the part after the last slash names the type.
    any.type_url.rsplit('/').next() == Some(D::NAME)
}

fn drop_all<D: Detail>(status: &mut pb::Status) {
    status.details.retain(|any| !is::<D>(any));
}

fn drop_help(status: &mut pb::Status) {
    drop_all::<pb::Help>(status);
    drop_all::<pb::LocalizedMessage>(status);
}

fn trim_violations(status: &mut pb::Status) {
    trim_list::<pb::BadRequest, _>(
        status,
        |detail| &mut detail.field_violations,
        |last, missing| last.description = missing,
    );
    trim_list::<pb::PreconditionFailure, _>(
        status,
        |detail| &mut detail.violations,
        |last, missing| last.description = missing,
    );
    trim_list::<pb::QuotaFailure, _>(
        status,
        |detail| &mut detail.violations,
        |last, missing| last.description = missing,
    );
}

/// Shortens the list in each detail of one type until the whole fits, by halves, and says in the last entry how many
/// went.
fn trim_list<D: Detail, V: Default>(
    status: &mut pb::Status,
    list: impl Fn(&mut D) -> &mut Vec<V>,
    say: impl Fn(&mut V, String),
) {
    for index in 0..status.details.len() {
        if !is::<D>(&status.details[index]) {
            continue;
        }
        let Ok(mut detail) = D::decode(status.details[index].value.as_slice()) else {
            continue;
        };
        let whole = list(&mut detail).len();
        while status.encoded_len() > MAX_DETAILS && !list(&mut detail).is_empty() {
            let violations = list(&mut detail);
            // One entry of what was there is the note about the others, so the count of the real ones goes down by
            // half each time and reaches zero.
            let keep = violations.len().saturating_sub(1) / 2;
            violations.truncate(keep);
            if whole > keep {
                let mut note = V::default();
                say(
                    &mut note,
                    format!("and {} more, too many to send", whole - keep),
                );
                violations.push(note);
            }
            status.details[index].value = detail.encode_to_vec();
            if keep == 0 {
                break;
            }
        }
    }
}

fn drop_unknown(status: &mut pb::Status) {
    status
        .details
        .retain(|any| is::<pb::ErrorInfo>(any) || is::<pb::RetryInfo>(any));
}

fn trim_error_info(status: &mut pb::Status) {
    // With one ErrorInfo and one RetryInfo of reasonable size nothing is left to trim; a list of them is not
    // reasonable.
    let mut seen = false;
    status.details.retain_mut(|any| {
        if !is::<pb::ErrorInfo>(any) {
            return true;
        }
        if std::mem::replace(&mut seen, true) {
            return false;
        }
        if let Ok(mut info) = pb::ErrorInfo::decode(any.value.as_slice()) {
            info.metadata.clear();
            any.value = info.encode_to_vec();
        }
        true
    });
}

fn drop_message(status: &mut pb::Status) {
    // The message stands in grpc-message as well.
    status.message.clear();
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic_types::pb::bad_request::FieldViolation;

    fn violation(index: usize) -> FieldViolation {
        FieldViolation {
            field: format!("items[{index}].quantity"),
            description: "a quantity is at least one".into(),
            ..FieldViolation::default()
        }
    }

    fn error_info() -> pb::ErrorInfo {
        pb::ErrorInfo {
            reason: "INVALID_ORDER".into(),
            domain: "order".into(),
            ..pb::ErrorInfo::default()
        }
    }

    #[test]
    fn e7_unknown_types_survive_a_round_trip_byte_for_byte() {
        let unknown = Any {
            type_url: "type.example.com/future.Detail".into(),
            value: vec![8, 1, 255],
        };
        let details = Details(vec![unknown]);
        assert_eq!(
            Details::decode(&details.encode(Code::Aborted, "m")),
            details
        );
    }

    #[test]
    fn e4_debug_info_goes_first_then_help_and_the_rest_stays() {
        let mut details = Details::default();
        details.push(&error_info());
        details.push(&pb::DebugInfo {
            detail: "x".repeat(3000),
            ..pb::DebugInfo::default()
        });
        details.push(&pb::Help {
            links: vec![pb::help::Link {
                url: "y".repeat(3000),
                ..pb::help::Link::default()
            }],
        });
        let read = Details::decode(&details.encode(Code::Internal, "m"));
        assert_eq!(read.get::<pb::DebugInfo>(), None);
        assert!(read.get::<pb::Help>().is_some());
        assert_eq!(read.get::<pb::ErrorInfo>(), Some(error_info()));

        details.push(&pb::LocalizedMessage {
            message: "z".repeat(3000),
            ..pb::LocalizedMessage::default()
        });
        let read = Details::decode(&details.encode(Code::Internal, "m"));
        assert_eq!(read.get::<pb::Help>(), None);
        assert_eq!(read.get::<pb::LocalizedMessage>(), None);
        assert_eq!(read.get::<pb::ErrorInfo>(), Some(error_info()));
    }

    #[test]
    fn e4_violations_are_trimmed_with_a_count_and_error_info_and_retry_info_stay() {
        let mut details = Details::default();
        details.push(&pb::BadRequest {
            field_violations: (0..1000).map(violation).collect(),
        });
        details.push(&error_info());
        details.push(&pb::RetryInfo { retry_delay: None });
        let encoded = details.encode(Code::InvalidArgument, "m");
        assert!(encoded.len() <= MAX_DETAILS, "{}", encoded.len());
        let read = Details::decode(&encoded);
        let kept = read
            .get::<pb::BadRequest>()
            .expect("a BadRequest")
            .field_violations;
        let real = kept.len() - 1;
        assert!(real > 10, "{real}");
        assert_eq!(kept[0], violation(0));
        assert_eq!(
            kept[real].description,
            format!("and {} more, too many to send", 1000 - real)
        );
        assert_eq!(read.get::<pb::ErrorInfo>(), Some(error_info()));
        assert!(read.get::<pb::RetryInfo>().is_some());
    }

    proptest::proptest! {
        #[test]
        fn e4_whatever_is_in_it_the_encoding_fits(
            sizes in proptest::collection::vec(0usize..6000, 0..6),
            message in proptest::collection::vec(0u8..128, 0..1024),
        ) {
            let mut details = Details::default();
            details.push(&error_info());
            for (index, size) in sizes.into_iter().enumerate() {
                let text = "x".repeat(size);
                match index % 6 {
                    0 => details.push(&pb::DebugInfo { detail: text, ..Default::default() }),
                    1 => details.push(&pb::ErrorInfo { metadata: [("k".to_owned(), text)].into(), ..error_info() }),
                    2 => details.push(&pb::QuotaFailure { violations: vec![pb::quota_failure::Violation { subject: text, ..Default::default() }] }),
                    3 => details.push(&pb::ResourceInfo { description: text, ..Default::default() }),
                    4 => details.push(&pb::RetryInfo { retry_delay: None }),
                    _ => details.0.push(Any { type_url: text, value: vec![0; size] }),
                }
            }
            let message = String::from_utf8_lossy(&message).into_owned();
            let encoded = details.encode(Code::Internal, &message);
            proptest::prop_assert!(encoded.len() <= MAX_DETAILS);
            proptest::prop_assert!(Details::decode(&encoded).get::<pb::ErrorInfo>().is_some());
        }
    }
}
