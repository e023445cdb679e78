//! Writes the seeds of every target into the folder that is given: FOLDER/TARGET/NUMBER.

fn main() -> std::io::Result<()> {
    let folder = std::path::PathBuf::from(std::env::args().nth(1).unwrap_or_default());
    for (target, _) in pki_fuzz::targets::ALL {
        let folder = folder.join(target);
        std::fs::create_dir_all(&folder)?;
        for (number, seed) in pki_fuzz::seeds::of(target).into_iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number}")), seed)?;
        }
    }
    Ok(())
}
