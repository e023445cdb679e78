#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| pki_fuzz::targets::pkcs12(octets));
