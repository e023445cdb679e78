//! Real runs of the command `pki`: making certificates. What is made is judged by openssl, which is a stranger to us.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod any_request;
mod apply;
mod arguments;
mod bulk;
mod certtool;
mod chapter;
mod completions;
mod compromised_key;
mod crash;
mod descriptors;
mod encrypted;
mod help;
mod help_lifecycle;
mod inventory;
mod malformed;
mod malformed_pkcs12;
mod manual;
mod odd_paths;
mod offline_root;
mod overtaken;
mod passphrases;
mod pipes;
mod reference;
mod refusals;
mod renewal;
mod restored_index;
mod revocation;
mod revocation_crash;
mod revocation_refused;
mod revoked_authority;
mod revoked_meanwhile;
mod rotation;
mod spoilt;
mod startup;
mod strangers;
mod subjects;
mod subordinate;
mod support;
mod together;
mod traces;
mod weak;
