//! Which of several accounts on a browser an app is answered for.

use chrono::TimeDelta;

use super::{
    tests::{client, request, session},
    *,
};

/// A browser on which these people signed in before the app asked, and what the person chose since.
struct Case<'a> {
    request: AuthorizationRequest,
    present: Option<&'a str>,
    beside: &'a [&'a str],
    chosen: Option<&'a str>,
}

fn ask(values: &[Ask]) -> Prompt {
    Prompt::Ask(values.iter().copied().collect())
}

impl Default for Case<'_> {
    fn default() -> Self {
        Self { request: request(&[], ask(&[Ask::SelectAccount])), present: Some("ada"), beside: &[], chosen: None }
    }
}

impl Case<'_> {
    /// What comes next, ten minutes after everybody signed in.
    fn next(&self) -> Decision {
        let signed_in_at = DateTime::UNIX_EPOCH;
        let asked_at = signed_in_at + TimeDelta::minutes(10);
        let present = self.present.map(|user| session(user, signed_in_at));
        let beside: Vec<_> = self.beside.iter().map(|user| (*user).to_owned()).collect();
        let chosen = self.chosen.map(|user| session(user, signed_in_at).id);
        let circumstances = Circumstances {
            client: &client(),
            session: present.as_ref(),
            sub: self.present,
            beside: &beside,
            chosen: chosen.as_ref(),
            consent: None,
            asked_at,
            denied: false,
            second_factor: Standing::Without { demanded: false },
            without_second_factor: false,
            now: asked_at,
        };
        decide(&self.request, &circumstances)
    }
}

fn hinting(user: &str, prompt: Prompt) -> AuthorizationRequest {
    AuthorizationRequest { expected_sub: Some(user.to_owned()), ..request(&[], prompt) }
}

fn is_login_required(decision: Decision) -> bool {
    matches!(decision, Decision::Refuse(ErrorCode::LoginRequired, _))
}

#[test]
fn select_account_asks_whoever_is_signed_in_and_is_met_by_their_choice() {
    assert_eq!(Case::default().next(), Decision::SelectAccount);
    assert_eq!(Case { chosen: Some("ada"), ..Case::default() }.next(), Decision::Issue);
}

#[test]
fn a_choice_counts_for_the_account_that_was_chosen_alone() {
    let case = Case { beside: &["bob"], chosen: Some("bob"), ..Case::default() };
    assert_eq!(case.next(), Decision::SelectAccount, "Ada is present, and nobody chose her");
}

#[test]
fn with_nobody_signed_in_there_is_nothing_to_choose() {
    assert_eq!(Case { present: None, ..Case::default() }.next(), Decision::Login);
}

#[test]
fn where_nobody_is_present_but_others_are_signed_in_one_is_chosen() {
    let request = request(&[], Prompt::AsNeeded);
    let case = Case { request, present: None, beside: &["bob"], ..Case::default() };
    assert_eq!(case.next(), Decision::SelectAccount);
}

#[test]
fn in_silence_only_the_present_account_counts() {
    let silent = || request(&[], Prompt::Nothing);
    let nobody = Case { request: silent(), present: None, beside: &["bob"], ..Case::default() };
    assert!(is_login_required(nobody.next()));
    let hinted = hinting("bob", Prompt::Nothing);
    assert!(is_login_required(Case { request: hinted, beside: &["bob"], ..Case::default() }.next()));
    assert_eq!(Case { request: silent(), beside: &["bob"], ..Case::default() }.next(), Decision::Issue);
}

#[test]
fn an_account_beside_that_is_hinted_at_is_offered_and_never_taken_without_asking() {
    let hinted = |chosen| {
        let request = hinting("bob", Prompt::AsNeeded);
        Case { request, beside: &["bob"], chosen, ..Case::default() }.next()
    };
    assert_eq!(hinted(None), Decision::SelectAccount);
    assert!(is_login_required(hinted(Some("ada"))), "the wrong one was chosen");
    // Chosen, Bob is the present one.
    let request = hinting("bob", Prompt::AsNeeded);
    let case = Case { request, present: Some("bob"), beside: &["ada"], chosen: Some("bob") };
    assert_eq!(case.next(), Decision::Issue);
}

#[test]
fn a_hint_at_nobody_here_leads_to_the_sign_in() {
    let request = hinting("carl", Prompt::AsNeeded);
    assert_eq!(Case { request, beside: &["bob"], ..Case::default() }.next(), Decision::Login);
}

#[test]
fn a_choice_makes_no_sign_in_fresh() {
    let chosen = |request| Case { request, chosen: Some("ada"), ..Case::default() }.next();
    let both = ask(&[Ask::SelectAccount, Ask::Login]);
    assert_eq!(Case { request: request(&[], both.clone()), ..Case::default() }.next(), Decision::SelectAccount);
    assert_eq!(chosen(request(&[], both)), Decision::Login);
    let max_age = |seconds| AuthorizationRequest { max_age: Some(seconds), ..Case::default().request };
    assert_eq!(chosen(max_age(599)), Decision::Login);
    assert_eq!(chosen(max_age(600)), Decision::Issue);
}
