//! The objects of a private public-key infrastructure, one file each, and the rules by which they are issued and
//! validated (RFC 5280, RFC 2986).
//!
//! This library knows nothing of networks, threads, terminals or environment variables; the time of day is an argument.
//! `issuer` alone uses a CA key, `profile` alone decides extensions, `folder` alone writes files.
//!
//! The life of a certificate: `manifest` or the command line → `profile` → `issuer` prepares → `index` reserves the
//! serial number → `issuer` signs → `path_validation` judges → `index` records → `folder` writes.

pub mod apply;
pub mod authority;
pub mod batch;
pub mod certificate;
pub mod certificate_request;
pub mod certificate_revocation_list;
mod der;
pub mod distinguished_name;
pub mod error;
pub mod export;
pub mod folder;
pub mod health;
pub mod import;
pub mod index;
pub mod inspect;
pub mod issuer;
pub mod key;
pub mod kubernetes;
mod lint;
pub mod manifest;
mod name_constraints;
mod parse;
pub mod path_validation;
mod pem;
pub mod pkcs12;
pub mod profile;
pub mod renewal;
pub mod revocation;
pub mod revocation_reason;
pub mod rotation;
pub mod serial_number;
pub mod subject_alt_name;
pub mod text;
pub mod validity;

pub use error::{Error, ErrorKind};
