//! Reads one line of the Airbyte protocol without building a tree. Of a record it reads the envelope; `data` stays the bytes
//! that were sent.
//!
//! It accepts a line exactly when `serde_json` does. In particular, a value that is skipped may contain lone surrogate escapes
//! and be nested without limit; a text that is decoded (the keys of the envelope, `type`, `stream`, `namespace`) may not
//! contain a lone surrogate.
//!
//! Two walks over JSON text share the work: `cursor` goes byte by byte and decides every case; `bitmaps` skips an object 64 bytes
//! at a time, with the vector instructions of `simd`, and gives up in unusual cases.

#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
mod bitmaps;
mod cursor;
mod grammar;
mod simd;

use std::borrow::Cow;
use std::fmt;

use cursor::Cursor;

/// One line, by its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scanned<'a> {
    /// A record.
    Record(Record<'a>),
    /// Any other message with a `type`; the caller reads its body with serde.
    Other {
        /// The value of `type`.
        kind: Cow<'a, str>,
    },
}

/// The envelope of a record, and its data as they were sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Record<'a> {
    /// The name of the stream, unescaped.
    pub stream: Cow<'a, str>,
    /// The namespace; `None` where it is missing, `null` or empty.
    pub namespace: Option<Cow<'a, str>>,
    /// The JSON text of the `data` object, exactly as sent: valid UTF-8, braces included.
    pub data: &'a [u8],
    /// When the source emitted the record, in milliseconds since 1970.
    pub emitted_at: i64,
    /// The JSON text of `meta`, of any type, where the record has one.
    pub meta: Option<&'a [u8]>,
    /// Whether a file comes with the record: `file` or `file_reference` is there and not `null`.
    pub has_file: bool,
}

impl fmt::Debug for Record<'_> {
    /// Names and lengths only: a cell value must not reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("stream", &self.stream)
            .field("namespace", &self.namespace)
            .field("data_bytes", &self.data.len())
            .field("emitted_at", &self.emitted_at)
            .finish()
    }
}

/// Why a line is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{reason} (byte {at})")]
pub struct Malformed {
    /// The byte offset in the line where that was found.
    pub at: usize,
    /// What is wrong there.
    pub reason: Reason,
}

/// What is wrong with a line. It names the field, never a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The text is not one JSON value.
    NotJson,
    /// The line is JSON, but not an object.
    NotAMessage,
    /// A field that must be there is not.
    Missing(&'static str),
    /// A field is there twice.
    Duplicate(&'static str),
    /// A field is not an object.
    NotAnObject(&'static str),
    /// A field is not a string.
    NotAString(&'static str),
    /// A field is not an integer of 64 bits.
    NotAnInteger(&'static str),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson => f.write_str("not valid JSON"),
            Self::NotAMessage => f.write_str("not a JSON object"),
            Self::Missing(field) => write!(f, "`{field}` is missing"),
            Self::Duplicate(field) => write!(f, "`{field}` appears twice"),
            Self::NotAnObject(field) => write!(f, "`{field}` is not an object"),
            Self::NotAString(field) => write!(f, "`{field}` is not a string"),
            Self::NotAnInteger(field) => write!(f, "`{field}` is not an integer"),
        }
    }
}

const RECORD: &str = "RECORD";

/// Reads one line, given without its line end.
///
/// # Errors
///
/// When the line is not one JSON object, or is a record that lacks a field or has one of another type.
pub fn scan(line: &str) -> Result<Scanned<'_>, Malformed> {
    let mut cursor = Cursor::new(line);
    if cursor.skip_space() != Some(b'{') {
        return Err(not_an_object(&mut cursor));
    }
    let mut kind: Option<Cow<'_, str>> = None;
    let mut record = Field::Absent;
    object(&mut cursor, |cursor, key| {
        match key {
            Key::Type => {
                let value = string(cursor, "type")?;
                once(cursor, &mut kind, value, "type")?;
            }
            Key::Record => {
                if !matches!(record, Field::Absent) {
                    return Err(cursor.malformed(Reason::Duplicate("record")));
                }
                record = if kind.as_deref() == Some(RECORD) {
                    Field::Read(body(cursor)?)
                } else {
                    // `type` comes later: only then it is known whether this is a record.
                    let at = cursor.position();
                    cursor.skip_value()?;
                    Field::Unread(at)
                };
            }
            _ => cursor.skip_value()?,
        }
        Ok(())
    })?;
    if cursor.skip_space().is_some() {
        return Err(cursor.malformed(Reason::NotJson));
    }
    let Some(kind) = kind else { return Err(cursor.malformed(Reason::Missing("type"))) };
    if kind != RECORD {
        return Ok(Scanned::Other { kind });
    }
    match record {
        Field::Read(record) => Ok(Scanned::Record(record)),
        Field::Unread(at) => {
            cursor.go_to(at);
            Ok(Scanned::Record(body(&mut cursor)?))
        }
        Field::Absent => Err(cursor.malformed(Reason::Missing("record"))),
    }
}

/// What is known of the `record` field.
enum Field<'a> {
    Absent,
    Read(Record<'a>),
    Unread(usize),
}

/// The error for a line that is not an object. If it is not even JSON, the error says that instead.
#[cold]
fn not_an_object(cursor: &mut Cursor<'_>) -> Malformed {
    let at = cursor.position();
    match cursor.skip_value() {
        Err(error) => error,
        Ok(()) if cursor.skip_space().is_some() => cursor.malformed(Reason::NotJson),
        Ok(()) => Malformed { at, reason: Reason::NotAMessage },
    }
}

/// Reads the value of `record`.
fn body<'a>(cursor: &mut Cursor<'a>) -> Result<Record<'a>, Malformed> {
    if cursor.skip_space() != Some(b'{') {
        return Err(cursor.malformed(Reason::NotAnObject("record")));
    }
    let (mut stream, mut namespace, mut data, mut emitted_at) = (None, None, None, None);
    let (mut meta, mut has_file) = (None, false);
    object(cursor, |cursor, key| match key {
        Key::Stream => {
            let value = string(cursor, "record.stream")?;
            once(cursor, &mut stream, value, "record.stream")
        }
        Key::Namespace => {
            let value = match cursor.skip_space() {
                Some(b'n') => {
                    cursor.literal(b"null")?;
                    None
                }
                _ => Some(string(cursor, "record.namespace")?),
            };
            once(cursor, &mut namespace, value, "record.namespace")
        }
        Key::Data => {
            if cursor.skip_space() != Some(b'{') {
                return Err(cursor.malformed(Reason::NotAnObject("record.data")));
            }
            let from = cursor.position();
            cursor.skip_value()?;
            let value = cursor.since(from);
            once(cursor, &mut data, value, "record.data")
        }
        Key::EmittedAt => {
            let value = cursor.integer().ok_or_else(|| cursor.malformed(Reason::NotAnInteger("record.emitted_at")))?;
            once(cursor, &mut emitted_at, value, "record.emitted_at")
        }
        Key::Meta => {
            meta = Some(value(cursor)?);
            Ok(())
        }
        Key::File => {
            has_file |= value(cursor)? != b"null";
            Ok(())
        }
        _ => cursor.skip_value(),
    })?;
    let missing = |field| cursor.malformed(Reason::Missing(field));
    Ok(Record {
        stream: stream.ok_or_else(|| missing("record.stream"))?,
        namespace: namespace.flatten().filter(|namespace| !namespace.is_empty()),
        data: data.ok_or_else(|| missing("record.data"))?,
        emitted_at: emitted_at.ok_or_else(|| missing("record.emitted_at"))?,
        meta,
        has_file,
    })
}

/// The keys that are read, in the message or in the record.
#[derive(Clone, Copy)]
enum Key {
    Type,
    Record,
    Stream,
    Namespace,
    Data,
    EmittedAt,
    Meta,
    File,
    Unknown,
}

impl Key {
    /// Consumes a key and its colon.
    #[inline]
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        // The usual form of a key: without escapes, and no space after it.
        let (text, key): (&[u8], _) = match cursor.second() {
            Some(b't') => (b"\"type\":", Self::Type),
            Some(b'r') => (b"\"record\":", Self::Record),
            Some(b's') => (b"\"stream\":", Self::Stream),
            Some(b'n') => (b"\"namespace\":", Self::Namespace),
            Some(b'd') => (b"\"data\":", Self::Data),
            Some(b'm') => (b"\"meta\":", Self::Meta),
            _ => (b"\"emitted_at\":", Self::EmittedAt),
        };
        if cursor.take(text) {
            return Ok(key);
        }
        let name = cursor.decode_string()?;
        cursor.expect_colon()?;
        Ok(match &*name {
            "type" => Self::Type,
            "record" => Self::Record,
            "stream" => Self::Stream,
            "namespace" => Self::Namespace,
            "data" => Self::Data,
            "emitted_at" => Self::EmittedAt,
            "meta" => Self::Meta,
            "file" | "file_reference" => Self::File,
            _ => Self::Unknown,
        })
    }
}

/// Goes through the members of the object that starts at the cursor; `field` must step over the value.
#[inline(always)]
fn object<'a>(
    cursor: &mut Cursor<'a>,
    mut field: impl FnMut(&mut Cursor<'a>, Key) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    cursor.advance();
    if cursor.skip_space() == Some(b'}') {
        cursor.advance();
        return Ok(());
    }
    loop {
        if cursor.skip_space() != Some(b'"') {
            return Err(cursor.malformed(Reason::NotJson));
        }
        let key = Key::read(cursor)?;
        field(cursor, key)?;
        match cursor.skip_space() {
            Some(b',') => cursor.advance(),
            Some(b'}') => {
                cursor.advance();
                return Ok(());
            }
            _ => return Err(cursor.malformed(Reason::NotJson)),
        }
    }
}

/// The text of a value that few records have.
#[inline(never)]
fn value<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], Malformed> {
    cursor.skip_space();
    let from = cursor.position();
    cursor.skip_value()?;
    Ok(cursor.since(from))
}

#[inline]
fn string<'a>(cursor: &mut Cursor<'a>, field: &'static str) -> Result<Cow<'a, str>, Malformed> {
    if cursor.skip_space() != Some(b'"') {
        return Err(cursor.malformed(Reason::NotAString(field)));
    }
    cursor.decode_string()
}

#[inline]
fn once<T>(cursor: &Cursor<'_>, slot: &mut Option<T>, value: T, field: &'static str) -> Result<(), Malformed> {
    if slot.is_some() {
        return Err(cursor.malformed(Reason::Duplicate(field)));
    }
    *slot = Some(value);
    Ok(())
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
