//! New passwords: what is asked of one before it is hashed, whoever chooses it and on whatever page.

use openssl::sha::sha1;
use url::Url;

use crate::{
    app::App,
    domain::{
        credential::{Password, PasswordError},
        password_rules::{self, NearWords},
    },
    outbound::OutboundError,
    passwords::HashError,
};

/// What the product is called, even where the house calls it otherwise.
const PRODUCT: &str = "Countersign";
/// The most of a list of stolen passwords, in bytes. One of five digits has about 40 KiB.
const MAX_LIST_BYTES: usize = 512 * 1024;

/// Why a new password was not taken.
#[derive(Debug, thiserror::Error)]
pub enum NewPasswordError {
    /// It breaks a rule.
    #[error(transparent)]
    Refused(#[from] PasswordError),
    /// It could not be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
}

/// The hash of a new password that keeps every rule. `near` holds the words of the person; those of the house are added here.
pub async fn hash(app: &App, password: &Password, near: NearWords) -> Result<String, NewPasswordError> {
    let near = near.and(words_of_the_house(app));
    password_rules::check(password, &near)?;
    if app.passwords.is_weak(password, &near).await? {
        return Err(PasswordError::Weak.into());
    }
    if let Some(list) = &app.settings.password.breaches
        && is_breached(app, list, password).await
    {
        return Err(PasswordError::Breached.into());
    }
    Ok(app.passwords.hash(password).await?)
}

fn words_of_the_house(app: &App) -> NearWords {
    let settings = &app.settings;
    let authority = settings.issuer.as_str().rsplit("://").next().unwrap_or_default();
    let host = authority.split(':').next().unwrap_or_default();
    NearWords::of(settings.password.words.iter().map(String::as_str).chain([
        settings.brand.name.as_str(),
        PRODUCT,
        host,
    ]))
}

/// Whether the password is in the list of stolen ones. Only five digits of its SHA-1 are sent; the list of all that begin so comes
/// back. One that cannot be had refuses nobody.
async fn is_breached(app: &App, list: &Url, password: &Password) -> bool {
    let digest = sha1(password.as_bytes()).iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().concat();
    let (prefix, suffix) = digest.split_at(5);
    match range(app, list, prefix).await {
        Ok(text) => text.lines().any(|line| is_entry(line, suffix)),
        Err(error) => {
            tracing::warn!(%error, "the list of stolen passwords cannot be had; a new password was not looked up");
            false
        }
    }
}

async fn range(app: &App, list: &Url, prefix: &str) -> Result<String, OutboundError> {
    let url = list.join(prefix).map_err(|_| OutboundError::Scheme)?;
    let fetched = app.outbound.get(&url, MAX_LIST_BYTES).await?;
    Ok(String::from_utf8_lossy(&fetched.body).into_owned())
}

/// Whether a line `SUFFIX:COUNT` is of this suffix. Lines that count zero are padding.
fn is_entry(line: &str, suffix: &str) -> bool {
    line.trim().split_once(':').is_some_and(|(entry, count)| entry.eq_ignore_ascii_case(suffix) && count != "0")
}

#[cfg(test)]
mod tests {
    use super::is_entry;

    #[test]
    fn padding_is_no_entry() {
        assert!(is_entry("1E4C9B93F3F0682250B6CF8331B7EE68FD8:3861493\r", "1E4C9B93F3F0682250B6CF8331B7EE68FD8"));
        assert!(is_entry("1e4c9b93f3f0682250b6cf8331b7ee68fd8:1", "1E4C9B93F3F0682250B6CF8331B7EE68FD8"));
        assert!(!is_entry("1E4C9B93F3F0682250B6CF8331B7EE68FD8:0", "1E4C9B93F3F0682250B6CF8331B7EE68FD8"));
        assert!(!is_entry("1E4C9B93F3F0682250B6CF8331B7EE68FD8", "1E4C9B93F3F0682250B6CF8331B7EE68FD8"));
    }
}
