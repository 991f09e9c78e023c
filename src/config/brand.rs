//! The settings of what this provider is called and how it looks.

use std::path::PathBuf;

use serde_json::Value as Json;

use super::{reader::Reader, value::Setting};
use crate::domain::colour::Colour;

/// What words of a page stand on: its `--sheet` in `templates/asset/style.css`.
pub const SHEET: Colour = Colour::WHITE;
/// The same in the dark.
pub const DARK_SHEET: Colour = Colour::new(0x19, 0x1f, 0x22);

/// The most characters of a name, so that it has room above a page on a phone.
const MAX_NAME_CHARS: usize = 40;

/// What this provider is called and how it looks.
#[derive(Clone, Debug)]
pub struct BrandSettings {
    /// `brand.name`: what people know this provider by, on pages and in mails (`Countersign`).
    pub name: String,
    /// `brand.logo_file`: a picture to stand by the name: SVG, PNG, JPEG or WebP (none: a plain mark).
    pub logo_file: Option<PathBuf>,
    /// `brand.accent`: the colour of buttons and links, `#rrggbb`, dark enough to be read on white (`#0d5f58`).
    pub accent: Option<Colour>,
    /// `brand.accent_dark`: the same for browsers that prefer dark pages, light enough to be read there (`#7fd0c4`; with
    /// `brand.accent` a lighter shade of that).
    pub accent_dark: Option<Colour>,
}

pub(super) fn brand(r: &mut Reader) -> BrandSettings {
    let name = r.read("brand.name", "Countersign".to_owned());
    let is_name = |name: &str| !name.trim().is_empty() && !name.chars().any(char::is_control);
    r.check("brand.name", is_name(&name) && name.chars().count() <= MAX_NAME_CHARS, || {
        format!("must be 1 to {MAX_NAME_CHARS} characters, none of them a control character")
    });
    let logo_file = r.read("brand.logo_file", None);
    let accent = colour(r, "brand.accent", SHEET);
    let accent_dark = colour(r, "brand.accent_dark", DARK_SHEET);
    BrandSettings { name: name.trim().to_owned(), logo_file, accent, accent_dark }
}

fn colour(r: &mut Reader, key: &'static str, sheet: Colour) -> Option<Colour> {
    let colour: Option<Colour> = r.read(key, None);
    r.check(key, colour.is_none_or(|colour| colour.is_readable_on(sheet)), || {
        let contrast = colour.map_or(0.0, |colour| colour.contrast(sheet));
        format!("cannot be read on the page, which is {sheet}: the contrast is {contrast:.2}, and must be 4.5 at least")
    });
    colour
}

impl Setting for Colour {
    const EXPECTED: &'static str = "a colour such as #0d5f58";

    fn from_text(text: &str) -> Result<Self, String> {
        Self::parse(text).ok_or_else(|| format!("expected {}", Self::EXPECTED))
    }

    fn show(&self) -> Json {
        self.to_string().into()
    }
}
