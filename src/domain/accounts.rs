//! Several accounts on one browser: one is the present one, the others are signed in beside it.
//!
//! Nobody comes to stay beside others unless they chose it: at a computer that many use, whoever signs in has the browser to themselves.

use countersign_types::{SessionId, UserId};
use serde::{Deserialize, Serialize};

use super::session::{Session, SessionEnd};

/// The most accounts that one browser keeps, the present one among them.
pub const MOST: usize = 5;

/// How somebody who signs in comes to those who are signed in on the browser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Manner {
    /// In their place.
    #[default]
    Instead,
    /// Beside them, as the person chose.
    Beside,
}

/// The accounts of one browser, each of another person.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    /// The one that counts for apps and pages.
    pub present: Option<Session>,
    /// Those that are signed in beside it. They count for nothing until they are chosen.
    pub beside: Vec<Session>,
    /// Those whose time is over. They are remembered by name alone.
    pub expired: Vec<Session>,
}

/// What becomes of a browser's accounts when somebody signs in or is chosen there.
#[derive(Debug)]
pub struct Arrival {
    /// The session that they have there already. It goes on.
    pub own: Option<Session>,
    /// Those that stay signed in beside it.
    pub beside: Vec<Session>,
    /// Those that stay remembered.
    pub expired: Vec<Session>,
    /// Those that end, and why.
    pub ended: Vec<(Session, SessionEnd)>,
}

impl Accounts {
    /// Those that are signed in, the present one first.
    pub fn live(&self) -> impl Iterator<Item = &Session> {
        self.present.iter().chain(&self.beside)
    }

    /// The one with this id that is signed in.
    pub fn find(&self, id: &SessionId) -> Option<&Session> {
        self.live().find(|session| session.id == *id)
    }

    /// Whether this person is signed in.
    pub fn knows(&self, user: &UserId) -> bool {
        self.live().any(|session| session.user == *user)
    }

    /// Without what is remembered of those who are signed in.
    #[must_use]
    pub fn tidy(mut self) -> Self {
        let expired = std::mem::take(&mut self.expired);
        self.expired = expired.into_iter().filter(|session| !self.knows(&session.user)).collect();
        self
    }

    /// Decides what becomes of them when this person signs in or is chosen.
    pub fn arrive(self, user: &UserId, manner: Manner) -> Arrival {
        let Self { present, beside, mut expired } = self;
        let (own, mut beside): (Vec<_>, Vec<_>) =
            present.into_iter().chain(beside).partition(|session| session.user == *user);
        let own = own.into_iter().next();
        // Whoever is one of them already changes nothing for the others.
        let stay = own.is_some() || manner == Manner::Beside;
        if !stay {
            let ended = beside.into_iter().map(|session| (session, SessionEnd::Replaced)).collect();
            return Arrival { own, beside: Vec::new(), expired: Vec::new(), ended };
        }
        let mut ended = Vec::new();
        while beside.len() >= MOST {
            let oldest = beside.iter().enumerate().min_by_key(|(_, session)| session.last_seen);
            let Some((place, _)) = oldest else { break };
            ended.push((beside.remove(place), SessionEnd::TooMany));
        }
        expired.retain(|session| session.user != *user);
        expired.truncate(MOST - 1 - beside.len());
        Arrival { own, beside, expired, ended }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    /// A session of this person, last seen at this second.
    fn session(user: &str, seen: i64) -> Session {
        let at = DateTime::from_timestamp(seen, 0).unwrap();
        Session {
            id: SessionId::new(format!("of {user}")),
            user: UserId::new(user),
            auth_time: at,
            acr: String::new(),
            amr: Vec::new(),
            label: String::new(),
            device: None,
            address: String::new(),
            created_at: at,
            last_seen: at,
        }
    }

    fn of(present: &str, beside: &[&str], expired: &[&str]) -> Accounts {
        let all = |names: &[&str]| names.iter().zip(1..).map(|(name, seen)| session(name, seen)).collect();
        Accounts { present: Some(session(present, 9)), beside: all(beside), expired: all(expired) }
    }

    fn users(sessions: &[Session]) -> Vec<&str> {
        sessions.iter().map(|session| session.user.as_str()).collect()
    }

    #[test]
    fn whoever_signs_in_without_more_ado_is_alone_afterwards() {
        let arrival = of("ada", &["bob"], &["eve"]).arrive(&UserId::new("carl"), Manner::Instead);
        assert!(arrival.own.is_none() && arrival.beside.is_empty() && arrival.expired.is_empty());
        let ended: Vec<_> = arrival.ended.iter().map(|(session, reason)| (session.user.as_str(), *reason)).collect();
        assert_eq!(ended, [("ada", SessionEnd::Replaced), ("bob", SessionEnd::Replaced)]);
    }

    #[test]
    fn whoever_chose_so_comes_to_be_beside_the_others() {
        let arrival = of("ada", &["bob"], &["eve"]).arrive(&UserId::new("carl"), Manner::Beside);
        assert!(arrival.own.is_none() && arrival.ended.is_empty());
        assert_eq!((users(&arrival.beside), users(&arrival.expired)), (vec!["ada", "bob"], vec!["eve"]));
    }

    #[test]
    fn whoever_is_one_of_them_changes_nothing_for_the_others() {
        for manner in [Manner::Instead, Manner::Beside] {
            let arrival = of("ada", &["bob", "carl"], &[]).arrive(&UserId::new("bob"), manner);
            assert_eq!(arrival.own.unwrap().user.as_str(), "bob");
            assert_eq!(users(&arrival.beside), ["ada", "carl"]);
            assert!(arrival.ended.is_empty());
        }
    }

    #[test]
    fn one_that_comes_back_is_no_longer_remembered_as_over() {
        let arrival = of("ada", &[], &["bob", "eve"]).arrive(&UserId::new("bob"), Manner::Beside);
        assert_eq!(users(&arrival.expired), ["eve"]);
    }

    #[test]
    fn there_are_five_at_most_and_the_one_used_the_longest_ago_goes() {
        let accounts = of("ada", &["bob", "carl", "dora", "emil"], &["eve"]);
        let arrival = accounts.arrive(&UserId::new("fritz"), Manner::Beside);
        assert_eq!(users(&arrival.beside), ["ada", "carl", "dora", "emil"]);
        assert!(arrival.expired.is_empty(), "there is no room to remember anybody");
        let (ended, reason) = &arrival.ended[0];
        assert_eq!((ended.user.as_str(), *reason, arrival.ended.len()), ("bob", SessionEnd::TooMany, 1));
    }
}
