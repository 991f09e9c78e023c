//! The second factor during a sign-in: asked for at `/login/totp`, set up at `/login/second-factor`.

pub mod code;
pub mod enrol;
pub(super) mod offer;
pub(super) mod qr;
