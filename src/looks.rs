//! How the pages look: what the operator set, and the files that pages need for it. Each file lies under an address of its
//! own that changes with its content, so that browsers keep it for as long as they like.

use std::path::{Path, PathBuf};

use axum::body::Bytes;
use openssl::sha::sha256;

use crate::{
    config::{BrandSettings, DARK_SHEET, SHEET},
    domain::colour::Colour,
    outbound::image::{ImageError, LogoImage, MAX_BYTES},
};

/// The style of all pages, in our own colours.
const STYLE: &str = include_str!("../templates/asset/style.css");
/// A plain mark, in our own colour.
const MARK: &str = include_str!("../templates/asset/icon.svg");
/// That colour, as it stands in both.
const ACCENT: &str = "#0d5f58";

/// How this provider looks.
#[derive(Debug)]
pub struct Looks {
    /// What people know it by.
    pub name: String,
    /// How the pages look.
    pub style: Asset,
    /// A plain mark.
    pub mark: Asset,
    /// The operator's logo.
    pub logo: Option<Asset>,
}

/// A file that pages need.
#[derive(Debug)]
pub struct Asset {
    stem: &'static str,
    extension: &'static str,
    /// Its media type.
    pub content_type: &'static str,
    /// What is in it.
    pub content: Bytes,
    path: String,
}

/// Why a logo cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogoError {
    /// It cannot be read.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// It is no picture that browsers show.
    #[error("{}: {error}, nor is it SVG", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// What it is.
        error: ImageError,
    },
}

impl Looks {
    /// The looks that the operator set. Reads the logo.
    pub fn open(settings: &BrandSettings) -> Result<Self, LogoError> {
        let mark = settings.accent.map_or_else(|| MARK.to_owned(), |accent| MARK.replace(ACCENT, &accent.to_string()));
        Ok(Self {
            name: settings.name.clone(),
            style: Asset::new("style", "css", "text/css; charset=utf-8", style(settings).into()),
            mark: Asset::new("mark", "svg", "image/svg+xml", mark.into()),
            logo: settings.logo_file.as_deref().map(logo).transpose()?,
        })
    }

    /// What stands for this provider where there is room for a picture alone.
    pub fn icon(&self) -> &Asset {
        self.logo.as_ref().unwrap_or(&self.mark)
    }

    /// The file of this name, and whether the name is of this very content. Another node may be older or newer than we
    /// are while software or settings are being changed; its pages are better served with our file than with none.
    pub fn asset(&self, name: &str) -> Option<(&Asset, bool)> {
        let all = [Some(&self.style), Some(&self.mark), self.logo.as_ref()];
        let asset = all.into_iter().flatten().find(|asset| asset.answers_to(name))?;
        Some((asset, asset.path.strip_prefix("/assets/") == Some(name)))
    }
}

impl Asset {
    fn new(stem: &'static str, extension: &'static str, content_type: &'static str, content: Bytes) -> Self {
        let digits = sha256(&content).first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
        let path = format!("/assets/{stem}-{digits:016x}.{extension}");
        Self { stem, extension, content_type, content, path }
    }

    /// Its address.
    pub fn path(&self) -> &str {
        &self.path
    }

    fn answers_to(&self, name: &str) -> bool {
        let rest = name.strip_prefix(self.stem).and_then(|rest| rest.strip_prefix('-'));
        let digits = rest.and_then(|rest| rest.strip_suffix(self.extension)).and_then(|rest| rest.strip_suffix('.'));
        digits.is_some_and(|digits| digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    }
}

/// The style, with the operator's colours in the place of ours.
fn style(settings: &BrandSettings) -> String {
    let dark = settings.accent_dark.or_else(|| settings.accent.map(readable_in_the_dark));
    let light = settings.accent.map(|accent| format!(":root {{\n{}}}\n", colours(accent, SHEET, Colour::BLACK)));
    let dark = dark.map(|accent| {
        let colours = colours(accent, DARK_SHEET, Colour::WHITE);
        format!("@media (prefers-color-scheme: dark) {{\n:root {{\n{colours}}}\n}}\n")
    });
    [Some(STYLE.to_owned()), light, dark].into_iter().flatten().collect()
}

/// All that follows from a colour that can be read on a sheet; `strong` is what makes it easier still to read.
fn colours(accent: Colour, sheet: Colour, strong: Colour) -> String {
    // As much of the colour as leaves it readable on its own tint.
    let tints = (0..=10).rev().map(|hundredths| sheet.mixed_with(accent, hundredths));
    let tint = tints.into_iter().find(|tint| accent.is_readable_on(*tint)).unwrap_or(sheet);
    let strong = accent.mixed_with(strong, 25);
    format!("  --accent: {accent};\n  --accent-strong: {strong};\n  --on-accent: {sheet};\n  --tint: {tint};\n")
}

/// The nearest lighter shade that can be read in the dark with ease.
fn readable_in_the_dark(accent: Colour) -> Colour {
    let shades = (0..=100).step_by(5).map(|hundredths| accent.mixed_with(Colour::WHITE, hundredths));
    shades.into_iter().find(|shade| shade.contrast(DARK_SHEET) >= 7.0).unwrap_or(Colour::WHITE)
}

fn logo(path: &Path) -> Result<Asset, LogoError> {
    let content = std::fs::read(path).map_err(|error| LogoError::Io { path: path.to_owned(), error })?;
    // The operator's own, and served so that nothing in it can run: so it may be SVG, as an app's logo may not.
    if content.len() <= MAX_BYTES && is_svg(&content) {
        return Ok(Asset::new("logo", "svg", "image/svg+xml", content.into()));
    }
    match LogoImage::parse(&content) {
        Ok(image) => Ok(Asset::new("logo", image.format.extension(), image.format.content_type(), content.into())),
        Err(error) => Err(LogoError::Image { path: path.to_owned(), error }),
    }
}

fn is_svg(content: &[u8]) -> bool {
    let text = std::str::from_utf8(content).unwrap_or_default();
    let text = text.trim_start_matches('\u{feff}').trim_start();
    (text.starts_with("<svg") || text.starts_with("<?xml") || text.starts_with("<!--")) && text.contains("<svg")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    fn looks(toml: &str) -> Looks {
        Looks::open(&Settings::parse(toml, []).unwrap().brand).unwrap()
    }

    /// The last value of a property within a block, light or dark.
    fn property(style: &str, is_dark: bool, name: &str) -> Colour {
        let (light, dark) = style.rsplit_once("@media (prefers-color-scheme: dark)").unwrap();
        let block = if is_dark { dark } else { light };
        let value = block.rsplit(&format!("  {name}: ")).next().unwrap().split(';').next().unwrap();
        Colour::parse(value).unwrap()
    }

    #[test]
    fn an_asset_is_found_by_its_own_path() {
        let looks = looks("");
        for asset in [&looks.style, &looks.mark] {
            let (found, exact) = looks.asset(asset.path().strip_prefix("/assets/").unwrap()).unwrap();
            assert!(std::ptr::eq(found, asset) && exact);
        }
    }

    #[test]
    fn an_asset_of_another_version_is_ours_but_not_exact() {
        let looks = looks("");
        let (found, exact) = looks.asset("style-0123456789abcdef.css").unwrap();
        assert!(std::ptr::eq(found, &raw const looks.style) && !exact);
        let others = [
            "style.css",
            "style-0123.css",
            "style-0123456789abcdef.svg",
            "../style-0123456789abcdef.css",
            "logo-0123456789abcdef.svg",
        ];
        for other in others {
            assert!(looks.asset(other).is_none(), "{other}");
        }
    }

    #[test]
    fn the_sheets_of_the_settings_are_those_of_the_style() {
        assert!(STYLE.contains("  --sheet: #fff;\n") && SHEET == Colour::WHITE);
        assert!(STYLE.contains(&format!("  --sheet: {DARK_SHEET};\n")));
        assert!(STYLE.contains(&format!("  --accent: {ACCENT};\n")) && MARK.contains(ACCENT));
    }

    #[test]
    fn what_nobody_set_is_ours() {
        let looks = looks("");
        assert_eq!((looks.name.as_str(), &*looks.style.content), ("Countersign", STYLE.as_bytes()));
        assert_eq!(looks.icon().path(), looks.mark.path());
    }

    #[test]
    fn whatever_the_colours_all_words_can_be_read() {
        for (light, dark) in
            [("#0d5f58", "#7fd0c4"), ("#767676", "#888888"), ("#000000", "#ffffff"), ("#c00000", "#ff8080")]
        {
            let looks = looks(&format!("brand.accent = '{light}'\nbrand.accent_dark = '{dark}'"));
            let style = std::str::from_utf8(&looks.style.content).unwrap();
            for (is_dark, sheet) in [(false, SHEET), (true, DARK_SHEET)] {
                let [accent, strong, on, tint] =
                    ["--accent", "--accent-strong", "--on-accent", "--tint"].map(|name| property(style, is_dark, name));
                for (words, ground) in
                    [(accent, sheet), (accent, tint), (on, accent), (strong, sheet), (on, strong), (strong, tint)]
                {
                    assert!(words.is_readable_on(ground), "{words} on {ground} of {light} and {dark}");
                }
            }
            assert!(std::str::from_utf8(&looks.mark.content).unwrap().contains(light));
        }
    }

    #[test]
    fn a_colour_alone_gets_a_lighter_shade_for_the_dark() {
        let looks = looks("brand.accent = '#7a0c0c'");
        let style = std::str::from_utf8(&looks.style.content).unwrap();
        assert_eq!(property(style, false, "--accent"), Colour::parse("#7a0c0c").unwrap());
        assert!(property(style, true, "--accent").contrast(DARK_SHEET) >= 7.0);
    }

    #[test]
    fn a_logo_is_a_picture() {
        let folder = tempfile::tempdir().unwrap();
        let open = |content: &[u8]| {
            let path = folder.path().join("logo");
            std::fs::write(&path, content).unwrap();
            logo(&path)
        };
        let svg = open(b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>").unwrap();
        assert_eq!(svg.content_type, "image/svg+xml");
        let png =
            open(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0CRC.\0\0\0\0IEND\xae\x42\x60\x82")
                .unwrap();
        assert!(png.path().starts_with("/assets/logo-") && png.path().contains(".png"));
        for other in [b"<html><svg></svg></html>".as_slice(), b"GIF89a", b"", &vec![b' '; MAX_BYTES + 1]] {
            assert!(matches!(open(other), Err(LogoError::Image { .. })));
        }
        assert!(matches!(logo(&folder.path().join("none")), Err(LogoError::Io { .. })));
    }
}
