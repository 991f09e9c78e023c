//! `/client-logo/{client_id}`: the logo of an app, fetched once in a while and served from our own origin.
//!
//! So the app's server does not learn who is about to sign in, and no browser is handed anything but a picture. Where
//! there is none, the answer is 404 with a plain drawing, which browsers show all the same.

use axum::{
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use countersign_types::ClientId;
use url::Url;

use crate::{
    app::App,
    http::state::AppState,
    outbound::{
        OutboundError,
        image::{LogoImage, MAX_BYTES},
    },
    store::{
        StoreError,
        client_logo::{self, StoredLogo},
    },
};

/// How long a picture is good.
const KEEP: TimeDelta = TimeDelta::days(7);
/// How long it is remembered that there was none.
const KEEP_FAILURE: TimeDelta = TimeDelta::minutes(10);
/// How long browsers may keep a picture.
const CACHE_CONTROL: &str = "public, max-age=3600";

/// What is shown instead of a logo.
const NO_LOGO: &str = include_str!("../../templates/asset/no_logo.svg");

/// A picture and its media type.
type Picture = (String, Vec<u8>);

/// Whether what came of the last fetch will do.
fn is_fresh(stored: &StoredLogo, now: DateTime<Utc>) -> bool {
    let keep = if stored.image.is_some() { KEEP } else { KEEP_FAILURE };
    now < stored.fetched_at + keep
}

/// `GET /client-logo/{client_id}`
pub async fn get(State(state): State<AppState>, client: Result<Path<String>, PathRejection>) -> Response {
    let found = match client {
        Ok(Path(client)) => find_or_fetch(&state.app, &ClientId::new(client)).await,
        Err(_) => Ok(None),
    };
    match found {
        Ok(Some((content_type, image))) => show(StatusCode::OK, &content_type, CACHE_CONTROL, image),
        Ok(None) => show(StatusCode::NOT_FOUND, "image/svg+xml", "no-store", NO_LOGO),
        Err(error) => {
            tracing::error!(%error, "a logo could not be served");
            show(StatusCode::INTERNAL_SERVER_ERROR, "image/svg+xml", "no-store", NO_LOGO)
        }
    }
}

async fn find_or_fetch(app: &App, client: &ClientId) -> Result<Option<Picture>, StoreError> {
    // Nobody makes us fetch anything but what an operator registered.
    let registered = app.store.client(client).await?.filter(|client| client.enabled);
    let Some(source) = registered.as_ref().and_then(|client| client.metadata.logo_uri.as_ref()) else {
        return Ok(None);
    };
    let now = app.clock.now();
    let stored = client_logo::find(&mut app.store.read().await?, client).await?;
    let stored = stored.filter(|stored| stored.source == source.as_str());
    if let Some(stored) = stored.as_ref().filter(|stored| is_fresh(stored, now)) {
        return Ok(stored.image.clone());
    }
    let image = match fetch(app, source.as_str()).await {
        Ok(image) => image,
        // Our own trouble says nothing of the app's picture.
        Err(OutboundError::Busy | OutboundError::Unavailable) => return Ok(None),
        Err(error) => {
            tracing::info!(%client, %error, "the logo of a client cannot be fetched");
            None
        }
    };
    let fetched = match (image, stored.and_then(|stored| stored.image)) {
        // The picture that we have is better than none. It is asked for again as soon as one that was never there.
        (None, Some(image)) => {
            StoredLogo { source: source.as_str().to_owned(), image: Some(image), fetched_at: now - KEEP + KEEP_FAILURE }
        }
        (image, _) => StoredLogo { source: source.as_str().to_owned(), image, fetched_at: now },
    };
    let mut tx = app.store.write().await?;
    client_logo::upsert(&mut tx, client, &fetched).await?;
    tx.commit().await?;
    Ok(fetched.image)
}

/// The picture, with the media type that its bytes tell; `None` when they are no picture that we serve.
async fn fetch(app: &App, source: &str) -> Result<Option<Picture>, OutboundError> {
    // Registered as a link, so it is a URL.
    let Ok(url) = Url::parse(source) else { return Ok(None) };
    let fetched = app.outbound.get(&url, MAX_BYTES).await?;
    match LogoImage::parse(&fetched.body) {
        Ok(image) => Ok(Some((image.format.content_type().to_owned(), fetched.body.to_vec()))),
        Err(error) => {
            tracing::info!(source, %error, "the logo of a client is refused");
            Ok(None)
        }
    }
}

fn show(status: StatusCode, content_type: &str, cache_control: &'static str, image: impl IntoResponse) -> Response {
    let content_type = HeaderValue::try_from(content_type);
    let headers = [
        (header::CONTENT_TYPE, content_type.unwrap_or(HeaderValue::from_static("application/octet-stream"))),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
        (header::CACHE_CONTROL, HeaderValue::from_static(cache_control)),
    ];
    (status, headers, image).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "https://app.example/logo.png";

    fn stored(image: Option<Picture>) -> StoredLogo {
        StoredLogo { source: SOURCE.to_owned(), image, fetched_at: DateTime::UNIX_EPOCH }
    }

    fn picture() -> Picture {
        ("image/png".to_owned(), vec![1])
    }

    fn after(time: TimeDelta) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + time
    }

    #[test]
    fn a_picture_is_good_for_a_week() {
        assert!(is_fresh(&stored(Some(picture())), after(KEEP - TimeDelta::seconds(1))));
        assert!(!is_fresh(&stored(Some(picture())), after(KEEP)));
    }

    #[test]
    fn a_failure_is_tried_again_after_ten_minutes() {
        assert!(is_fresh(&stored(None), after(TimeDelta::minutes(9))));
        assert!(!is_fresh(&stored(None), after(TimeDelta::minutes(10))));
    }
}
