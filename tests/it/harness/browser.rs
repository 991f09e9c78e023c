//! A browser: it keeps cookies, follows our own redirects and fills in forms.

use std::collections::BTreeMap;

use axum::body::Body;
use http::Request;

use super::{CHALLENGE, PASSWORD, REDIRECT_URI, Reply, Server, encode, form_request};

/// A browser with cookies of its own.
pub struct Browser<'a> {
    server: &'a Server,
    pub cookies: BTreeMap<String, String>,
    /// What it sends as `Accept-Language`.
    pub reads: Option<&'static str>,
}

impl<'a> Browser<'a> {
    pub fn new(server: &'a Server) -> Self {
        Self::with_cookies(server, BTreeMap::new())
    }

    /// The same browser, before a restart of the server or after.
    pub fn with_cookies(server: &'a Server, cookies: BTreeMap<String, String>) -> Self {
        Self { server, cookies, reads: None }
    }

    pub async fn get(&mut self, path: &str) -> Reply {
        let request = Request::get(path);
        self.send(request, Body::empty()).await
    }

    pub async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Reply {
        let request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        self.send(request, Body::from(encode(form))).await
    }

    async fn send(&mut self, mut request: http::request::Builder, body: Body) -> Reply {
        if !self.cookies.is_empty() {
            request = request.header("cookie", self.cookie_header());
        }
        if let Some(languages) = self.reads {
            request = request.header("accept-language", languages);
        }
        let reply = self.server.send(request.body(body).unwrap()).await;
        for header in reply.headers.get_all("set-cookie") {
            let header = header.to_str().unwrap();
            let (name, rest) = header.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            if header.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        reply
    }

    /// Follows redirects for as long as they stay with us.
    pub async fn follow(&mut self, mut reply: Reply) -> Reply {
        for _ in 0..10 {
            if reply.status != 303 || !reply.location().starts_with('/') {
                return reply;
            }
            let to = reply.location().to_owned();
            reply = self.get(&to).await;
        }
        panic!("redirected in a circle");
    }

    /// Opens a page, and follows redirects for as long as they stay with us.
    pub async fn open(&mut self, path: &str) -> Reply {
        let reply = self.get(path).await;
        self.follow(reply).await
    }

    /// Sends the form of a page back with these fields beside its hidden ones, and follows.
    pub async fn submit(&mut self, page: &Reply, fields: &[(&str, &str)]) -> Reply {
        let reply = self.submit_only(page, fields).await;
        self.follow(reply).await
    }

    /// Sends the form of a page back, without following.
    pub async fn submit_only(&mut self, page: &Reply, fields: &[(&str, &str)]) -> Reply {
        let (action, hidden) = hidden_fields(&page.text());
        let mut form: Vec<(&str, &str)> = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        form.extend(fields);
        self.post(&action, &form).await
    }

    /// The form of a page on its way back, for requests that are sent at once.
    pub fn request_of(&self, page: &Reply, fields: &[(&str, &str)]) -> Request<Body> {
        let (action, hidden) = hidden_fields(&page.text());
        let mut form: Vec<(&str, &str)> = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        form.extend(fields);
        form_request(&action, &[("cookie", &self.cookie_header())], &form)
    }

    fn cookie_header(&self) -> String {
        let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }

    /// Signs in on the login page, and follows.
    pub async fn log_in(&mut self, page: &Reply, user: &str) -> Reply {
        self.submit(page, &[("username", user), ("password", PASSWORD)]).await
    }

    /// Signs a person in beside whoever is signed in already.
    pub async fn add_account(&mut self, user: &str) -> Reply {
        let choice = self.open("/accounts").await;
        let login = self.submit(&choice, &[("another", "yes")]).await;
        self.log_in(&login, user).await
    }

    /// Chooses a person's account on the page that asks for one, and follows.
    pub async fn choose(&mut self, page: &Reply, person: &str) -> Reply {
        self.submit(page, &[("account", &account_of(page, person))]).await
    }

    /// Starts an authorization request, with these parameters beside or instead of the usual ones; one that is empty is left out.
    pub async fn authorize(&mut self, client: &str, parameters: &[(&str, &str)]) -> Reply {
        self.open(&authorize_path(client, parameters)).await
    }

    /// Signs a person in to a client and consents: the answer to the client.
    pub async fn answer(&mut self, client: &str, user: &str, parameters: &[(&str, &str)]) -> Reply {
        let mut reply = self.authorize(client, parameters).await;
        if reply.status == 200 && reply.text().contains("name=\"password\"") {
            reply = self.log_in(&reply, user).await;
        }
        if reply.status == 200 && reply.text().contains("name=\"approve\"") {
            reply = self.submit(&reply, &[("approve", "yes")]).await;
        }
        reply
    }

    /// Signs a person in to a client and consents: the code.
    pub async fn code(&mut self, client: &str, user: &str, scope: &str) -> String {
        let reply = self.answer(client, user, &[("scope", scope)]).await;
        reply.assert_code()
    }
}

/// The address of an authorization request.
pub fn authorize_path(client: &str, parameters: &[(&str, &str)]) -> String {
    let mut all = BTreeMap::from([
        ("client_id", client),
        ("response_type", "code"),
        ("redirect_uri", REDIRECT_URI),
        ("scope", "openid"),
        ("state", "the state"),
        ("nonce", "the nonce"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]);
    all.extend(parameters.iter().copied());
    let pairs: Vec<_> = all.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    format!("/authorize?{}", encode(&pairs))
}

/// What names a person's account on the page where one is chosen.
#[track_caller]
pub fn account_of(page: &Reply, person: &str) -> String {
    let html = page.text();
    let mut buttons = html.split("name=\"account\" value=\"").skip(1);
    let button = buttons.find(|button| button.split("</button>").next().unwrap().contains(person));
    button.unwrap_or_else(|| panic!("no account of {person} in {html}")).split('"').next().unwrap().to_owned()
}

/// The action of a page's first form, and its hidden fields.
pub fn hidden_fields(html: &str) -> (String, Vec<(String, String)>) {
    let form = html.split("<form").nth(1).unwrap_or_else(|| panic!("no form in {html}"));
    let form = form.split("</form>").next().unwrap();
    let action = attribute(form.split('>').next().unwrap(), "action").expect("a form with an action");
    let inputs = form.split("<input").skip(1).map(|input| input.split('>').next().unwrap());
    let hidden = inputs.filter(|input| attribute(input, "type").as_deref() == Some("hidden"));
    let hidden = hidden.map(|input| (attribute(input, "name").unwrap(), attribute(input, "value").unwrap_or_default()));
    (action, hidden.collect())
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let rest = tag.split(&format!(" {name}=\"")).nth(1)?;
    let value = rest.split('"').next()?;
    let unescaped = value.replace("&quot;", "\"").replace("&#34;", "\"").replace("&#39;", "'").replace("&#x27;", "'");
    Some(
        unescaped
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&#60;", "<")
            .replace("&#62;", ">")
            .replace("&#38;", "&")
            .replace("&amp;", "&"),
    )
}
