//! What handlers are given.

use std::sync::Arc;

use axum::extract::FromRef;

use crate::app::{App, Issuer};

/// The services of the process and the issuer that a request is for.
#[derive(Clone, Debug)]
pub struct AppState {
    /// The services of the process.
    pub app: Arc<App>,
    /// The issuer.
    pub issuer: Arc<Issuer>,
}

impl FromRef<AppState> for Arc<App> {
    fn from_ref(state: &AppState) -> Self {
        state.app.clone()
    }
}

impl FromRef<AppState> for Arc<Issuer> {
    fn from_ref(state: &AppState) -> Self {
        state.issuer.clone()
    }
}
