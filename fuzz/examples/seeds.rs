//! Writes the files in `seeds/` anew: `cargo run --example seeds`. Signatures by ES256 and PS256 and what is encrypted are different each
//! time; the others stay as they are.

use std::{fs, path::Path};

fn main() -> std::io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    for (target, name, content) in countersign_fuzz::seeds::all() {
        fs::create_dir_all(root.join(target))?;
        fs::write(root.join(target).join(name), content)?;
    }
    Ok(())
}
