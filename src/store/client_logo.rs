//! Logos of clients, fetched once.

use chrono::{DateTime, Utc};
use countersign_types::ClientId;

use super::{StoreError, Tx};

/// What came of fetching a logo.
#[derive(Clone, Debug)]
pub struct StoredLogo {
    /// From where.
    pub source: String,
    /// The picture and its media type; `None` when there was no usable one.
    pub image: Option<(String, Vec<u8>)>,
    /// When it was fetched.
    pub fetched_at: DateTime<Utc>,
}

/// The logo of a client, if it was ever asked for.
pub async fn find(tx: &mut Tx, client: &ClientId) -> Result<Option<StoredLogo>, StoreError> {
    type Columns = (String, Option<String>, Option<Vec<u8>>, DateTime<Utc>);
    let row: Option<Columns> = fetch_optional!(
        tx,
        "SELECT source, content_type, image, fetched_at FROM client_logo WHERE client_id = $1",
        client.as_str(),
    )?;
    Ok(row.map(|(source, content_type, image, fetched_at)| StoredLogo {
        source,
        image: content_type.zip(image),
        fetched_at,
    }))
}

/// Stores what came of fetching a logo.
pub async fn upsert(tx: &mut Tx, client: &ClientId, logo: &StoredLogo) -> Result<(), StoreError> {
    let (content_type, image) = logo.image.as_ref().map(|(kind, image)| (kind.as_str(), image.as_slice())).unzip();
    execute!(
        tx,
        "INSERT INTO client_logo (client_id, source, content_type, image, fetched_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (client_id) DO UPDATE SET source = excluded.source, content_type = excluded.content_type,
             image = excluded.image, fetched_at = excluded.fetched_at",
        client.as_str(),
        &logo.source,
        content_type,
        image,
        logo.fetched_at,
    )?;
    Ok(())
}
