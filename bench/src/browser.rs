//! A person at the hosted pages: cookies, redirects and forms, and nothing else of a browser.

use crate::{
    Result, fail,
    http::{Address, Connection, Response, form},
};

/// Redirects and pages on one way before it is given up.
const LONGEST_WAY: usize = 12;

/// One browser with its cookies.
#[derive(Debug)]
pub struct Browser {
    address: Address,
    connection: Connection,
    cookies: Vec<(String, String)>,
}

/// Where a way through the pages ended.
#[derive(Debug)]
pub enum Stop {
    /// At a page with a form.
    Page(Form),
    /// At another origin: the answer to the app.
    App(String),
}

impl Browser {
    pub async fn open(address: &Address) -> Result<Self> {
        let connection = Connection::open(address).await?;
        Ok(Self { address: address.clone(), connection, cookies: Vec::new() })
    }

    /// Opens a page of the server and follows its redirects.
    pub async fn visit(&mut self, path: &str) -> Result<Stop> {
        let request = self.address.get(path, &self.headers().each_ref().map(String::as_str));
        let response = self.exchange(&request).await?;
        self.follow(response, path).await
    }

    /// Sends a form and follows where it leads.
    pub async fn send(&mut self, form: &Form) -> Result<Stop> {
        let request = self.request_of(form);
        let response = self.exchange(&request).await?;
        self.follow(response, &form.path).await
    }

    /// The bytes that sending the form takes, with the cookies of this browser.
    pub fn request_of(&self, form: &Form) -> Vec<u8> {
        let [accept, cookies] = self.headers();
        let origin = format!("Origin: {}", self.address.origin());
        let fields: Vec<_> = form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let headers = [accept.as_str(), &cookies, &origin, "Sec-Fetch-Site: same-origin"];
        self.address.post(&form.path, &headers, &self::form(&fields))
    }

    /// The bytes of a GET with the cookies of this browser.
    pub fn request_for(&self, path: &str) -> Vec<u8> {
        self.address.get(path, &self.headers().each_ref().map(String::as_str))
    }

    fn headers(&self) -> [String; 2] {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        ["Accept: text/html".to_owned(), format!("Cookie: {}", cookies.join("; "))]
    }

    async fn exchange(&mut self, request: &[u8]) -> Result<Response> {
        let response = self.connection.exchange(request).await?;
        for cookie in response.headers("set-cookie") {
            let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
            let Some((name, value)) = pair.split_once('=') else { continue };
            self.cookies.retain(|(known, _)| known != name);
            if !value.is_empty() && !attributes.to_ascii_lowercase().contains("max-age=0") {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        Ok(response)
    }

    async fn follow(&mut self, mut response: Response, path: &str) -> Result<Stop> {
        let mut path = path.to_owned();
        for _ in 0..LONGEST_WAY {
            let Some(location) = response.location() else {
                return match Form::of_page(&response.text(), &path) {
                    Some(form) if response.status == 200 => Ok(Stop::Page(form)),
                    _ => Err(response.unexpected()),
                };
            };
            path = match location.strip_prefix(&self.address.origin()) {
                Some(path) => path.to_owned(),
                None if location.starts_with('/') => location.to_owned(),
                None => return Ok(Stop::App(location.to_owned())),
            };
            let request = self.request_for(&path);
            response = self.exchange(&request).await?;
        }
        Err(fail(format!("redirects in a circle at {path}")))
    }
}

/// The form of a hosted page that is to be filled in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Form {
    path: String,
    /// Hidden fields and ticked boxes first, then what was filled in.
    fields: Vec<(String, String)>,
    /// Named text fields and buttons.
    offered: Vec<(String, String)>,
}

impl Form {
    /// The first form that asks for a name or for consent; forms that choose a language or the like are passed over.
    fn of_page(html: &str, path: &str) -> Option<Self> {
        html.split("<form")
            .skip(1)
            .map(|rest| Self::of_markup(rest.split("</form").next().unwrap_or(rest), path))
            .find(|form| form.asks_password() || form.asks_consent())
    }

    fn of_markup(markup: &str, path: &str) -> Self {
        let (start, content) = markup.split_once('>').unwrap_or((markup, ""));
        let action = attribute(start, "action").filter(|action| action.starts_with('/'));
        let mut form =
            Self { path: action.unwrap_or_else(|| path.to_owned()), fields: Vec::new(), offered: Vec::new() };
        for tag in content.split('<').filter_map(|tag| tag.split_once('>')).map(|(tag, _)| tag) {
            let (element, _) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
            let Some(name) = attribute(tag, "name").filter(|_| matches!(element, "input" | "button")) else { continue };
            let field = (name, attribute(tag, "value").unwrap_or_default());
            match attribute(tag, "type").as_deref() {
                Some("hidden") => form.fields.push(field),
                Some("checkbox") if attribute(tag, "checked").is_some() => form.fields.push(field),
                Some("checkbox") => {}
                _ => form.offered.push(field),
            }
        }
        form
    }

    pub fn asks_password(&self) -> bool {
        self.offered.iter().any(|(name, _)| name == "password")
    }

    pub fn asks_consent(&self) -> bool {
        self.button("approve").is_some()
    }

    fn button(&self, label: &str) -> Option<&(String, String)> {
        self.offered.iter().find(|(name, value)| name == label || value == label)
    }

    /// The form with a text field filled in.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The form as the button `approve` sends it.
    pub fn approved(mut self) -> Self {
        let button = self.button("approve").cloned();
        self.fields.extend(button);
        self
    }
}

/// The value of an attribute in a tag; an attribute without one counts as empty.
fn attribute(tag: &str, wanted: &str) -> Option<String> {
    let mut rest = tag.split_once(char::is_whitespace)?.1.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let (value, after) = match after.trim_start().strip_prefix('=').map(str::trim_start) {
            None => ("", after),
            Some(value) => match value.chars().next() {
                Some(quote @ ('"' | '\'')) => value.strip_prefix(quote)?.split_once(quote)?,
                _ => value.split_at(value.find(char::is_whitespace).unwrap_or(value.len())),
            },
        };
        if name.eq_ignore_ascii_case(wanted) {
            return Some(unescape(value));
        }
        rest = after.trim_start();
    }
    None
}

fn unescape(text: &str) -> String {
    let mut pieces = text.split('&');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        if let Some((character, rest)) = piece.split_once(';').and_then(|(name, rest)| Some((character(name)?, rest))) {
            plain.push(character);
            plain.push_str(rest);
        } else {
            plain.push('&');
            plain.push_str(piece);
        }
    }
    plain
}

fn character(entity: &str) -> Option<char> {
    match entity {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = entity.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_login_form_is_found_and_filled_in() {
        let page = r#"<form action="/language"><input name=lang value=de></form>
            <form method="post" action="/login?i=a&amp;b">
            <input type="hidden" name="csrf" value="&#x27;x&#39;&unknown;"><input type=hidden name='i' value='a"b'/>
            <label>Name <input name="username" autofocus></label><input name="password" type="password" required>
            <button>Sign in</button></form>"#;
        let form = Form::of_page(page, "/elsewhere").unwrap();
        assert!(form.asks_password() && !form.asks_consent());
        let form = form.with("username", "ada");
        assert_eq!(form.path, "/login?i=a&b");
        let fields: Vec<_> = form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(fields, [("csrf", "'x'&unknown;"), ("i", "a\"b"), ("username", "ada")]);
    }

    #[test]
    fn consent_is_given_by_the_button() {
        let page = r#"<form method=post><input type=checkbox name=scope value=a checked><input type=checkbox name=scope
            value=b><button name="deny">No</button><button name="approve" value="yes">Yes</button></form>"#;
        let form = Form::of_page(page, "/consent?i=x").unwrap().approved();
        assert_eq!(form.path, "/consent?i=x");
        assert_eq!(form.fields, [("scope".to_owned(), "a".to_owned()), ("approve".to_owned(), "yes".to_owned())]);
        assert_eq!(Form::of_page("<form><input name=x></form>", "/"), None);
    }
}
