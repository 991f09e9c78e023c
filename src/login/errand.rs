//! Errands: what is asked for by mail. Left by a page with the same work for everybody, run by a job.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Device, link,
    mail::{self, Recipient},
    throttle::SITE,
};
use crate::{
    app::App,
    domain::{
        errand::{Errand, Wish},
        link::LinkPurpose,
        mail::Mail,
        user::{User, fold},
    },
    store::{
        StoreError, Tx, account,
        job::{self, JobKind, NewJob},
    },
};

/// How long what is asked for is worth doing: whoever asked has given up waiting.
const PATIENCE: TimeDelta = TimeDelta::minutes(30);
/// Within which time mails to one address, or caused from one network, are counted.
const HOUR: Duration = Duration::from_hours(1);
/// Within which time all of them are counted.
const MINUTE: Duration = Duration::from_mins(1);
/// The most errands of all people within a minute, so that a flood from everywhere does not fill the queue.
const MOST_IN_A_MINUTE: u32 = 300;
/// The most errands about the same name that wait at a time.
const MOST_WAITING: i64 = 10;

/// Leaves an errand. One too many is dropped; whoever asked is told the same.
pub async fn leave(app: &App, errand: &Errand, device: &Device, now: DateTime<Utc>) -> Result<(), StoreError> {
    let most = app.settings.throttle.mails_from;
    let from = format!("from/{}", device.network());
    let site = device.site().map(|site| format!("from/{site}"));
    let is_site_quiet = match &site {
        Some(site) => counts(app, site, most.saturating_mul(SITE), HOUR, now).await,
        None => true,
    };
    if !is_site_quiet
        || !counts(app, &from, most, HOUR, now).await
        || !counts(app, "all", MOST_IN_A_MINUTE, MINUTE, now).await
    {
        tracing::info!(wish = ?errand.wish, "too many ask for mails; this one is not sent");
        return Ok(());
    }
    let named = match &errand.wish {
        Wish::SignUp(named) | Wish::Recover(named) | Wish::ChangeEmail(_, named) => named.as_str(),
        Wish::VerifyEmail(user) => user.as_str(),
    };
    let payload = serde_json::to_vec(errand).unwrap_or_default();
    let job = NewJob {
        kind: JobKind::Errand,
        about: &format!("errand {}", fold(named)),
        user: None,
        most_about: MOST_WAITING,
        payload: &payload,
        expires_at: now + PATIENCE,
    };
    let mut tx = app.store.write().await?;
    if !job::insert(&mut tx, &job, now).await? {
        tracing::info!(wish = ?errand.wish, "too many ask for the same; this one is dropped");
    }
    tx.commit().await
}

/// Whether the address that an errand leads to may get one more mail. It counts as one; so it is asked once, before the first
/// try, and outside of what may be rolled back.
pub async fn may_mail(app: &App, errand: &Errand, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let Some((to, _)) = answer(&mut app.store.read().await?, errand).await? else { return Ok(false) };
    let may = counts(app, &format!("to/{}", fold(&to.address)), app.settings.throttle.mails_to, HOUR, now).await;
    if !may {
        tracing::info!(wish = ?errand.wish, "too many mails for one address; this one is not sent");
    }
    Ok(may)
}

/// Runs an errand: a link is made and mailed to where it belongs, or nothing happens.
pub async fn run(app: &App, tx: &mut Tx, errand: &Errand, now: DateTime<Utc>) -> Result<(), StoreError> {
    let Some((to, news)) = answer(tx, errand).await? else { return Ok(()) };
    let mail = match news {
        News::Taken => Mail::SignUpTaken,
        News::Link(purpose) => {
            let new = link::New { purpose: &purpose, request: errand.request.as_deref(), from: &errand.from };
            let link = link::mailed(app, tx, &new, now).await?;
            match purpose {
                LinkPurpose::SignUp(_) => Mail::SignUp { link },
                LinkPurpose::ChangeEmail(..) => Mail::ConfirmNewEmail { link },
                LinkPurpose::VerifyEmail(..) => Mail::VerifyEmail { link },
                LinkPurpose::Invitation(_) => Mail::Invitation { link },
                LinkPurpose::FirstAdministrator | LinkPurpose::ChoosePassword(_) | LinkPurpose::ResetPassword(_) => {
                    Mail::ResetPassword { link }
                }
            }
        }
    };
    mail::queue(app, tx, &to, &mail, now).await
}

/// What a mail has to say.
enum News {
    /// There is an account with this address.
    Taken,
    /// This can be done by a link.
    Link(LinkPurpose),
}

/// Who gets a mail, and what is in it; nobody where there is nobody.
async fn answer(tx: &mut Tx, errand: &Errand) -> Result<Option<(Recipient, News)>, StoreError> {
    let is_enabled = |user: &User| user.enabled;
    let found = match &errand.wish {
        Wish::SignUp(email) => match account::find_by_name(tx, email).await? {
            Some(user) => Some((Recipient::of(tx, &user).await?, News::Taken)),
            None => Some((Recipient::at(email), News::Link(LinkPurpose::SignUp(email.clone())))),
        },
        Wish::Recover(name) => match account::find_by_name(tx, name).await?.filter(is_enabled) {
            Some(user) => Some((Recipient::of(tx, &user).await?, News::Link(LinkPurpose::ResetPassword(user.id)))),
            None => None,
        },
        Wish::VerifyEmail(id) => match account::find(tx, id).await?.filter(is_enabled) {
            Some(user) => {
                let to = Recipient::of(tx, &user).await?;
                Some((to, News::Link(LinkPurpose::VerifyEmail(user.id, user.email))))
            }
            None => None,
        },
        Wish::ChangeEmail(id, email) => {
            let is_free = account::find_by_name(tx, email).await?.is_none_or(|holder| holder.id == *id);
            match account::find(tx, id).await?.filter(|owner| owner.enabled && is_free) {
                Some(owner) => {
                    let to = Recipient { address: email.clone(), ..Recipient::of(tx, &owner).await? };
                    Some((to, News::Link(LinkPurpose::ChangeEmail(owner.id, email.clone()))))
                }
                None => None,
            }
        }
    };
    Ok(found.map(|(recipient, news)| (recipient.reading(&errand.locale), news)))
}

/// Counts one more under a key. `false` when that is more than so many within the time, which begins anew by the clock: what
/// somebody else used up is given back when it has passed, however often they come.
async fn counts(app: &App, key: &str, most: u32, within: Duration, now: DateTime<Utc>) -> bool {
    let turn = now.timestamp().unsigned_abs() / within.as_secs().max(1);
    app.ephemeral.add_failure(&format!("mail/{key}/{turn}"), within, now).await.count < most
}
