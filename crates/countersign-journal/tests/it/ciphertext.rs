//! What the server has is worth nothing without the keys, and opens with them in a library that knows nothing of this project.

use std::fs;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use josekit::jwe::{A256KW, Dir, PBES2_HS512_A256KW};
use serde_json::{Value, json};
use sqlx::Row as _;

use crate::harness::{BOTH, DATA_KEY, Harness, id, open, seal, unwrap, wrap_by_passphrase, wrap_by_recovery_key};
use countersign_journal::{entry::Sealed, vault::Vault};

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

/// `tests/fixtures/page.json` was made by the page: its passphrase, its recovery key, and what it left at the server.
#[test]
fn what_the_page_made_opens_in_a_library_that_it_does_not_use() {
    let made: Value = serde_json::from_str(include_str!("../fixtures/page.json")).unwrap();
    let vault: Vault = serde_json::from_value(made["vault"].clone()).unwrap();
    assert_eq!(vault.check(), Ok(()));
    let passphrase = PBES2_HS512_A256KW.decrypter_from_bytes(made["passphrase"].as_str().unwrap()).unwrap();
    let key = unwrap(&vault.passphrase, &passphrase);
    let recovery_key = URL_SAFE_NO_PAD.decode(made["recovery_key"].as_str().unwrap()).unwrap();
    assert_eq!(unwrap(vault.recovery.as_ref().unwrap(), &A256KW.decrypter_from_bytes(recovery_key).unwrap()), key);

    let body = made["entry"]["body"].as_str().unwrap();
    let sealed = Sealed::parse(body.to_owned()).unwrap();
    assert_eq!(
        (json!(sealed.id.as_str()), json!(sealed.revision)),
        (made["entry"]["id"].clone(), made["entry"]["revision"].clone())
    );
    let data_key = URL_SAFE_NO_PAD.decode(key["k"].as_str().unwrap()).unwrap();
    let (text, _) = josekit::jwe::deserialize_compact(body, &Dir.decrypter_from_bytes(data_key).unwrap()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&text).unwrap(), made["content"]);
}

/// `tests/fixtures/josekit.json` is made by this test where `JOURNAL_WRITE_FIXTURE` is set; the page's own tests open it.
#[test]
fn what_josekit_made_is_kept_for_the_page_to_open() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/josekit.json");
    let content =
        json!({ "title": "Frühstück", "text": TEXT, "tags": ["rain"], "written_at": "2026-11-26T08:00:00.000Z" });
    if std::env::var_os("JOURNAL_WRITE_FIXTURE").is_some() {
        let made = json!({
            "passphrase": PASSPHRASE,
            "recovery_key": URL_SAFE_NO_PAD.encode([9; 32]),
            "vault": { "passphrase": wrap_by_passphrase(PASSPHRASE), "recovery": wrap_by_recovery_key([9; 32]) },
            "entry": { "id": id(1), "revision": 2, "body": seal(&id(1), 2, &content.to_string()) },
            "content": content,
        });
        fs::write(file, format!("{made:#}\n")).unwrap();
    }
    let made: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let (text, named, revision) = open(made["entry"]["body"].as_str().unwrap());
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), content);
    assert_eq!((named, revision), (json!(id(1)), json!(2)));
}
