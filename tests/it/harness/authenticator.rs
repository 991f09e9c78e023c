//! An authenticator app, made by another hand than the provider's: it knows what stands on the page, and the time.

use chrono::{DateTime, TimeDelta, Utc};
use countersign::{
    domain::{
        totp::{Step, TotpSecret},
        user::User,
    },
    login::second_factor,
};
use totp_rs::{Builder, Secret, Totp};

use super::{Browser, Reply, Server};

/// An authenticator app with one account in it.
pub struct Authenticator {
    totp: Totp,
    /// What was handed out beside it.
    pub recovery_codes: Vec<String>,
}

impl Authenticator {
    /// Types the key of a page into a new app.
    pub fn read(page: &Reply) -> Self {
        let html = page.text();
        let key = html.split_once("<code class=\"key\">").unwrap_or_else(|| panic!("no key in {html}")).1;
        Self::new(&key.split_once('<').unwrap().0.replace(' ', ""))
    }

    fn new(base32: &str) -> Self {
        let secret = Secret::try_from_base32(base32).unwrap();
        Self { totp: Builder::new().with_secret(secret).build().unwrap(), recovery_codes: Vec::new() }
    }

    /// What it shows at this time.
    pub fn code(&self, at: DateTime<Utc>) -> String {
        self.totp.generate(u64::try_from(at.timestamp()).unwrap()).to_string()
    }

    /// Six digits that it shows at no time near this one.
    pub fn wrong_code(&self, at: DateTime<Utc>) -> String {
        let near: Vec<_> = (-3..=3).map(|steps| self.code(at + TimeDelta::seconds(30 * steps))).collect();
        (0..9).map(|number| format!("{number:06}")).find(|code| !near.contains(code)).unwrap()
    }
}

impl Server {
    /// Gives a person a second factor behind the pages' back. It was set up a while ago.
    pub async fn enrol(&self, user: &User) -> Authenticator {
        let secret = TotpSecret::new(self.app.random.bytes());
        let long_ago = self.clock.now() - TimeDelta::minutes(10);
        let mut tx = self.app.store.write().await.unwrap();
        let proven = (&secret, Step::at(long_ago));
        let codes = second_factor::replace(&self.app, &mut tx, user, proven, long_ago).await.unwrap();
        tx.commit().await.unwrap();
        let mut authenticator = Authenticator::new(&secret.in_groups().replace(' ', ""));
        authenticator.recovery_codes =
            codes.iter().map(countersign::domain::recovery_code::RecoveryCode::in_groups).collect();
        authenticator
    }

    /// What an authenticator app shows now.
    pub fn code_of(&self, authenticator: &Authenticator) -> String {
        authenticator.code(self.clock.now())
    }
}

impl Browser<'_> {
    /// Signs in by password on the login page: what comes next.
    pub async fn give_password(&mut self, user: &str) -> Reply {
        let page = self.open("/login").await;
        self.log_in(&page, user).await
    }

    /// Whether somebody is signed in here.
    pub async fn is_signed_in(&mut self) -> bool {
        self.open("/").await.text().contains("Signed in as")
    }
}

impl Reply {
    /// Asserts that the person is asked for a code.
    #[track_caller]
    pub fn assert_code_page(&self) {
        self.assert_page(200);
        assert!(self.text().contains("autocomplete=\"one-time-code\""), "{}", self.text());
        assert!(!self.text().contains("class=\"key\""), "{}", self.text());
    }

    /// Asserts that the person is offered a secret for an authenticator app.
    #[track_caller]
    pub fn assert_offer(&self) {
        self.assert_page(200);
        assert!(self.text().contains("class=\"key\""), "{}", self.text());
    }
}
