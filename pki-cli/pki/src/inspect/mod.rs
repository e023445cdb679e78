//! Certificates, requests, CRLs and keys, shown to people and machines.

mod bundle;

pub use bundle::{BundleError, certificates, crls};
