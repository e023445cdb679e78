//! The messages and services of the house, generated at build time from the `.proto` files beside this crate.
//!
//! The files are compiled by protox inside `build.rs`, so no `protoc` is needed. A module's path is its protobuf
//! package: `order.v1` is [`order::v1`].

#![expect(
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    reason = "generated code; the documentation is that of the .proto files"
)]

/// Orders.
pub mod order {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("order.v1");
    }
}

/// Charging and refunding.
pub mod payment {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("payment.v1");
    }
}

/// Shipping.
pub mod shipping {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("shipping.v1");
    }
}

/// The catalogue.
pub mod product {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("product.v1");
    }
}

/// Types of Google's common protos, wire-compatible.
pub mod google {
    /// `google.type`.
    pub mod r#type {
        tonic::include_proto!("google.r#type");
    }
}

/// Every file of this crate and what it imports, as an encoded `google.protobuf.FileDescriptorSet`: what gRPC
/// reflection serves, and where the `idempotency_level` of each method can be read.
pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("file_descriptor_set");
