//! Which languages are spoken here, and which of them somebody reads.

/// A language that all texts exist in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Language {
    /// English, also for whoever reads neither.
    #[default]
    English,
    /// German.
    German,
}

impl Language {
    /// Every language, in the order of discovery.
    pub const ALL: [Self; 2] = [Self::English, Self::German];

    /// Its tag (RFC 5646).
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// Its name in itself.
    pub fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::German => "Deutsch",
        }
    }

    /// The language of a tag, whatever the region: `de-AT` is German here.
    pub fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        Self::ALL.into_iter().find(|language| primary.eq_ignore_ascii_case(language.tag()))
    }

    /// The first of these tags that is spoken here.
    pub fn first_of<'a>(tags: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        tags.into_iter().find_map(Self::of_tag)
    }

    /// The language for somebody: what the app asks for (`ui_locales`, OpenID Connect Core §3.1.2.1), else what the person
    /// told us to use (the claim `locale`), else what their browser says.
    pub fn negotiate(ui_locales: &[String], locale: Option<&str>, accept_language: Option<&str>) -> Self {
        Self::first_of(ui_locales.iter().map(String::as_str))
            .or_else(|| Self::of_tag(locale?))
            .or_else(|| Self::accepted(accept_language?))
            .unwrap_or_default()
    }

    /// The best one in a header `Accept-Language` (RFC 9110 §12.5.4).
    fn accepted(header: &str) -> Option<Self> {
        let mut best: Option<(u16, Self)> = None;
        for range in header.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let Some(language) = parts.next().and_then(Self::of_tag) else { continue };
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1000), weight);
            let Some(weight) = weight.filter(|weight| *weight > 0) else { continue };
            // Of equal ones the first is meant.
            if best.is_none_or(|(other, _)| weight > other) {
                best = Some((weight, language));
            }
        }
        best.map(|(_, language)| language)
    }
}

/// A weight in thousandths (RFC 9110 §12.4.2).
fn weight(text: &str) -> Option<u16> {
    let weight: f32 = text.parse().ok().filter(|weight| (0.0..=1.0).contains(weight))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 1000")]
    Some((weight * 1000.0) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn negotiate(ui_locales: &str, locale: &str, accept: &str) -> Language {
        let ui_locales: Vec<String> = ui_locales.split_whitespace().map(str::to_owned).collect();
        let given = |text| Some(text).filter(|text: &&str| !text.is_empty());
        Language::negotiate(&ui_locales, given(locale), given(accept))
    }

    #[test]
    fn the_app_comes_before_the_person_and_the_person_before_the_browser() {
        assert_eq!(negotiate("de", "en", "en"), Language::German);
        assert_eq!(negotiate("", "de", "en"), Language::German);
        assert_eq!(negotiate("", "", "de"), Language::German);
        assert_eq!(negotiate("en", "de", "de"), Language::English);
        assert_eq!(negotiate("", "", ""), Language::English);
    }

    #[test]
    fn what_is_not_spoken_here_is_passed_over() {
        assert_eq!(negotiate("fr de", "en", "en"), Language::German);
        assert_eq!(negotiate("fr", "de", "en"), Language::German);
        assert_eq!(negotiate("fr", "fr", "fr, de"), Language::German);
        assert_eq!(negotiate("x", "nonsense ü", "*, -, ;q=1, de"), Language::German);
    }

    #[test]
    fn regions_and_letter_case_make_no_difference() {
        for tag in ["de-AT", "DE", "de_CH", "de-Latn-DE-1996"] {
            assert_eq!(Language::of_tag(tag), Some(Language::German), "{tag}");
        }
        for tag in ["", "den", "-de", "d"] {
            assert_eq!(Language::of_tag(tag), None, "{tag}");
        }
    }

    #[test]
    fn browsers_weigh_their_languages() {
        for (header, language) in [
            ("de-DE,de;q=0.9,en;q=0.8", Language::German),
            ("en;q=0.8, de;q=0.9", Language::German),
            ("de;q=0, fr", Language::English),
            ("de;q=0.5,en;q=0.5", Language::German),
            ("en-GB,en;q=0.9,de;q=0.8", Language::English),
            ("de;q=2,en;q=0.1", Language::English),
            ("de;q=nonsense", Language::English),
        ] {
            assert_eq!(negotiate("", "", header), language, "{header}");
        }
    }
}
