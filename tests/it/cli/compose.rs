//! Dockerfile and docker-compose.yml, as far as they can be looked at without Docker: what they say of this program is true.

use std::path::Path;

use super::machine::Machine;

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// A text with some value in the place of each variable that must be set.
fn filled_in(text: &str) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (variable, after) = after.split_once('}').unwrap();
        assert!(variable.contains(":?"), "{variable} must have no default");
        filled = filled + before + "secret";
        rest = after;
    }
    filled + rest
}

#[tokio::test]
async fn what_compose_sets_are_settings_and_they_make_a_production_start() {
    let compose = read("docker-compose.yml");
    let mut machine = Machine::new().await.without("ISSUER").without("LISTEN").without("DATABASE__URL");
    let mut count = 0;
    for line in compose.lines().map(str::trim).filter_map(|line| line.strip_prefix("COUNTERSIGN_")) {
        let (name, value) = line.split_once(": ").unwrap();
        machine = machine.with(name, &filled_in(value));
        count += 1;
    }
    assert!(count >= 8, "{count}");
    let told = machine.run(&["config", "check"]).assert_ok();
    assert!(told.contains("https://localhost") && told.contains("172.30.77.10") && !told.contains("secret@"), "{told}");
}

#[test]
fn no_secret_has_a_default() {
    let compose = read("docker-compose.yml");
    for line in compose.lines().filter(|line| line.contains("PASSWORD: ") || line.contains("AUTH: ")) {
        assert!(line.contains("${") && line.contains(":?"), "{line}");
    }
    for ignored in [".env", "/keys/*", "/data"] {
        assert!(read(".dockerignore").lines().any(|line| line == ignored), "{ignored} must not get into an image");
    }
    assert!(read(".gitignore").lines().any(|line| line == "/.env"));
}

#[test]
fn the_image_is_built_by_a_compiler_that_can() {
    let part = |text: &str| text.split('.').map(|part| part.parse::<u32>().unwrap()).collect::<Vec<_>>();
    let dockerfile = read("Dockerfile");
    let (_, image) = dockerfile.split_once("FROM rust:").unwrap();
    let manifest = read("Cargo.toml");
    let (_, needed) = manifest.split_once("rust-version = \"").unwrap();
    assert!(part(image.split('-').next().unwrap()) >= part(needed.split('"').next().unwrap()));
}
