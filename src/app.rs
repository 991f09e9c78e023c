//! The services of the process, and the issuer. Handed to whoever needs them: nothing here is global.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_types::{ClientAuthMethod, ClientId, SessionId, UserId};

use crate::{
    clock::Clock,
    config::{KeySettings, Mode, Settings, SignUpMode},
    domain::{
        client::{Client, SecretUse, StoredSecret},
        key::KeyLifetimes,
        pairwise,
        session::SessionLifetimes,
        token::Digest,
    },
    ephemeral::{Ephemeral, Local, Redis},
    jose::{Keyring, KeyringError, rotation},
    looks::{LogoError, Looks},
    mailer::{self, Mailer},
    master_key::{MasterKey, MasterKeyError, MasterKeys, SealingKey},
    metrics::Metrics,
    outbound::{CaFileError, Outbound},
    passwords::{HashError, Passwords},
    random::Random,
    store::{Store, StoreError, issuer_secret},
};

/// The services of the process.
#[derive(Debug)]
pub struct App {
    /// What the operator set.
    pub settings: Settings,
    /// Durable state.
    pub store: Store,
    /// What expires by itself.
    pub ephemeral: Arc<dyn Ephemeral>,
    /// Requests to URLs that others name.
    pub outbound: Outbound,
    /// Sending of mails.
    pub mailer: Mailer,
    /// How the pages look.
    pub looks: Arc<Looks>,
    /// Hashing of passwords.
    pub passwords: Passwords,
    /// The time.
    pub clock: Clock,
    /// Random bytes.
    pub random: Random,
    /// What is counted.
    pub metrics: Metrics,
    /// What requests are called that nobody named.
    pub request_names: RequestNames,
    /// Keys derived for one purpose each.
    pub keys: PurposeKeys,
}

/// Keys derived from the master key, one for each thing that must not be taken for another.
#[derive(Debug)]
pub struct PurposeKeys {
    /// Seals authorization requests into addresses.
    pub interaction: SealingKey,
    /// Makes the tokens of forms.
    pub csrf: SealingKey,
    /// Seals client secrets that must be read back.
    pub client_secret: SealingKey,
    /// Recognises nonces for DPoP proofs.
    pub dpop_nonce: SealingKey,
    /// Chooses whose password hash stands in for that of a name that has none.
    pub stand_in: SealingKey,
    /// Seals what browsers keep for us while a second factor is asked for or set up.
    pub second_factor: SealingKey,
    /// Makes of a session what scripts may know of it.
    pub browser_state: SealingKey,
}

/// Names for requests, each of them once: they are counted, which is all that a name needs and quicker than random ones.
#[derive(Debug)]
pub struct RequestNames {
    /// No other process has it.
    prefix: String,
    next: AtomicU64,
}

impl RequestNames {
    fn new(random: &Random) -> Self {
        Self { prefix: random.id(), next: AtomicU64::new(0) }
    }

    /// Another name.
    pub fn next(&self) -> String {
        format!("{}.{}", self.prefix, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// One issuer: its URL and its keys. A process has one today.
#[derive(Debug)]
pub struct Issuer {
    /// Its URL, exactly as configured.
    pub url: String,
    /// Its keys.
    pub keyring: Keyring,
    /// Makes names of people and sessions that differ from client to client.
    pairwise: SealingKey,
}

/// Why the process cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No master key.
    #[error(transparent)]
    MasterKey(#[from] MasterKeyError),
    /// No database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An unusable address of Redis.
    #[error("redis.url: {0}")]
    Redis(#[from] redis::RedisError),
    /// Impossible password settings.
    #[error("password: {0}")]
    Password(#[from] HashError),
    /// An unusable logo.
    #[error("brand.logo_file: {0}")]
    Logo(#[from] LogoError),
    /// An unusable certificate file.
    #[error("outbound: {0}")]
    Outbound(#[from] CaFileError),
    /// An unusable certificate file of the mail server.
    #[error(transparent)]
    Mail(#[from] mailer::CaFileError),
    /// No signing key.
    #[error(transparent)]
    Rotation(#[from] rotation::RotationError),
    /// Unusable signing keys.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
}

impl App {
    /// Puts the services together. Reads the master key, and makes one where a development start has none.
    pub fn new(settings: Settings, clock: Clock, random: Random) -> Result<Self, StartError> {
        let file = master_key_file(&settings);
        let master = match (&settings.keys.master_file, settings.mode()) {
            (None, Mode::Development) => MasterKey::read_or_create(&file, &random)?,
            (Some(_), Mode::Development) | (_, Mode::Production) => MasterKey::read(&file)?,
        };
        Self::under(&beside(master, &settings)?, settings, clock, random)
    }

    /// Puts the services together where a server ran before: nothing is made that is not there.
    pub fn existing(settings: Settings, clock: Clock, random: Random) -> Result<Self, StartError> {
        let master = MasterKey::read(&master_key_file(&settings))?;
        Self::under(&beside(master, &settings)?, settings, clock, random)
    }

    fn under(master: &MasterKeys, settings: Settings, clock: Clock, random: Random) -> Result<Self, StartError> {
        let store = Self::open_store(&settings, master, &clock, &random)?;
        let ephemeral: Arc<dyn Ephemeral> = match &settings.redis.url {
            Some(url) => Arc::new(Redis::new(url.expose(), master, clock.clone())?),
            None => Arc::new(Local::new(store.clone())),
        };
        Ok(Self {
            ephemeral,
            looks: Arc::new(Looks::open(&settings.brand)?),
            outbound: Outbound::new(&settings.outbound, settings.mode(), clock.clone())?,
            mailer: Mailer::new(&settings.mail, &settings.brand.name, &settings.issuer)?,
            passwords: Passwords::new(&settings.password, random.clone())?,
            keys: PurposeKeys {
                interaction: master.derive("authorization requests in addresses"),
                csrf: master.derive("form tokens"),
                client_secret: master.derive("client secrets of client_secret_jwt"),
                dpop_nonce: master.derive("nonces of DPoP proofs"),
                stand_in: master.derive("password hashes that stand in"),
                second_factor: master.derive("second factors on their way through browsers"),
                browser_state: master.derive_shared("states of browsers"),
            },
            metrics: Metrics::new(store.events()),
            request_names: RequestNames::new(&random),
            settings,
            store,
            clock,
            random,
        })
    }

    fn open_store(
        settings: &Settings,
        master: &MasterKeys,
        clock: &Clock,
        random: &Random,
    ) -> Result<Store, StoreError> {
        let added_scopes = settings.scopes.added().map(|(scope, text)| (scope.clone(), text.to_owned())).collect();
        Store::open(settings.database.url.expose(), master, clock.clone(), random.clone(), added_scopes)
    }

    /// How long sessions last.
    pub fn session_lifetimes(&self) -> SessionLifetimes {
        let lifetimes = &self.settings.lifetimes;
        SessionLifetimes { idle: lifetimes.session_idle, absolute: lifetimes.session_absolute }
    }

    /// How long signing keys live.
    pub fn key_lifetimes(&self) -> KeyLifetimes {
        let lifetimes = &self.settings.lifetimes;
        KeyLifetimes {
            jwks_cache: lifetimes.jwks_cache,
            signing: lifetimes.signing_key,
            token: lifetimes.access_token.max(lifetimes.id_token),
            hint: lifetimes.session_absolute.max(lifetimes.refresh_absolute),
        }
    }

    /// How a secret of full strength is kept that a client authenticates with by this method; nothing if the method needs none.
    pub fn keep_client_secret(&self, id: &ClientId, method: ClientAuthMethod, secret: &str) -> Option<StoredSecret> {
        match SecretUse::of(method) {
            SecretUse::None => None,
            SecretUse::Compared => Some(StoredSecret::Digest(Digest::of(secret).as_bytes().to_vec())),
            SecretUse::Key => {
                let sealed = self.keys.client_secret.seal(secret.as_bytes(), id.as_str().as_bytes(), &self.random);
                Some(StoredSecret::Encrypted(sealed))
            }
        }
    }

    /// What this provider is called.
    pub fn brand(&self) -> &str {
        &self.settings.brand.name
    }

    /// Whether mails go anywhere.
    pub fn can_mail(&self) -> bool {
        self.mailer.is_on()
    }

    /// Whether anybody can make an account.
    pub fn is_sign_up_open(&self) -> bool {
        self.settings.signup.mode == SignUpMode::Open && self.can_mail()
    }

    /// Whether this is a start on localhost over plain http.
    pub fn is_development(&self) -> bool {
        self.settings.mode() == Mode::Development
    }
}

/// The master key, and the other one while it is replaced.
fn beside(current: MasterKey, settings: &Settings) -> Result<MasterKeys, MasterKeyError> {
    let read = |file: &Option<PathBuf>| file.as_deref().map(MasterKey::read).transpose();
    let KeySettings { next_master_file, previous_master_file, .. } = &settings.keys;
    Ok(MasterKeys { current, previous: read(previous_master_file)?, next: read(next_master_file)? })
}

/// What pairwise names are made with; made here if there is none yet.
async fn pairwise_salt(store: &Store) -> Result<[u8; 32], StoreError> {
    if let Some(salt) = issuer_secret::find_pairwise_salt(&mut store.read().await?).await? {
        return Ok(salt);
    }
    let mut tx = store.write().await?;
    let salt = issuer_secret::pairwise_salt(&mut tx).await?;
    tx.commit().await?;
    Ok(salt)
}

fn master_key_file(settings: &Settings) -> PathBuf {
    let KeySettings { dir, master_file, .. } = &settings.keys;
    master_file.clone().unwrap_or_else(|| dir.join("master.key"))
}

impl Issuer {
    /// The `sub` by which a client knows a person (OpenID Connect Core §8).
    pub fn sub(&self, client: &Client, user: &UserId) -> String {
        pairwise::sub(client, user).map_or_else(|| user.to_string(), |text| self.name(&text))
    }

    /// The `sid` by which a client knows a session.
    pub fn sid(&self, client: &Client, session: &SessionId) -> SessionId {
        pairwise::sid(client, session).map_or_else(|| session.clone(), |text| SessionId::new(self.name(&text)))
    }

    fn name(&self, text: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.pairwise.authenticate(text.as_bytes()))
    }

    /// The issuer of the settings, with its keys; the first one is made here.
    pub async fn open(app: &App) -> Result<Self, StartError> {
        let issuer = Self {
            url: app.settings.issuer.as_str().to_owned(),
            keyring: Keyring::new(app.key_lifetimes()),
            pairwise: SealingKey::from_bytes(pairwise_salt(&app.store).await?),
        };
        let algorithms = &app.settings.keys.algorithms;
        rotation::maintain(&app.store, issuer.keyring.lifetimes(), algorithms, &app.clock).await?;
        issuer.keyring.load(&app.store, app.clock.now()).await?;
        Ok(issuer)
    }

    /// Follows what changed in the database, here or on another node.
    pub async fn follow_changes(&self, app: &App) -> Result<(), KeyringError> {
        let counters = app.store.forget_changes().await?;
        self.keyring.follow(counters.key, &app.store, app.clock.now()).await
    }
}
