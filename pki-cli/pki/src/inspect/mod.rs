//! Certificates, requests, CRLs and keys, shown to people and machines.
