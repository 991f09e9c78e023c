//! The stylesheet and the icon of the hosted pages. Each lies under an address of its own that changes with its content,
//! so that browsers keep it for as long as they like.

use std::sync::LazyLock;

use openssl::sha::sha256;

/// A file that pages need.
#[derive(Debug)]
pub struct Asset {
    stem: &'static str,
    extension: &'static str,
    /// Its media type.
    pub content_type: &'static str,
    /// What is in it.
    pub content: &'static str,
    path: LazyLock<String>,
}

/// How the pages look.
pub static STYLE: Asset = Asset {
    stem: "style",
    extension: "css",
    content_type: "text/css; charset=utf-8",
    content: include_str!("../../templates/asset/style.css"),
    path: LazyLock::new(|| STYLE.content_path()),
};

/// The mark of Countersign.
pub static ICON: Asset = Asset {
    stem: "icon",
    extension: "svg",
    content_type: "image/svg+xml",
    content: include_str!("../../templates/asset/icon.svg"),
    path: LazyLock::new(|| ICON.content_path()),
};

impl Asset {
    /// Its address.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The file of this name, and whether the name is of this very content. Another node may be older or newer than we
    /// are while the software is being upgraded; its pages are better served with our file than with none.
    pub fn named(name: &str) -> Option<(&'static Self, bool)> {
        let asset = [&STYLE, &ICON].into_iter().find(|asset| asset.answers_to(name))?;
        Some((asset, asset.path.strip_prefix("/assets/") == Some(name)))
    }

    fn answers_to(&self, name: &str) -> bool {
        let rest = name.strip_prefix(self.stem).and_then(|rest| rest.strip_prefix('-'));
        let digits = rest.and_then(|rest| rest.strip_suffix(self.extension)).and_then(|rest| rest.strip_suffix('.'));
        digits.is_some_and(|digits| digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    }

    fn content_path(&self) -> String {
        let digits = sha256(self.content.as_bytes()).first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
        format!("/assets/{}-{digits:016x}.{}", self.stem, self.extension)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asset_is_found_by_its_own_path() {
        for asset in [&STYLE, &ICON] {
            let (found, exact) = Asset::named(asset.path().strip_prefix("/assets/").unwrap()).unwrap();
            assert!(std::ptr::eq(found, asset) && exact);
        }
    }

    #[test]
    fn an_asset_of_another_version_is_ours_but_not_exact() {
        let (found, exact) = Asset::named("style-0123456789abcdef.css").unwrap();
        assert!(std::ptr::eq(found, &raw const STYLE) && !exact);
        for other in ["style.css", "style-0123.css", "style-0123456789abcdef.svg", "../style-0123456789abcdef.css"] {
            assert!(Asset::named(other).is_none(), "{other}");
        }
    }
}
