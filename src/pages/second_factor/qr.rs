//! QR codes as a path of SVG: no image, no script, no style of its own.

use std::fmt::Write;

use qrcodegen::{QrCode, QrCodeEcc};

/// Modules that must stay light around a code (ISO/IEC 18004 §9.1).
const QUIET_ZONE: i32 = 4;

/// A QR code, drawn.
#[derive(Debug)]
pub(in crate::pages) struct Drawing {
    /// The `viewBox`, one unit for each module.
    pub(in crate::pages) view_box: String,
    /// The `d` of the path that fills the dark modules.
    pub(in crate::pages) path: String,
}

/// Draws a text; nothing if it is too long for any code.
pub(in crate::pages) fn draw(text: &str) -> Option<Drawing> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
    let size = code.size();
    let mut path = String::new();
    for y in 0..size {
        let mut x = 0;
        while x < size {
            let length = (x..size).take_while(|x| code.get_module(*x, y)).count();
            let length = i32::try_from(length).ok()?;
            if length > 0 {
                write!(path, "M{x} {y}h{length}v1h-{length}z").ok()?;
            }
            x += length + 1;
        }
    }
    let whole = size + 2 * QUIET_ZONE;
    Some(Drawing { view_box: format!("-{QUIET_ZONE} -{QUIET_ZONE} {whole} {whole}"), path })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The dark modules that a path fills.
    fn filled(path: &str) -> Vec<(i32, i32)> {
        let runs = path.split('z').filter(|run| !run.is_empty());
        runs.flat_map(|run| {
            let (start, rest) = run.strip_prefix('M').unwrap().split_once('h').unwrap();
            let (x, y) = start.split_once(' ').unwrap();
            let (x, y): (i32, i32) = (x.parse().unwrap(), y.parse().unwrap());
            let (length, rest) = rest.split_once("v1h-").unwrap();
            assert_eq!(length, rest);
            (0..length.parse().unwrap()).map(move |at| (x + at, y))
        })
        .collect()
    }

    #[test]
    fn every_dark_module_is_drawn_and_no_other() {
        let text = "otpauth://totp/Countersign:ada%40example.com?secret=GEZDGNBVGY3TQOJQ&issuer=Countersign";
        let (code, drawing) = (QrCode::encode_text(text, QrCodeEcc::Medium).unwrap(), draw(text).unwrap());
        let all = (0..code.size()).flat_map(|y| (0..code.size()).map(move |x| (x, y)));
        let dark: Vec<_> = all.filter(|(x, y)| code.get_module(*x, *y)).collect();
        assert_eq!(filled(&drawing.path), dark);
        assert_eq!(drawing.view_box, format!("-4 -4 {0} {0}", code.size() + 8));
    }

    #[test]
    fn a_text_too_long_for_a_code_is_not_drawn() {
        assert!(draw(&"x".repeat(3_000)).is_none());
    }
}
