#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| pki_fuzz::targets::index_txt(octets));
