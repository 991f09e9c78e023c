//! The wrapped data key of each person.

use super::Tx;
use crate::vault::Vault;

/// A vault and how often it was replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The wrappings.
    pub vault: Vault,
    /// From 1 on; never used twice.
    pub version: i64,
}

impl Tx {
    /// The vault, if there is one.
    pub async fn vault(&mut self, person: &str) -> Result<Option<Kept>, sqlx::Error> {
        let statement =
            "SELECT passphrase, recovery, vault_version FROM journal WHERE person = $1 AND passphrase IS NOT NULL";
        let row: Option<(String, Option<String>, i64)> =
            sqlx::query_as(statement).bind(person).fetch_optional(&mut *self.inner).await?;
        Ok(row.map(|(passphrase, recovery, version)| Kept { vault: Vault { passphrase, recovery }, version }))
    }

    /// Keeps a vault in the place of any other; its new version.
    pub async fn put_vault(&mut self, person: &str, vault: &Vault) -> Result<i64, sqlx::Error> {
        let statement = "INSERT INTO journal (person, vault_version, passphrase, recovery) VALUES ($1, 1, $2, $3)
            ON CONFLICT (person) DO UPDATE SET vault_version = vault_version + 1, passphrase = $2, recovery = $3
            RETURNING vault_version";
        let put = sqlx::query_scalar(statement).bind(person).bind(&vault.passphrase).bind(&vault.recovery);
        put.fetch_one(&mut *self.inner).await
    }
}
