//! A small HTTP/1.1 client: one connection, one request at a time, kept alive. It shares the processors with the server
//! it measures, so it does no more than it must.

use std::{fmt::Write as _, net::SocketAddr, str};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, lookup_host},
};

use crate::{Result, fail};

/// Bytes of one answer that are read before it is refused.
const LONGEST_ANSWER: usize = 1 << 20;

/// A server on this machine, and how it wants to be called.
#[derive(Clone, Debug)]
pub struct Address {
    socket: SocketAddr,
    /// `Host` header.
    pub authority: String,
}

impl Address {
    /// Splits `http://host:port/path` into the server and the path.
    pub async fn of_url(url: &str) -> Result<(Self, String)> {
        let rest = url.strip_prefix("http://").ok_or_else(|| fail(format!("{url}: only http:// on loopback")))?;
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let with_port = if authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
            authority.to_owned()
        } else {
            format!("{authority}:80")
        };
        for socket in lookup_host(&with_port).await? {
            if !socket.ip().is_loopback() {
                return Err(fail(format!("{authority} is {socket}: only servers on loopback are driven")));
            }
            if TcpStream::connect(socket).await.is_ok() {
                return Ok((Self { socket, authority: authority.to_owned() }, path.to_owned()));
            }
        }
        Err(fail(format!("nothing listens at {authority}")))
    }

    /// A port of 127.0.0.1 that calls itself `localhost`.
    pub fn of_port(port: u16) -> Self {
        Self { socket: SocketAddr::from(([127, 0, 0, 1], port)), authority: format!("localhost:{port}") }
    }

    /// `http://authority`, without a slash at the end.
    pub fn origin(&self) -> String {
        format!("http://{}", self.authority)
    }

    /// The bytes of a GET request. Each of `headers` is a whole line without its end.
    pub fn get(&self, path: &str, headers: &[&str]) -> Vec<u8> {
        self.request("GET", path, headers, "")
    }

    /// The bytes of a POST request with a form as its body.
    pub fn post(&self, path: &str, headers: &[&str], body: &str) -> Vec<u8> {
        let length = format!("Content-Length: {}", body.len());
        let mut headers = headers.to_vec();
        headers.extend(["Content-Type: application/x-www-form-urlencoded", &length]);
        self.request("POST", path, &headers, body)
    }

    fn request(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Vec<u8> {
        let mut lines = vec![format!("{method} {path} HTTP/1.1"), format!("Host: {}", self.authority)];
        lines.extend(headers.iter().map(|&header| header.to_owned()));
        format!("{}\r\n\r\n{body}", lines.join("\r\n")).into_bytes()
    }
}

/// One kept-alive connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    pub async fn open(address: &Address) -> Result<Self> {
        let stream = TcpStream::connect(address.socket).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::with_capacity(8192) })
    }

    /// Sends one request and waits for its whole answer.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<Response> {
        self.stream.write_all(request).await?;
        let head_end = loop {
            if let Some(at) = find(&self.received, b"\r\n\r\n") {
                break at + 4;
            }
            self.receive().await?;
        };
        let head = str::from_utf8(self.received.get(..head_end).unwrap_or_default())?.to_owned();
        let mut response = Response { status: status_of(&head)?, head, body: Vec::new() };
        self.received.drain(..head_end);
        if matches!(response.status, 204 | 304) {
            return Ok(response);
        }
        response.body = match response.header("content-length") {
            Some(length) => self.take(length.parse()?).await?,
            None if response.header("transfer-encoding").is_some() => self.take_chunks().await?,
            None => return Err(fail("an answer says neither how long it is nor that it comes in chunks")),
        };
        Ok(response)
    }

    async fn receive(&mut self) -> Result<()> {
        if self.received.len() > LONGEST_ANSWER {
            return Err(fail("an answer is longer than 1 MiB"));
        }
        if self.stream.read_buf(&mut self.received).await? == 0 {
            return Err(fail("the server closed the connection"));
        }
        Ok(())
    }

    async fn take(&mut self, length: usize) -> Result<Vec<u8>> {
        while self.received.len() < length {
            self.receive().await?;
        }
        Ok(self.received.drain(..length).collect())
    }

    // RFC 9112 §7.1, without trailers.
    async fn take_chunks(&mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line_end = loop {
                if let Some(at) = find(&self.received, b"\r\n") {
                    break at;
                }
                self.receive().await?;
            };
            let line = self.take(line_end + 2).await?;
            let length = str::from_utf8(&line)?.split([';', '\r']).next().unwrap_or_default();
            let length = usize::from_str_radix(length.trim(), 16)?;
            body.extend(self.take(length).await?);
            self.take(2).await?;
            if length == 0 {
                return Ok(body);
            }
        }
    }
}

/// An answer.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    head: String,
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).next()
    }

    /// All headers of this name.
    pub fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .filter(move |(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    /// Where a redirect leads.
    pub fn location(&self) -> Option<&str> {
        if matches!(self.status, 302 | 303) { self.header("location") } else { None }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A string member of a JSON object.
    pub fn member(&self, name: &str) -> Result<String> {
        let json: serde_json::Value = serde_json::from_slice(&self.body).map_err(|_| self.unexpected())?;
        json.get(name).and_then(serde_json::Value::as_str).map(str::to_owned).ok_or_else(|| self.unexpected())
    }

    /// The error that shows this answer, which is not the one that was hoped for.
    pub fn unexpected(&self) -> crate::Error {
        let place = self.header("location").map(|location| format!(" to {location}")).unwrap_or_default();
        fail(format!("unexpected answer {}{place}: {:.300}", self.status, self.text().replace('\n', " ")))
    }
}

fn status_of(head: &str) -> Result<u16> {
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| fail(format!("not an answer in HTTP/1.1: {head:.60}")))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// `name=value&…` of an `application/x-www-form-urlencoded` body or a query.
pub fn form(fields: &[(&str, &str)]) -> String {
    let pairs: Vec<_> = fields.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
    pairs.join("&")
}

fn escape(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}"); // a String takes all that is written
        }
        escaped
    })
}

/// The `Authorization` header line of a client. RFC 6749 §2.3.1: both halves are form-encoded first.
pub fn basic(client_id: &str, client_secret: &str) -> String {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    let pair = format!("{}:{}", escape(client_id), escape(client_secret));
    format!("Authorization: Basic {}", BASE64_STANDARD.encode(pair))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{copy, sink},
        net::TcpListener,
        time::sleep,
    };

    use super::*;

    /// Answers one connection with the pieces, one packet each, whatever it is asked.
    async fn answers(pieces: &'static [&'static str]) -> Result<Connection> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await?;
            for piece in pieces {
                stream.write_all(piece.as_bytes()).await?;
                sleep(Duration::from_millis(5)).await;
            }
            stream.shutdown().await?;
            copy(&mut stream, &mut sink()).await // closed with requests unread, it would reset the connection
        });
        Connection::open(&Address::of_port(port)).await
    }

    #[tokio::test]
    async fn answers_are_told_apart_on_one_connection() -> Result<()> {
        let mut connection = answers(&[
            "HTTP/1.1 200 OK\r\ncontent-le",
            "ngth: 5\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\n\r\nhel",
            "loHTTP/1.1 303 See Other\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1",
            "0;x=y\r\n0123456789abcdef\r\n0\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
        ])
        .await?;
        let first = connection.exchange(b"x").await?;
        assert_eq!((first.status, first.text().as_str()), (200, "hello"));
        assert_eq!(first.headers("Set-Cookie").collect::<Vec<_>>(), ["a=1", "b=2"]);
        assert_eq!(first.location(), None);
        assert_eq!(connection.exchange(b"x").await?.location(), Some("/x"));
        assert_eq!(connection.exchange(b"x").await?.text(), "abc0123456789abcdef");
        assert_eq!(connection.exchange(b"x").await?.status, 204);
        assert!(connection.exchange(b"x").await.is_err(), "closed");
        Ok(())
    }

    #[tokio::test]
    async fn only_loopback_is_driven() -> Result<()> {
        assert!(Address::of_url("https://localhost/token").await.is_err());
        assert!(Address::of_url("http://192.0.2.1:80/token").await.is_err());
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/a/token", listener.local_addr()?);
        let (address, path) = Address::of_url(&url).await?;
        assert_eq!((address.origin() + &path, path.as_str()), (url, "/a/token"));
        Ok(())
    }

    #[test]
    fn requests_are_written_as_rfc_9112_asks() {
        let request = Address::of_port(80).post("/token", &["A: b"], &form(&[("a b", "ä&="), ("c", "d")]));
        assert_eq!(
            String::from_utf8_lossy(&request),
            "POST /token HTTP/1.1\r\nHost: localhost:80\r\nA: b\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: 22\r\n\r\na%20b=%C3%A4%26%3D&c=d"
        );
        assert_eq!(basic("a:b", "c"), "Authorization: Basic YSUzQWI6Yw==");
    }
}
