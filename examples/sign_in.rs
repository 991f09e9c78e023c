//! A relying party on the `openidconnect` crate: signs a person in, uses an API in their name, revokes what it got and signs
//! the person out.
//!
//! ```sh
//! cargo run --example sign_in                      # prints addresses to open in a browser
//! echo "$PASSWORD" | cargo run --example sign_in -- --username ada@example.com --password-stdin
//! ```
//!
//! The client is a native app (RFC 8252): `countersign client add demo --public --redirect-uri http://127.0.0.1/callback
//! --post-logout-redirect-uri http://127.0.0.1:8090/signed-out` and the scopes below. `scripts/demo` sets everything up.
//! Whatever does not behave as it should ends the program with 1.

use std::{
    collections::BTreeMap,
    error::Error,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    process::ExitCode,
};

use clap::Parser;
use josekit::jwe::{self, Dir, JweHeader};
use openidconnect::{
    AccessToken, AccessTokenHash, AuthorizationCode, ClientId, CsrfToken, IssuerUrl, LogoutRequest, Nonce,
    OAuth2TokenResponse as _, PkceCodeChallenge, PostLogoutRedirectUrl, ProviderMetadataWithLogout, RedirectUrl,
    RefreshToken, RequestTokenError, Scope, TokenResponse as _, UserInfoError,
    core::{
        CoreAuthPrompt, CoreAuthenticationFlow, CoreClient, CoreErrorResponseType, CoreTokenResponse,
        CoreUserInfoClaims,
    },
    reqwest::{Client, StatusCode, header, redirect::Policy},
    url::Url,
};
use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const SCOPES: [&str; 5] = ["profile", "email", "offline_access", "journal.read", "journal.write"];

/// Signs in at a provider, uses an API, revokes the tokens and signs out again.
#[derive(Parser)]
struct Arguments {
    /// The provider.
    #[arg(long, default_value = "http://localhost:8080")]
    issuer: String,
    /// This program's name at the provider.
    #[arg(long, default_value = "demo")]
    client_id: String,
    /// The API that is called with the access token.
    #[arg(long, default_value = "http://localhost:8081")]
    journal: String,
    /// Where the provider sends the browser back to; port 0 takes a free one.
    #[arg(long, default_value = "http://127.0.0.1:0/callback")]
    redirect_uri: Url,
    /// Where the provider sends the browser after signing out; registered to the letter.
    #[arg(long, default_value = "http://127.0.0.1:8090/signed-out")]
    post_logout_redirect_uri: Url,
    /// Signs in without a browser, as this person.
    #[arg(long, requires = "password_stdin")]
    username: Option<String>,
    /// Reads the person's password from the first line of standard input.
    #[arg(long, requires = "username")]
    password_stdin: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut text = error.to_string();
            let mut cause = error.source();
            while let Some(error) = cause {
                text = format!("{text}: {error}");
                cause = error.source();
            }
            eprintln!("\nThis is not as it should be: {text}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<()> {
    // Redirects are for browsers: a client that follows them for its own requests can be led anywhere.
    let http = Client::builder().redirect(Policy::none()).build()?;

    say("Reads what the provider can do, and its keys.");
    let provider = ProviderMetadataWithLogout::discover_async(IssuerUrl::new(arguments.issuer.clone())?, &http).await?;
    let end_session = provider.additional_metadata().end_session_endpoint.clone();
    let end_session = end_session.ok_or("the provider cannot sign people out")?;
    let listener = Listener::open(arguments.redirect_uri)?;
    let signed_out = Listener::open(arguments.post_logout_redirect_uri)?;
    let client = CoreClient::from_provider_metadata(provider, ClientId::new(arguments.client_id.clone()), None)
        .set_redirect_uri(RedirectUrl::from_url(listener.address.clone()));

    // The three guards of a sign-in. PKCE binds the code to us, `state` the answer to this browser, `nonce` the ID token.
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (address, state, nonce) = client
        .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
        .add_scopes(SCOPES.map(|scope| Scope::new(scope.to_owned())))
        .set_pkce_challenge(challenge)
        .url();

    let mut visitor = if let Some(username) = arguments.username {
        let mut password = String::new();
        std::io::stdin().read_line(&mut password)?;
        say(&format!("Goes through the hosted pages as {username}."));
        let password = password.trim_end_matches(['\r', '\n']).to_owned();
        Visitor::Program(Browser {
            http: http.clone(),
            cookies: BTreeMap::new(),
            home: address.origin(),
            username,
            password,
        })
    } else {
        Visitor::Person
    };
    let answer = visitor.visit(address, &listener).await?;
    expect(answer.get("state") == Some(state.secret()), "the answer belongs to another request")?;
    // RFC 9207: the answer says whose it is, so that a code is never sent to another provider.
    expect(answer.get("iss") == Some(&arguments.issuer), "the answer is of another provider")?;
    let code = answer.get("code").ok_or_else(|| format!("the provider refused: {answer:?}"))?;

    say("Exchanges the code for tokens.");
    let exchange = client.exchange_code(AuthorizationCode::new(code.clone()))?.set_pkce_verifier(verifier);
    let tokens: CoreTokenResponse = exchange.request_async(&http).await?;

    say("Checks the ID token: signature, issuer, audience, time, nonce, and that it belongs to the access token.");
    let id_token = tokens.id_token().ok_or("no ID token came")?;
    let id_token_verifier = client.id_token_verifier();
    let claims = id_token.claims(&id_token_verifier, &nonce)?;
    if let Some(stated) = claims.access_token_hash() {
        let (algorithm, key) = (id_token.signing_alg()?, id_token.signing_key(&id_token_verifier)?);
        let actual = AccessTokenHash::from_token(tokens.access_token(), algorithm, key)?;
        expect(*stated == actual, "the ID token belongs to another access token")?;
    }
    println!("{}", serde_json::to_string_pretty(claims)?);

    say("Asks userinfo about the person.");
    let user_info = async |token: &AccessToken| {
        let request = client.user_info(token.clone(), Some(claims.subject().clone()))?;
        Ok::<_, openidconnect::ConfigurationError>(request.request_async(&http).await)
    };
    let person: CoreUserInfoClaims = user_info(tokens.access_token()).await??;
    println!("{}", serde_json::to_string_pretty(&person)?);

    say("Writes a journal entry with the access token, and reads it back.");
    // A journal keeps ciphertext only. An app for people wraps this key by a passphrase and leaves it at /vault.
    let journal = Journal { http: http.clone(), address: arguments.journal, data_key: random_bytes(32) };
    let text = format!("Signed in as {}.", claims.subject().as_str());
    let entry = journal.write(tokens.access_token(), &text).await?;
    let (status, read) = journal.read(tokens.access_token(), &entry).await?;
    let body = read.get("body").and_then(Value::as_str).unwrap_or_default();
    expect(status == StatusCode::OK && !body.is_empty(), "the entry did not come back")?;
    println!("{read:#}");
    expect(journal.open(body)? == text, "the entry does not open")?;
    println!("Only this program has its key, with which it reads: {text}");

    say("Refreshes the tokens.");
    let refresh = async |token: &RefreshToken| {
        let request = client.exchange_refresh_token(token)?;
        Ok::<_, openidconnect::ConfigurationError>(request.request_async(&http).await)
    };
    let refresh_token = tokens.refresh_token().ok_or("no refresh token came")?;
    let renewed: CoreTokenResponse = refresh(refresh_token).await??;
    expect(renewed.access_token().secret() != tokens.access_token().secret(), "the access token is the old one")?;
    let refresh_token = renewed.refresh_token().unwrap_or(refresh_token);
    let _: CoreUserInfoClaims = user_info(renewed.access_token()).await??;
    println!("A new access token came, and userinfo accepts it.");

    say("Revokes the refresh token, and with it all that came from this sign-in.");
    // By hand: the crate refuses to revoke over plain http, which a provider on localhost speaks.
    let discovery = format!("{}/.well-known/openid-configuration", arguments.issuer.trim_end_matches('/'));
    let discovery: Value = serde_json::from_slice(&http.get(discovery).send().await?.bytes().await?)?;
    let endpoint = discovery.get("revocation_endpoint").and_then(Value::as_str).ok_or("the provider cannot revoke")?;
    let form = form_encoded(&[("client_id", &arguments.client_id), ("token", refresh_token.secret())]);
    let revoked = http.post(endpoint).header(header::CONTENT_TYPE, FORM).body(form).send().await?;
    expect(revoked.status() == StatusCode::OK, "the token was not revoked")?;

    match refresh(refresh_token).await? {
        Err(RequestTokenError::ServerResponse(error)) if *error.error() == CoreErrorResponseType::InvalidGrant => {
            println!("Refreshing is refused: invalid_grant.");
        }
        other => return Err(format!("a revoked refresh token was answered with {other:?}").into()),
    }
    let refused: std::result::Result<CoreUserInfoClaims, _> = user_info(renewed.access_token()).await?;
    match refused {
        Err(UserInfoError::Response(StatusCode::UNAUTHORIZED, ..)) => println!("Userinfo is refused: 401."),
        other => return Err(format!("userinfo answered a revoked token with {other:?}").into()),
    }

    let (status, _) = journal.read(renewed.access_token(), &entry).await?;
    expect(status == StatusCode::OK, "the journal was expected to accept the token until it expires")?;
    let minutes = renewed.expires_in().map_or(0, |time| time.as_secs().div_ceil(60));
    println!("The journal still accepts the access token: it checks the JWT by itself, without asking the provider,");
    println!("and does so until the token expires, at most {minutes} minutes after it was issued.");

    say("Signs out at the provider, with the ID token as proof of who asks.");
    let state = CsrfToken::new_random();
    let logout = LogoutRequest::from(end_session)
        .set_id_token_hint(id_token)
        .set_post_logout_redirect_uri(PostLogoutRedirectUrl::from_url(signed_out.address.clone()))
        .set_state(state.clone());
    let answer = visitor.visit(logout.http_get_url(), &signed_out).await?;
    let expected = BTreeMap::from([("state".to_owned(), state.secret().clone())]);
    expect(answer == expected, "the answer to signing out is not exactly our state")?;
    println!("The browser came back to {} with our state and nothing else.", signed_out.address);

    say("Asks whether anybody is signed in, without showing a page.");
    let (address, state, _) = client
        .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
        .add_prompt(CoreAuthPrompt::None)
        .set_pkce_challenge(PkceCodeChallenge::new_random_sha256().0)
        .url();
    let answer = visitor.visit(address, &listener).await?;
    expect(answer.get("state") == Some(state.secret()), "the answer belongs to another request")?;
    match answer.get("error") {
        Some(error) if error == "login_required" => println!("Nobody is: login_required."),
        _ => return Err(format!("after signing out, prompt=none was answered with {answer:?}").into()),
    }
    Ok(())
}

fn say(step: &str) {
    println!("\n→ {step}");
}

fn expect(condition: bool, otherwise: &str) -> Result<()> {
    if condition { Ok(()) } else { Err(otherwise.into()) }
}

/// The API, called with an access token in the `Authorization` header.
struct Journal {
    http: Client,
    address: String,
    data_key: Vec<u8>,
}

impl Journal {
    /// Encrypts a text as the first revision of a new entry.
    fn seal(&self, text: &str) -> Result<String> {
        let mut header = JweHeader::new();
        header.set_content_encryption("A256GCM");
        header.set_token_type("journal-entry");
        header.set_claim("entry", Some(json!(new_uuid())))?;
        header.set_claim("revision", Some(json!(1)))?;
        Ok(jwe::serialize_compact(text.as_bytes(), &header, &Dir.encrypter_from_bytes(&self.data_key)?)?)
    }

    fn open(&self, jwe: &str) -> Result<String> {
        let (text, _) = jwe::deserialize_compact(jwe, &Dir.decrypter_from_bytes(&self.data_key)?)?;
        Ok(String::from_utf8(text)?)
    }

    /// Writes an entry and returns its path.
    async fn write(&self, token: &AccessToken, body: &str) -> Result<String> {
        let request = self.http.post(format!("{}/entries", self.address)).bearer_auth(token.secret());
        let entry = json!({ "body": self.seal(body)? }).to_string();
        let response = request.header(header::CONTENT_TYPE, "application/json").body(entry).send().await?;
        let location =
            response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
        match (response.status(), location) {
            (StatusCode::CREATED, Some(location)) => Ok(location),
            (status, _) => Err(format!("the journal answers {status}: {}", response.text().await?).into()),
        }
    }

    async fn read(&self, token: &AccessToken, path: &str) -> Result<(StatusCode, Value)> {
        let response = self.http.get(format!("{}{path}", self.address)).bearer_auth(token.secret()).send().await?;
        let status = response.status();
        Ok((status, serde_json::from_slice(&response.bytes().await?).unwrap_or_default()))
    }
}

#[allow(clippy::disallowed_methods)] // a program of its own, which has one place for them, too
fn random_bytes(length: usize) -> Vec<u8> {
    josekit::util::random_bytes(length)
}

/// RFC 9562 §5.4.
fn new_uuid() -> String {
    let mut hex: Vec<u8> = random_bytes(16).iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect();
    for (position, digit) in [(12, b'4'), (16, b'8')] {
        hex.splice(position..=position, [digit]);
    }
    let hex = String::from_utf8_lossy(&hex);
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| hex.get(part).unwrap_or_default().to_owned());
    parts.join("-")
}

/// Whoever opens the provider's addresses: a person with a browser, or this program in their place.
enum Visitor {
    Person,
    Program(Browser),
}

impl Visitor {
    /// Opens an address: the parameters with which the provider sends the browser back.
    async fn visit(&mut self, address: Url, back: &Listener) -> Result<BTreeMap<String, String>> {
        match self {
            Self::Person => {
                println!("\nOpen this address in a browser:\n\n{address}\n");
                back.wait()
            }
            Self::Program(browser) => browser.visit(address, &back.address).await,
        }
    }
}

/// A loopback address that the browser is sent back to (RFC 8252 §7.3).
struct Listener {
    address: Url,
    socket: TcpListener,
}

impl Listener {
    fn open(mut address: Url) -> Result<Self> {
        let host = address.host_str().ok_or("the redirect URI has no host")?;
        let socket = TcpListener::bind((host, address.port().unwrap_or(0)))?;
        let port = socket.local_addr()?.port();
        address.set_port(Some(port)).map_err(|()| "the redirect URI takes no port")?;
        Ok(Self { address, socket })
    }

    /// Serves requests until the answer is among them; browsers ask for icons too.
    fn wait(&self) -> Result<BTreeMap<String, String>> {
        loop {
            let (mut stream, _) = self.socket.accept()?;
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line)?;
            let path = line.split(' ').nth(1).unwrap_or_default();
            let page = "That is all here. Go back to the terminal.";
            write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{page}", page.len())?;
            let answer = self.address.join(path)?;
            if answer.path() == self.address.path() && answer.query().is_some() {
                return Ok(parameters(&answer));
            }
        }
    }
}

fn parameters(url: &Url) -> BTreeMap<String, String> {
    url.query_pairs().into_owned().collect()
}

const FORM: &str = "application/x-www-form-urlencoded";

fn form_encoded(fields: &[(&str, &str)]) -> String {
    openidconnect::url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// As much of a browser as the hosted pages need: cookies, redirects and forms.
struct Browser {
    http: Client,
    cookies: BTreeMap<String, String>,
    home: openidconnect::url::Origin,
    username: String,
    password: String,
}

impl Browser {
    /// Fills in every form on the way until the provider sends the browser back; returns the parameters of that answer.
    async fn visit(&mut self, start: Url, back: &Url) -> Result<BTreeMap<String, String>> {
        let mut request = self.http.get(start.clone());
        let mut here = start;
        let mut password_sent = false;
        for _ in 0..20 {
            expect(here.origin() == self.home, "the browser was sent elsewhere")?;
            let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let response = request.header(header::COOKIE, cookies.join("; ")).send().await?;
            for cookie in response.headers().get_all(header::SET_COOKIE) {
                let pair = cookie.to_str()?.split(';').next().unwrap_or_default();
                let (name, value) = pair.split_once('=').ok_or("a cookie without a name")?;
                self.cookies.insert(name.trim().to_owned(), value.trim().to_owned());
            }
            if let Some(location) = response.headers().get(header::LOCATION) {
                here = here.join(location.to_str()?)?;
                if here.as_str().starts_with(back.as_str()) {
                    return Ok(parameters(&here));
                }
                request = self.http.get(here.clone());
                continue;
            }
            let status = response.status();
            let page = response.text().await?;
            let form = Form::find(&page).ok_or_else(|| format!("no form to fill in on {here} ({status}):\n{page}"))?;
            let asks_password = form.fields.iter().any(|(field, _)| field == "password");
            expect(!(asks_password && password_sent), "the password was not accepted")?;
            password_sent |= asks_password;
            let filled: Vec<(&str, &str)> = form
                .fields
                .iter()
                .map(|(field, value)| match field.as_str() {
                    "username" => ("username", self.username.as_str()),
                    "password" => ("password", self.password.as_str()),
                    other => (other, value.as_str()),
                })
                .collect();
            here = here.join(&form.action)?;
            request = self.http.post(here.clone()).header(header::CONTENT_TYPE, FORM).body(form_encoded(&filled));
        }
        Err("the pages lead round and round".into())
    }
}

/// A form of a page: where it goes, and what it sends.
struct Form {
    action: String,
    fields: Vec<(String, String)>,
}

impl Form {
    /// The form that asks for a password or for consent.
    fn find(page: &str) -> Option<Self> {
        let mut found: Vec<Self> = Vec::new();
        for tag in tags(page) {
            let value = |name: &str| tag.get(name).cloned().unwrap_or_default();
            if tag.contains_key("<form") {
                found.push(Self { action: value("action"), fields: Vec::new() });
            } else if let Some(form) = found.last_mut() {
                let text = tag.contains_key("<input") && (value("type") != "checkbox" || tag.contains_key("checked"));
                if tag.contains_key("name") && (text || value("name") == "approve") {
                    form.fields.push((value("name"), value("value")));
                }
            }
        }
        found.into_iter().find(|form| form.fields.iter().any(|(name, _)| name == "password" || name == "approve"))
    }
}

/// The tags of a page as maps of their attributes, the name of the tag being the one that begins with `<`.
fn tags(page: &str) -> Vec<BTreeMap<String, String>> {
    let mut tags = Vec::new();
    for text in page.split('<').skip(1) {
        let name_ends = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
        let (name, mut rest) = text.split_at(name_ends);
        let mut tag = BTreeMap::from([(format!("<{}", name.to_ascii_lowercase()), String::new())]);
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
            let ends = rest.find(|c: char| c.is_whitespace() || "=>/".contains(c)).unwrap_or(rest.len());
            let (attribute, after) = rest.split_at(ends);
            if attribute.is_empty() {
                break;
            }
            let (value, after) = match after.trim_start().strip_prefix('=').map(str::trim_start) {
                None => ("", after),
                Some(quoted) if quoted.starts_with(['"', '\'']) => {
                    let (mark, inside) = quoted.split_at(1);
                    inside.split_once(mark).unwrap_or((inside, ""))
                }
                Some(bare) => bare.split_at(bare.find(|c: char| c.is_whitespace() || c == '>').unwrap_or(bare.len())),
            };
            tag.insert(attribute.to_ascii_lowercase(), unescape(value));
            rest = after;
        }
        tags.push(tag);
    }
    tags
}

/// Replaces the character references that template engines write.
fn unescape(text: &str) -> String {
    let references =
        [("&#34;", "\""), ("&quot;", "\""), ("&#39;", "'"), ("&#x27;", "'"), ("&#60;", "<"), ("&lt;", "<")];
    let more = [("&#62;", ">"), ("&gt;", ">"), ("&#38;", "&"), ("&amp;", "&")];
    references.iter().chain(&more).fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}
