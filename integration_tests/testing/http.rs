//! HTTP for the proxy and the scripted servers: whole messages, read from a connection as they are.

use std::io::{BufRead, Error, Result, Write};
use std::net::TcpStream;

/// A request or an answer: its first line and headers as they came, and its body.
pub struct Message {
    /// The first line and the headers, up to the empty line.
    pub head: Vec<u8>,
    /// The body, chunks and all.
    pub body: Vec<u8>,
    /// Whether nothing follows it.
    pub ends_connection: bool,
}

impl Message {
    /// An answer with `body`, after which the connection ends.
    pub fn answer(status: u16, content_type: &str, body: &str) -> Self {
        let head = format!(
            "HTTP/1.1 {status} As the test wishes\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: \
             close\r\n\r\n",
            body.len()
        );
        Self { head: head.into_bytes(), body: body.as_bytes().to_vec(), ends_connection: true }
    }

    /// One more header.
    pub fn add_header(&mut self, name: &str, value: &str) {
        self.head.truncate(self.head.len() - 2);
        self.head.extend_from_slice(format!("{name}: {value}\r\n\r\n").as_bytes());
    }
}

/// Reads one message; `None` where the connection ends before it. `length` says how long the body is when no header
/// does, by the status of an answer; `None`: to the end of the connection.
pub fn read_message(
    from: &mut impl BufRead,
    length: impl Fn(u16) -> Option<usize>,
    client: &TcpStream,
) -> Result<Option<Message>> {
    let mut head = Vec::new();
    let (mut size, mut chunked, mut ends_connection, mut expects) = (None, false, false, false);
    loop {
        let begin = head.len();
        if from.read_until(b'\n', &mut head)? == 0 {
            return if head.is_empty() { Ok(None) } else { Err(Error::other("cut in its head")) };
        }
        let line = String::from_utf8_lossy(&head[begin..]).trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        match line.split_once(':').map(|(name, value)| (name, value.trim())) {
            Some(("content-length", value)) => size = value.parse::<usize>().ok(),
            Some(("transfer-encoding", value)) => chunked = value.contains("chunked"),
            Some(("connection", value)) => ends_connection = value.contains("close"),
            Some(("expect", _)) => expects = true,
            _ => {}
        }
    }
    if expects {
        let mut client = client;
        client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let status = String::from_utf8_lossy(&head).split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let mut body = Vec::new();
    let by_status = length(status);
    if chunked {
        read_chunks(from, &mut body)?;
    } else if by_status == Some(0) && (status != 0 || size.is_none()) {
        // An answer without a body whatever its headers say, or a request without one.
    } else if let Some(size) = size {
        body.resize(size, 0);
        from.read_exact(&mut body)?;
    } else if !(100..200).contains(&status) {
        ends_connection = true;
        from.read_to_end(&mut body)?;
    }
    Ok(Some(Message { head, body, ends_connection }))
}

/// Reads a chunked body as it is, chunk sizes and all.
fn read_chunks(from: &mut impl BufRead, body: &mut Vec<u8>) -> Result<()> {
    loop {
        let begin = body.len();
        from.read_until(b'\n', body)?;
        let line = String::from_utf8_lossy(&body[begin..]).into_owned();
        let size = line.trim().split(';').next().and_then(|size| usize::from_str_radix(size, 16).ok());
        let size = size.ok_or_else(|| Error::other("no size of a chunk"))?;
        if size == 0 {
            // Trailers, and the empty line.
            while from.read_until(b'\n', body)? > 2 {}
            return Ok(());
        }
        let begin = body.len();
        body.resize(begin + size + 2, 0);
        from.read_exact(&mut body[begin..])?;
    }
}
