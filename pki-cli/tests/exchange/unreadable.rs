//! Files that cannot be read, or hold nothing: told as such wherever `pki import` is given one, with one exit code each.

use crate::support::Home;

#[test]
fn a_file_that_is_no_file_is_told_alike_wherever_it_is_given() {
    let home = Home::with_ca();
    std::fs::create_dir(home.path("folder")).expect("made");
    home.write("empty", "");
    let ca = "import ca --dir new --cert certs/ca/root.crt --key certs/ca/root.key";
    let is_a_folder = "\"folder\" could not be read: Is a directory";
    for (args, code, expected) in [
        (
            "import ca --dir new --cert folder --key certs/ca/root.key",
            6,
            is_a_folder,
        ),
        (
            "import ca --dir new --cert certs/ca/root.crt --key folder",
            6,
            is_a_folder,
        ),
        (&format!("{ca} --chain folder"), 6, is_a_folder),
        (&format!("{ca} --index folder"), 6, is_a_folder),
        (
            &format!("{ca} --index empty --crlnumber folder"),
            6,
            is_a_folder,
        ),
        (&format!("{ca} --index empty --crl folder"), 6, is_a_folder),
        (
            &format!("{ca} --index empty --newcerts empty"),
            6,
            "\"empty\" could not be read: Not a directory",
        ),
        (
            &format!("{ca} --index empty --newcerts nowhere"),
            4,
            "There is no folder \"nowhere\"",
        ),
        (
            &format!("{ca} --index nowhere"),
            4,
            "There is no file \"nowhere\"",
        ),
        (
            "import ca --dir new --openssl nowhere",
            4,
            "There is no folder \"nowhere\"",
        ),
        (
            "import ca --dir new --openssl empty",
            6,
            "\"empty\" could not be read: Not a directory",
        ),
        ("import order --pkcs12 folder", 6, is_a_folder),
        (
            "import order --pkcs12 empty",
            7,
            "it is no PKCS#12 in DER: the file is empty.",
        ),
        (
            "import order --pkcs12 /dev/null",
            7,
            "it is no PKCS#12 in DER: the file is empty.",
        ),
    ] {
        for option in ["", " --dry-run"] {
            let told = home.pki(&format!("{args}{option}")).fails(code);
            assert!(told.contains(expected), "{args}: {told}");
            assert!(!home.path("new").exists(), "{args}");
        }
    }
}
