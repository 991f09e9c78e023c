//! Errands: what is asked for by mail. Left by a page with the same work for everybody, run by a job.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Device, link,
    mail::{self, Recipient},
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
    let from = format!("from/{}", device.network());
    if !counts(app, &from, app.settings.throttle.mails_from, HOUR, now).await
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

/// Runs an errand: a link is made and mailed to where it belongs, or nothing happens.
pub async fn run(app: &App, tx: &mut Tx, errand: &Errand, now: DateTime<Utc>) -> Result<(), StoreError> {
    let Some((to, news)) = answer(tx, errand).await? else { return Ok(()) };
    if !counts(app, &format!("to/{}", fold(&to.address)), app.settings.throttle.mails_to, HOUR, now).await {
        tracing::info!(wish = ?errand.wish, "too many mails for one address; this one is not sent");
        return Ok(());
    }
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
    let reading = |recipient: Recipient| recipient.reading(&errand.locale);
    let is_enabled = |user: &User| user.enabled;
    Ok(match &errand.wish {
        Wish::SignUp(email) => Some(match account::find_by_name(tx, email).await? {
            Some(user) => (reading(Recipient::of(&user)), News::Taken),
            None => (reading(Recipient::at(email)), News::Link(LinkPurpose::SignUp(email.clone()))),
        }),
        Wish::Recover(name) => account::find_by_name(tx, name)
            .await?
            .filter(is_enabled)
            .map(|user| (reading(Recipient::of(&user)), News::Link(LinkPurpose::ResetPassword(user.id)))),
        Wish::VerifyEmail(id) => account::find(tx, id)
            .await?
            .filter(is_enabled)
            .map(|user| (reading(Recipient::of(&user)), News::Link(LinkPurpose::VerifyEmail(user.id, user.email)))),
        Wish::ChangeEmail(id, email) => {
            let owner = account::find(tx, id).await?.filter(is_enabled);
            let is_free = account::find_by_name(tx, email).await?.is_none_or(|holder| holder.id == *id);
            owner.filter(|_| is_free).map(|owner| {
                let to = Recipient { address: email.clone(), ..Recipient::of(&owner) };
                (reading(to), News::Link(LinkPurpose::ChangeEmail(owner.id, email.clone())))
            })
        }
    })
}

/// Counts one more under a key. `false` when that is more than so many within the time, which begins anew by the clock: what
/// somebody else used up is given back when it has passed, however often they come.
async fn counts(app: &App, key: &str, most: u32, within: Duration, now: DateTime<Utc>) -> bool {
    let turn = now.timestamp().unsigned_abs() / within.as_secs().max(1);
    app.ephemeral.add_failure(&format!("mail/{key}/{turn}"), within, now).await.count < most
}
