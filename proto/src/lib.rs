//! The messages and services of the house, generated at build time from the `.proto` files beside this crate.
//!
//! The files are compiled by protox inside `build.rs`, so no `protoc` is needed. A module's path is its protobuf
//! package: `order.v1` is [`order::v1`]. Written by hand is only [`Money`], the checked form of `google.type.Money`
//! in which every service computes.

mod generated;
mod money;

pub use self::generated::{google, order, payment, product, shipping};
pub use self::money::{Money, MoneyError};

/// Every file of this crate and what it imports, as an encoded `google.protobuf.FileDescriptorSet`: what gRPC
/// reflection serves, and where the `idempotency_level` of each method can be read.
pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("file_descriptor_set");
