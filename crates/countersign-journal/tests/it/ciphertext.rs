//! What the server has is worth nothing without the keys, and opens with them in a library that knows nothing of this project.

use std::fs;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use josekit::jwe::{A256KW, PBES2_HS512_A256KW};
use serde_json::json;
use sqlx::Row as _;

use crate::harness::{BOTH, DATA_KEY, Harness, id, open, seal, unwrap, wrap_by_passphrase, wrap_by_recovery_key};

const PASSPHRASE: &str = "correct horse battery staple";
const TEXT: &str = "Nobody but me reads that it rained.";

#[tokio::test]
async fn what_is_in_the_file_opens_with_the_passphrase_and_not_without() {
    let journal = Harness::start().await;
    let ada = journal.token("ada", BOTH);
    let vault = json!({ "passphrase": wrap_by_passphrase(PASSPHRASE), "recovery": wrap_by_recovery_key([9; 32]) });
    journal.put(&ada, "/vault", ("if-none-match", "*"), &vault).await;
    journal.post(&ada, &json!({ "body": seal(&id(1), 1, TEXT) })).await;
    let database = journal.database();
    journal.store.close().await;

    let file = String::from_utf8_lossy(&fs::read(&database).unwrap()).into_owned();
    let key = URL_SAFE_NO_PAD.encode(DATA_KEY);
    for secret in [TEXT, "rained", PASSPHRASE, &key, std::str::from_utf8(&DATA_KEY).unwrap()] {
        assert!(!file.contains(secret), "{secret}");
    }
    assert!(file.contains(&id(1)), "what is there is found");

    let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}", database.display())).await.unwrap();
    let row =
        sqlx::query("SELECT passphrase, recovery FROM journal WHERE person = 'ada'").fetch_one(&pool).await.unwrap();
    let by_passphrase = PBES2_HS512_A256KW.decrypter_from_bytes(PASSPHRASE).unwrap();
    let found = unwrap(row.get("passphrase"), &by_passphrase);
    assert_eq!(found["k"], key);
    assert_eq!(unwrap(row.get("recovery"), &A256KW.decrypter_from_bytes([9; 32]).unwrap()), found);
    let wrong = PBES2_HS512_A256KW.decrypter_from_bytes("correct horse battery stable").unwrap();
    assert!(josekit::jwe::deserialize_compact(row.get::<&str, _>("passphrase"), &wrong).is_err());

    let body: String = sqlx::query_scalar("SELECT body FROM entry").fetch_one(&pool).await.unwrap();
    assert_eq!(open(&body), (TEXT.to_owned(), json!(id(1)), json!(1)));
}
