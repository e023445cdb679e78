//! What the generator made of the `.proto` files. Nothing here is written by hand.

#![allow(
    missing_docs,
    unused_qualifications,
    rustdoc::invalid_html_tags,
    rustdoc::bare_urls,
    clippy::use_self,
    clippy::or_fun_call,
    clippy::uninlined_format_args,
    clippy::unwrap_used,
    clippy::manual_let_else,
    reason = "generated code: its documentation is that of the .proto files, its habits are the generator's, and which \
              of these lints it meets changes with the generator's version"
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
