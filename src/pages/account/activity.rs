//! `/account/activity`: what happened in a person's account, in plain words.

use askama::{Template, filters::Safe};
use askama_web::WebTemplate;
use axum::{
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use countersign_types::ClientId;
use serde_json::Value;

use super::{
    super::{Answer, unique},
    Navigation,
};
use crate::{
    app::App,
    domain::{device, event::Personal, user::User},
    http::{
        error_page::ErrorPage,
        form::{FormError, Parameters, Query},
        frame::Frame,
        headers::{PAGE_POLICY, page},
        owner::{Place, owner},
        state::AppState,
        visitor::Visitor,
    },
    store::audit::{self, AuditRecord},
};

/// Events on one page.
const PAGE: usize = 25;

/// Events, latest first.
#[derive(Template, WebTemplate)]
#[template(path = "page/account_activity.html")]
struct ActivityPage {
    frame: Frame,
    /// The way to the other pages.
    navigation: Navigation,
    /// The events.
    events: Vec<ShownEvent>,
    /// Before which place in the trail the next page begins, if there is one.
    older: Option<i64>,
    /// Whether there are newer ones on other pages.
    has_newer: bool,
}

/// An event.
struct ShownEvent {
    /// When it happened.
    at: DateTime<Utc>,
    /// What happened.
    words: Safe<String>,
    /// On which device, if that is known.
    device: Option<String>,
    /// From which network address, if that is known.
    address: Option<String>,
}

/// `GET /account/activity`
pub async fn get(
    State(AppState { app, .. }): State<AppState>,
    visitor: Visitor,
    frame: Frame,
    headers: HeaderMap,
    Query(query): Query,
) -> Response {
    let answer = show(&app, frame, &headers, query).await;
    visitor.remember(&app, answer)
}

async fn show(app: &App, frame: Frame, headers: &HeaderMap, query: Result<Parameters, FormError>) -> Answer {
    let before = unique(query)?.get("before").and_then(|place| place.parse().ok());
    let owner = match owner(app, headers, Place::Activity).await {
        Ok(owner) => owner,
        Err(instead) => return Ok(instead),
    };
    let mut records = read(app, &owner.user, before.unwrap_or(i64::MAX)).await?;
    let is_last = records.len() <= PAGE;
    records.truncate(PAGE);
    let mut events = Vec::with_capacity(records.len());
    for record in &records {
        events.push(in_words(app, &frame, record).await?);
    }
    let shown = ActivityPage {
        navigation: Navigation { here: Place::Activity },
        events,
        older: records.last().map(|record| record.id).filter(|_| !is_last),
        has_newer: before.is_some(),
        frame,
    };
    Ok((page(PAGE_POLICY, &shown.frame), shown).into_response())
}

/// As many as fit on a page, and one more if there is one.
async fn read(app: &App, user: &User, before: i64) -> Result<Vec<AuditRecord>, ErrorPage> {
    let most = i64::try_from(PAGE + 1).unwrap_or(i64::MAX);
    Ok(audit::of_user_before(&mut app.store.read().await?, &user.id, before, most).await?)
}

async fn in_words(app: &App, frame: &Frame, record: &AuditRecord) -> Result<ShownEvent, ErrorPage> {
    let client = match &record.client {
        Some(id) => match app.store.client(&ClientId::new(id)).await? {
            Some(client) => client.metadata.client_name.clone(),
            // It was removed meanwhile.
            None => id.clone(),
        },
        None => String::new(),
    };
    let detail = serde_json::from_str(&record.detail).unwrap_or_default();
    let Personal { address, user_agent } = record.personal.clone().unwrap_or_default();
    Ok(ShownEvent {
        at: record.at,
        words: frame.html(key(&record.kind, &detail), &[("app", &client)]),
        device: user_agent.map(|user_agent| frame.device(&device::label(&user_agent))),
        address,
    })
}

/// The words for an event, by its name in the trail and by what else is known of it.
fn key(kind: &str, detail: &Value) -> &'static str {
    let of = |name: &str| detail.get(name).and_then(Value::as_str).unwrap_or_default();
    match kind {
        "login.succeeded" => "activity-signed-in",
        "login.failed" => "activity-wrong-password",
        "login.throttled" => "activity-held-up",
        "second_factor.failed" => "activity-wrong-code",
        "second_factor.throttled" => "activity-codes-held-up",
        "second_factor.enrolled" => "activity-factor-on",
        "second_factor.removed" if of("by") == "operator" => "activity-factor-reset",
        "second_factor.removed" => "activity-factor-off",
        "second_factor.required" if detail.get("required") == Some(&Value::Bool(false)) => "activity-factor-optional",
        "second_factor.required" => "activity-factor-required",
        "recovery_code.used" => "activity-code-used",
        "recovery_codes.renewed" => "activity-codes-renewed",
        "device.trusted" => "activity-device-trusted",
        "devices.distrusted" => "activity-devices-distrusted",
        "session.chosen" => "activity-chosen",
        "session.ended" => match of("reason") {
            "expired" => "activity-ended-expired",
            "replaced" => "activity-ended-replaced",
            "password_changed" => "activity-ended-password",
            "device_ended" => "activity-ended-device",
            "too_many" => "activity-ended-too-many",
            "revoked" | "disabled" => "activity-ended-operator",
            _ => "activity-signed-out",
        },
        "sessions.revoked" => "activity-ended-all",
        "consent.granted" => "activity-allowed",
        "consent.denied" => "activity-denied",
        "consent.withdrawn" => "activity-withdrawn",
        "code.exchanged" | "tokens.answered" => "activity-app-signed-in",
        "code.replayed" | "refresh_token.replayed" => "activity-app-replayed",
        "token.revoked" => "activity-app-signed-out",
        "administrator.created" => "activity-administrator",
        "user.created" => "activity-account-made",
        "user.changed" => "activity-account-changed",
        "user.enabled" => "activity-account-enabled",
        "user.disabled" => "activity-account-disabled",
        "data.exported" => "activity-exported",
        "password.changed" => "activity-password",
        "link.issued" => match of("purpose") {
            "verify_email" | "change_email" => "activity-link-email",
            _ => "activity-link-password",
        },
        "mail.given_up" => "activity-mail-given-up",
        "backchannel_logout.given_up" => "activity-app-not-told",
        _ => "activity-other",
    }
}

#[cfg(test)]
pub(in crate::pages) fn samples(frame: &Frame, text: &str) -> Vec<crate::pages::tests::Sample> {
    let own = || text.to_owned();
    let event = |key: &str, is_known: bool| ShownEvent {
        at: DateTime::UNIX_EPOCH,
        words: frame.html(key, &[("app", text)]),
        device: is_known.then(|| frame.device("Firefox on Linux")),
        address: is_known.then(own),
    };
    [(Vec::new(), None), (vec![event("activity-signed-in", true), event("activity-allowed", false)], Some(7))]
        .map(|(events, older)| ActivityPage {
            frame: frame.clone(),
            navigation: Navigation { here: Place::Activity },
            events,
            older,
            has_newer: older.is_some(),
        })
        .map(|page| ("account_activity.html", page.render().unwrap()))
        .into()
}

#[cfg(test)]
mod tests {
    use countersign_types::{ScopeSet, TokenId};

    use super::*;
    use crate::domain::{
        event::{Event, Remover},
        session::SessionEnd,
    };

    #[test]
    fn there_are_words_for_everything_that_concerns_a_person() {
        let (token, scope) = (TokenId::new("t"), ScopeSet::default());
        let ended = [
            SessionEnd::Logout,
            SessionEnd::Replaced,
            SessionEnd::Expired,
            SessionEnd::PasswordChanged,
            SessionEnd::Disabled,
            SessionEnd::DeviceEnded,
            SessionEnd::TooMany,
            SessionEnd::Revoked,
            SessionEnd::AccountDeleted,
        ];
        let events = [
            Event::LoginSucceeded { amr: Vec::new() },
            Event::LoginFailed,
            Event::LoginThrottled,
            Event::SecondFactorFailed,
            Event::SecondFactorThrottled,
            Event::SecondFactorEnrolled,
            Event::SecondFactorRemoved { by: Remover::Owner },
            Event::SecondFactorRemoved { by: Remover::Operator },
            Event::SecondFactorRequired { required: true },
            Event::SecondFactorRequired { required: false },
            Event::RecoveryCodeUsed { left: 1 },
            Event::RecoveryCodesRenewed,
            Event::DeviceTrusted,
            Event::DevicesDistrusted,
            Event::SessionChosen,
            Event::SessionsRevoked,
            Event::ConsentGranted { scope: scope.clone() },
            Event::ConsentDenied { scope: scope.clone() },
            Event::ConsentWithdrawn,
            Event::CodeExchanged { token: token.clone(), scope },
            Event::CodeReplayed,
            Event::RefreshTokenReplayed,
            Event::TokenRevoked { token: Some(token) },
            Event::FirstAdministratorCreated,
            Event::LinkIssued { purpose: "reset_password" },
            Event::LinkIssued { purpose: "change_email" },
            Event::UserCreated,
            Event::UserChanged { fields: Vec::new() },
            Event::UserEnabled { enabled: true },
            Event::UserEnabled { enabled: false },
            Event::DataExported,
            Event::PasswordChanged,
            Event::MailGivenUp { mail: "new_device", tries: 1 },
            Event::BackchannelLogoutGivenUp { tries: 1 },
        ];
        let mut keys: Vec<_> = events
            .into_iter()
            .chain(ended.map(|reason| Event::SessionEnded { reason }))
            .map(|event| key(event.kind(), &event.detail()))
            .collect();
        assert!(!keys.contains(&"activity-other"), "{keys:?}");
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 40, "some events need words of their own");
        assert_eq!(key("of.a.later.version", &Value::Null), "activity-other");
    }
}
