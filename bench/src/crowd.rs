//! A provider that many people know: their accounts, sessions, consents, grants and refresh tokens.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use openssl::{rand::rand_bytes, sha::sha256};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::{
    Result,
    load::Load,
    rows::person::Person,
    server::{Server, Site},
};

/// The tables of one person, and what of their rows is another person's own: columns, and how they are told apart.
const TABLES: [(&str, &[(&str, &str)]); 6] = [
    ("account", &[("id", OWN), ("email", OWN), ("email_folded", OWN), ("username", OWN), ("username_folded", OWN)]),
    ("credential", &[("user_id", OWN)]),
    ("consent", &[("user_id", OWN)]),
    ("session", &[("sid", OWN), ("user_id", OWN), ("cookie_digest", RANDOM)]),
    ("person_grant", &[("gid", OWN), ("sid", OWN), ("user_id", OWN)]),
    ("refresh_token", &[("gid", OWN), ("digest", RANDOM)]),
];
const OWN: &str = "|| '-' || n.i";
const RANDOM: &str = "randomblob(32)";

/// The cookie of a session under an http issuer.
const COOKIE: &str = "countersign_session";

/// A server, and cookies of some of its people.
#[derive(Debug)]
pub struct Crowd {
    server: Server,
    pub site: Site,
    pub cookies: Vec<String>,
}

impl Crowd {
    /// Makes copies of a person who has signed in to an app, each with all that the app may hold.
    pub async fn gather(like: &Server, people: usize, cookies: usize) -> Result<Self> {
        let mut server = Server::new(like.binary())?;
        server.start().await?;
        let site = Site { address: server.address(), guests: server.furnish()? };
        Person::sign_in(&site).await?.tokens(&site).await?;
        server.stop()?;
        let options = SqliteConnectOptions::new().filename(server.database()).foreign_keys(false);
        let mut database = SqliteConnection::connect_with(&options).await?;
        database.execute("PRAGMA synchronous = OFF; PRAGMA cache_size = -200000").await?;
        for (table, own) in TABLES {
            multiply(&mut database, table, own, people).await?;
        }
        let cookies = hand_out(&mut database, cookies).await?;
        database.close().await?;
        server.start().await?;
        Ok(Self { server, site, cookies })
    }

    pub async fn load(&self) -> Result<Load> {
        Load::open(&self.site.address, &[self.server.pid()?], &self.site.address.get("/healthz", &[])).await
    }

    pub fn process(&self) -> Result<nix::unistd::Pid> {
        self.server.pid()
    }

    /// The header line of a person's browser.
    pub fn cookie_line(cookie: &str) -> String {
        format!("Cookie: {COOKIE}={cookie}")
    }
}

async fn multiply(database: &mut SqliteConnection, table: &str, own: &[(&str, &str)], times: usize) -> Result<()> {
    let columns: Vec<String> =
        sqlx::query_scalar("SELECT name FROM pragma_table_info($1)").bind(table).fetch_all(&mut *database).await?;
    let values = columns.iter().map(|column| match own.iter().find(|(name, _)| name == column) {
        Some((_, OWN)) => format!("t.{column} {OWN}"),
        Some((_, value)) => (*value).to_owned(),
        None => format!("t.{column}"),
    });
    let sql = format!(
        "INSERT INTO {table} ({}) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {times})
         SELECT {} FROM (SELECT * FROM {table} LIMIT 1) t, n",
        columns.join(", "),
        values.collect::<Vec<_>>().join(", "),
    );
    database.execute(AssertSqlSafe(sql)).await?;
    Ok(())
}

/// Gives some of the sessions cookies that this side knows.
async fn hand_out(database: &mut SqliteConnection, count: usize) -> Result<Vec<String>> {
    let mut tx = database.begin().await?;
    let sids: Vec<String> = sqlx::query_scalar("SELECT sid FROM session WHERE sid LIKE '%-%' LIMIT $1")
        .bind(i64::try_from(count)?)
        .fetch_all(&mut *tx)
        .await?;
    let mut cookies = Vec::new();
    for sid in sids {
        let mut bytes = [0; 32];
        rand_bytes(&mut bytes)?;
        let cookie = BASE64_URL_SAFE_NO_PAD.encode(bytes);
        sqlx::query("UPDATE session SET cookie_digest = $1 WHERE sid = $2")
            .bind(sha256(cookie.as_bytes()).to_vec())
            .bind(sid)
            .execute(&mut *tx)
            .await?;
        cookies.push(cookie);
    }
    tx.commit().await?;
    Ok(cookies)
}
