//! Every route, once.

use std::sync::Arc;

use axum::{
    Router,
    extract::FromRef,
    middleware,
    routing::{get, post},
};
use tower_http::catch_panic::CatchPanicLayer;

use crate::{
    admin::{health, metrics},
    app::{App, Issuer},
    domain::rate::Endpoint,
    http::{
        around,
        error_page::{self, ErrorPage},
        rate::{self, Pages},
        state::AppState,
    },
    oauth::{
        self, authorize, check_session, end_session, introspection, metadata, registration, revocation, token, userinfo,
    },
    pages,
};

/// What the handlers of all routes are given.
#[derive(Clone, Debug)]
struct RouterState {
    state: AppState,
    discovery: Arc<metadata::Discovery>,
}

impl FromRef<RouterState> for AppState {
    fn from_ref(state: &RouterState) -> Self {
        state.state.clone()
    }
}

impl FromRef<RouterState> for Arc<App> {
    fn from_ref(state: &RouterState) -> Self {
        state.state.app.clone()
    }
}

impl FromRef<RouterState> for Arc<metadata::Discovery> {
    fn from_ref(state: &RouterState) -> Self {
        state.discovery.clone()
    }
}

/// All routes of an issuer.
pub fn router(app: Arc<App>, issuer: Arc<Issuer>) -> Router {
    let dev_mail = pages::dev_mail::routes(&app);
    let registration = if registration::is_on(&app) { of_registration() } else { Router::new() };
    let state = AppState { app, issuer };
    for_programs(registration)
        .merge(for_people(&Pages::new(state.clone()), dev_mail))
        .fallback(async || ErrorPage::not_found())
        .layer(middleware::from_fn_with_state(state.clone(), error_page::render))
        .layer(middleware::from_fn_with_state(state.clone(), around::every))
        // Outermost: a defect in one request must not take the others down.
        .layer(CatchPanicLayer::new())
        .with_state(RouterState { state, discovery: Arc::default() })
}

/// What answers, and errs, in JSON.
fn for_programs(registration: Router<RouterState>) -> Router<RouterState> {
    Router::new()
        // What we say of ourselves.
        .route("/.well-known/openid-configuration", get(metadata::get))
        .route("/.well-known/oauth-authorization-server", get(metadata::get))
        .route("/.well-known/jwks.json", get(metadata::jwks))
        // The protocol.
        .route("/token", post(token::post).options(token::preflight))
        .route("/userinfo", get(userinfo::get).post(userinfo::post).options(userinfo::preflight))
        .route("/introspect", post(introspection::post))
        .route("/revoke", post(revocation::post).options(revocation::preflight))
        .merge(registration)
        // Operations.
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(metrics::beside))
        .method_not_allowed_fallback(oauth::method_not_allowed)
}

fn of_registration() -> Router<RouterState> {
    use registration::configuration;

    Router::new()
        .route("/register", post(registration::post))
        .route("/register/{client_id}", get(configuration::get).put(configuration::put).delete(configuration::delete))
}

/// What answers, and errs, with a page or a redirect. Pages that cost something have limits.
fn for_people(limits: &Pages, dev_mail: Router<RouterState>) -> Router<RouterState> {
    let limited = |endpoint, routes: Router<RouterState>| {
        routes.route_layer(middleware::from_fn_with_state(limits.of(endpoint), rate::pages))
    };
    Router::new()
        .merge(limited(Endpoint::Authorization, of_authorization()))
        .merge(limited(Endpoint::Login, of_login()))
        .merge(limited(Endpoint::SignUp, of_sign_up()))
        .merge(limited(Endpoint::Recovery, of_recovery()))
        .merge(limited(Endpoint::Account, of_account()))
        .route("/check_session", get(check_session::get))
        .route("/signed-out", get(pages::signed_out::get))
        .route("/client-logo/{client_id}", get(pages::logo::get))
        .route("/assets/{name}", get(pages::assets::get))
        .merge(dev_mail)
        .method_not_allowed_fallback(async || ErrorPage::method_not_allowed())
}

fn of_authorization() -> Router<RouterState> {
    Router::new()
        .route("/authorize", get(authorize::get).post(authorize::post))
        .route("/authorize/resume", get(authorize::resume))
        .route("/consent", get(pages::consent::get).post(pages::consent::post))
        .route("/logout", get(end_session::get).post(end_session::post))
}

fn of_login() -> Router<RouterState> {
    Router::new()
        .route("/accounts", get(pages::accounts::get).post(pages::accounts::post))
        .route("/login", get(pages::login::get).post(pages::login::post))
        .route("/login/totp", get(pages::second_factor::code::get).post(pages::second_factor::code::post))
        .route("/login/second-factor", get(pages::second_factor::enrol::get).post(pages::second_factor::enrol::post))
        .route("/link", get(pages::link::get).post(pages::link::post))
        .route("/link/done", get(pages::link::done))
        .route("/link/confirmed", get(pages::link::confirmed))
}

fn of_sign_up() -> Router<RouterState> {
    Router::new()
        .route("/signup", get(pages::errand::sign_up::get).post(pages::errand::sign_up::post))
        .route("/signup/sent", get(pages::errand::sign_up::sent))
}

fn of_recovery() -> Router<RouterState> {
    Router::new()
        .route("/recover", get(pages::errand::recover::get).post(pages::errand::recover::post))
        .route("/recover/sent", get(pages::errand::recover::sent))
}

fn of_account() -> Router<RouterState> {
    use pages::account;

    Router::new()
        .route("/", get(pages::start::get))
        .route("/account", get(account::get))
        .route("/account/profile", get(account::profile::get).post(account::profile::post))
        .route("/account/email", get(account::email::get).post(account::email::post))
        .route("/account/password", get(account::password::get).post(account::password::post))
        .route("/account/confirm", get(account::confirm::get).post(account::confirm::post))
        .route("/account/second-factor", get(account::second_factor::get).post(account::second_factor::post))
        .route("/account/second-factor/codes", get(account::recovery_codes::get).post(account::recovery_codes::post))
        .route("/account/sessions", get(account::sessions::get).post(account::sessions::post))
        .route("/account/apps", get(account::apps::get).post(account::apps::post))
        .route("/account/activity", get(account::activity::get))
        .route("/account/data", get(account::data::get).post(account::data::post))
        .route("/account/deleted", get(account::data::deleted))
}
