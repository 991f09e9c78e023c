//! Every seed, and every input that once broke something.

use std::{fs, path::Path};

use countersign_fuzz::TARGETS;

#[test]
fn what_is_good_is_accepted_and_nothing_else() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (target, look) in TARGETS {
        let folders = ["seeds", "regressions"].map(|folder| root.join(folder).join(target));
        let files: Vec<_> = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().collect();
        assert!(!files.is_empty(), "{target} has no seeds");
        for file in files {
            let file = file.unwrap();
            let good = file.file_name().to_string_lossy().starts_with("good");
            assert_eq!(look(&fs::read(file.path()).unwrap()), good, "{}", file.path().display());
        }
    }
}
