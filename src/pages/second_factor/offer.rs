//! A secret that an authenticator app is about to learn.
//!
//! Until a code proves that an app has it, it is stored nowhere: it travels in the form, sealed for one person in one browser.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use countersign_types::UserId;
use serde::{Deserialize, Serialize};

use super::qr::{self, Drawing};
use crate::{
    app::App,
    domain::{
        totp::{Step, TotpCode, TotpSecret},
        user::User,
    },
    http::{form::Parameters, visitor::Visitor},
    login::totp,
    looks::Looks,
};

/// How long a person may take to tell their app.
const LIFETIME: TimeDelta = TimeDelta::minutes(30);
/// The field that carries it.
const FIELD: &str = "offer";

/// A secret on offer.
pub(in crate::pages) struct Offer {
    pub(in crate::pages) secret: TotpSecret,
    sealed: String,
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    secret: Vec<u8>,
    at: DateTime<Utc>,
}

fn context(visitor: &Visitor, user: &UserId) -> Vec<u8> {
    [b"offered secret".as_slice(), visitor.binding().as_bytes(), user.as_str().as_bytes()].concat()
}

impl Offer {
    /// A secret that nobody has yet.
    pub(in crate::pages) fn fresh(app: &App, visitor: &Visitor, user: &UserId) -> Self {
        let secret = totp::fresh_secret(app);
        let offered = Sealed { secret: secret.as_bytes().to_vec(), at: app.clock.now() };
        let json = serde_json::to_vec(&offered).unwrap_or_default();
        let sealed = app.keys.second_factor.seal(&json, &context(visitor, user), &app.random);
        Self { secret, sealed: URL_SAFE_NO_PAD.encode(sealed) }
    }

    /// What comes of a form with an offer and a code.
    pub(in crate::pages) fn take(app: &App, visitor: &Visitor, user: &UserId, form: &Parameters) -> Taken {
        let now = app.clock.now();
        let Some(offer) = Self::read(app, visitor, user, form, now) else { return Taken::Void };
        let code = TotpCode::typed(form.get("code").unwrap_or_default());
        match code.and_then(|code| offer.secret.accept(&code, None, now)) {
            Some(step) => Taken::Proven(offer, step),
            None => Taken::Wrong(offer),
        }
    }

    fn read(app: &App, visitor: &Visitor, user: &UserId, form: &Parameters, now: DateTime<Utc>) -> Option<Self> {
        let sealed = form.owned(FIELD)?;
        let bytes = URL_SAFE_NO_PAD.decode(&sealed).ok()?;
        let json = app.keys.second_factor.open(&bytes, &context(visitor, user)).ok()?;
        let offered: Sealed = serde_json::from_slice(&json).ok()?;
        let secret = TotpSecret::new(offered.secret.try_into().ok()?);
        (now < offered.at + LIFETIME).then_some(Self { secret, sealed })
    }

    /// What the person is shown of it.
    pub(in crate::pages) fn show(&self, user: &User, looks: &Looks) -> ShownOffer {
        let uri = self.secret.uri(&looks.name, &user.email).ok();
        ShownOffer {
            sealed: self.sealed.clone(),
            key: self.secret.in_groups(),
            qr: uri.as_deref().and_then(qr::draw),
            uri,
        }
    }
}

/// What came of a form with an offer.
pub(in crate::pages) enum Taken {
    /// An app has the secret: it knew the code of this step.
    Proven(Offer, Step),
    /// The code is not the app's.
    Wrong(Offer),
    /// The offer is too old, or was made to somebody else or in another browser.
    Void,
}

/// A secret on offer, as it is shown.
pub(in crate::pages) struct ShownOffer {
    /// For the form.
    pub(in crate::pages) sealed: String,
    /// To type into an app.
    pub(in crate::pages) key: String,
    /// To open an app on the same device.
    pub(in crate::pages) uri: Option<String>,
    /// To photograph.
    pub(in crate::pages) qr: Option<Drawing>,
}

impl std::fmt::Debug for ShownOffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

#[cfg(test)]
impl ShownOffer {
    /// An offer with this text wherever there is one, drawn or not.
    pub(in crate::pages) fn sample(text: &str, is_drawn: bool) -> Self {
        Self {
            sealed: text.to_owned(),
            key: text.to_owned(),
            uri: is_drawn.then(|| text.to_owned()),
            qr: qr::draw("otpauth://totp/").filter(|_| is_drawn),
        }
    }
}
