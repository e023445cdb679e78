//! The objects of a private public-key infrastructure, one file each, and the rules by which they are issued and
//! validated (RFC 5280, RFC 2986).
//!
//! This library knows nothing of networks, threads, terminals or environment variables; the time of day is an argument.
//! `issuer` alone uses a CA key, `profile` alone decides extensions, `folder` alone writes files.

pub mod inspect;
mod parse;
pub mod path_validation;
pub mod text;
