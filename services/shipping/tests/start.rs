//! The example configuration is read by the real binary, and what is wrong with a start is said in one sentence. What
//! all services share of this is tested with `payment`.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

type Outcome = Result<(), Box<dyn Error>>;

#[test]
fn the_example_configuration_is_read_down_to_its_certificates() -> Outcome {
    let folder = tempfile::tempdir()?;
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("shipping.toml");
    // Every field was accepted, and the first thing missing is what the file names.
    let sentence = refusal(folder.path(), &example)?;
    assert!(sentence.contains("certs/shipping/tls.crt"), "{sentence}");
    Ok(())
}

#[test]
fn an_unknown_field_is_named_with_its_line_and_what_was_meant() -> Outcome {
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("shipping.toml");
    fs::write(&config, "\ndatabse = 'shipping.db'\n")?;
    let sentence = refusal(folder.path(), &config)?;
    assert!(
        sentence.ends_with("line 2: there is no field `databse` here; did you mean `database`?"),
        "{sentence}"
    );
    Ok(())
}

fn refusal(folder: &Path, config: &Path) -> Result<String, Box<dyn Error>> {
    let output = Command::new(env!("CARGO_BIN_EXE_shipping"))
        .env_clear()
        .env("RUST_BACKTRACE", "1")
        .current_dir(folder)
        .arg("--config")
        .arg(config)
        .output()?;
    let said = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(1), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    let [sentence] = lines.as_slice() else {
        return Err(format!("not one line but {lines:#?}").into());
    };
    assert!(sentence.starts_with("error: "), "{sentence}");
    Ok((*sentence).to_owned())
}
