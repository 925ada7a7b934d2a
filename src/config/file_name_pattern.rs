//! `file_name_pattern`: text with placeholders -> the pieces of which `storage` makes every staged file's name.
//!
//! The placeholders are the older connector's; those with a time take it in UTC. `{date:FORMAT}` understands Java's
//! letters as far as they make sense in a name. What cannot stand in a name (spaces, slashes, anything but ASCII letters,
//! digits, `-`, `_` and `.`) becomes `_`, in the text between the placeholders and in a date's format alike: staged
//! files lie right in their stream's folder, and their names need no escaping anywhere. A `.parquet` or
//! `.{format_extension}` at the end is taken off here; every name gets it back.

/// The placeholders, as a message lists them.
const KNOWN: &str = "{date}, {date:FORMAT} such as {date:yyyy_MM}, {timestamp}, {timestamp:millis}, \
                     {timestamp:micros}, {timestamp:micro}, {part_number}, {sync_id}, {format_extension}";
/// The letters of a `FORMAT`, as a message lists them.
const LETTERS: &str = "y (year), M (month), d (day), D (day of the year), E (weekday), a (AM or PM), H (hour from 0), \
                       h (hour from 1 to 12), m (minute), s (second), S (millisecond), text in single quotes";
/// An extension that users write out at the end of a pattern.
const EXTENSION: &str = "parquet";
/// `{date}`
const DATE: &str = "yyyy_MM_dd";
/// Characters of a pattern. A name has to fit into the 255 bytes that a file's name may have.
const LONGEST: usize = 120;
/// The most letters that stand for one field of a date.
const WIDEST: usize = 9;

/// A pattern that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileNamePattern {
    /// The name's pieces, without the extension at its end.
    pub pieces: Vec<Piece>,
}

/// A part of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Characters that every name has.
    Text(String),
    /// A field of the date and time, and how many letters stood for it.
    Date(DateField, usize),
    /// Milliseconds since the epoch.
    Millis,
    /// Microseconds since the epoch.
    Micros,
    /// The file's number in the sync.
    PartNumber,
    /// The sync's id.
    SyncId,
    /// The extension of the file's format, without a dot.
    Extension,
}

/// A letter of Java's date formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateField {
    /// `y`
    Year,
    /// `M`: a number, or from three letters on a name.
    Month,
    /// `d`
    Day,
    /// `D`
    DayOfYear,
    /// `E`: a name.
    Weekday,
    /// `a`
    HalfOfDay,
    /// `H`
    Hour,
    /// `h`
    HourOfHalf,
    /// `m`
    Minute,
    /// `s`
    Second,
    /// `S`
    Millisecond,
}

impl Default for FileNamePattern {
    /// `{date}_{timestamp:millis}_{part_number}_{sync_id}.{format_extension}`
    fn default() -> Self {
        let mut pieces = date(DATE).unwrap_or_default();
        let separator = || Piece::Text("_".to_owned());
        pieces.extend([separator(), Piece::Millis, separator(), Piece::PartNumber, separator(), Piece::SyncId]);
        Self { pieces }
    }
}

impl FileNamePattern {
    /// Reads a pattern, or says how the sentence "`file_name_pattern` …" goes on.
    pub(super) fn parse(pattern: &str) -> Result<Self, String> {
        if pattern.chars().count() > LONGEST {
            return Err(format!("is longer than {LONGEST} characters, too long for a file's name: shorten it."));
        }
        let mut pieces = Vec::new();
        let mut rest = pattern;
        while let Some((text, after)) = rest.split_once('{') {
            push_text(&mut pieces, text);
            let Some((placeholder, after)) = after.split_once('}') else {
                return Err(format!("has a {{ without a }} behind it. Known placeholders: {KNOWN}."));
            };
            pieces.extend(filled_by(placeholder.trim())?);
            rest = after;
        }
        push_text(&mut pieces, rest);
        let mut merged = Vec::with_capacity(pieces.len());
        for piece in pieces {
            match (merged.last_mut(), piece) {
                (_, Piece::Text(text)) if text.is_empty() => {}
                (Some(Piece::Text(before)), Piece::Text(text)) => before.push_str(&text),
                (_, piece) => merged.push(piece),
            }
        }
        if let [.., Piece::Text(text), Piece::Extension] = merged.as_slice()
            && text.ends_with('.')
        {
            merged.pop();
            take_off(&mut merged, ".");
        } else {
            take_off(&mut merged, &format!(".{EXTENSION}"));
        }
        Ok(Self { pieces: merged })
    }
}

/// Takes `end` off the text at the end of `pieces`.
fn take_off(pieces: &mut Vec<Piece>, end: &str) {
    let Some(Piece::Text(last)) = pieces.last_mut() else { return };
    let stem = last.strip_suffix(end).map(str::to_owned);
    match stem {
        Some(stem) if stem.is_empty() => drop(pieces.pop()),
        Some(stem) => *last = stem,
        None => {}
    }
}

fn filled_by(placeholder: &str) -> Result<Vec<Piece>, String> {
    Ok(match placeholder {
        "date" => return date(DATE),
        "timestamp" | "timestamp:millis" => vec![Piece::Millis],
        "timestamp:micros" | "timestamp:micro" => vec![Piece::Micros],
        "part_number" => vec![Piece::PartNumber],
        "sync_id" => vec![Piece::SyncId],
        "format_extension" => vec![Piece::Extension],
        other => {
            return match other.strip_prefix("date:") {
                Some(format) if !format.is_empty() => date(format),
                _ => {
                    let shown = super::fields::shown(&format!("{{{other}}}"));
                    Err(format!("has the unknown placeholder {shown}. Known placeholders: {KNOWN}."))
                }
            };
        }
    })
}

/// The pieces of a date in Java's format.
fn date(format: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = format;
    while let Some(first) = rest.chars().next() {
        if first == '\'' {
            let quoted = rest.get(1..).unwrap_or_default();
            let Some((text, after)) = quoted.split_once('\'') else {
                return Err("has a date format with a single quote that is never closed.".to_owned());
            };
            push_text(&mut pieces, text);
            rest = after;
            continue;
        }
        let width = rest.chars().take_while(|letter| *letter == first).count();
        let (run, after) = rest.split_at_checked(width * first.len_utf8()).unwrap_or((rest, ""));
        rest = after;
        if !first.is_ascii_alphabetic() {
            push_text(&mut pieces, run);
            continue;
        }
        let Some(field) = field(first) else {
            return Err(format!("has a date format with the unknown letter {first}. Known letters: {LETTERS}."));
        };
        if width > WIDEST {
            return Err(format!("has a date format with more than {WIDEST} letters {first} in a row."));
        }
        pieces.push(Piece::Date(field, width));
    }
    Ok(pieces)
}

fn field(letter: char) -> Option<DateField> {
    Some(match letter {
        'y' | 'u' => DateField::Year,
        'M' | 'L' => DateField::Month,
        'd' => DateField::Day,
        'D' => DateField::DayOfYear,
        'E' => DateField::Weekday,
        'a' => DateField::HalfOfDay,
        'H' => DateField::Hour,
        'h' => DateField::HourOfHalf,
        'm' => DateField::Minute,
        's' => DateField::Second,
        'S' => DateField::Millisecond,
        _ => return None,
    })
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    let fits = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    pieces.push(Piece::Text(text.chars().map(fits).collect()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(pattern: &str) -> String {
        FileNamePattern::parse(pattern).err().unwrap_or_default()
    }

    #[test]
    fn an_unknown_placeholder_is_named_together_with_the_known_ones() {
        for pattern in ["{day}", "a{}", "{date:}", "{Date}", "{timestamp:seconds}", "{part}"] {
            let said = problem(pattern);
            for known in [
                "{date}",
                "{date:yyyy_MM}",
                "{timestamp:micros}",
                "{timestamp:micro}",
                "{part_number}",
                "{sync_id}",
                "extension",
            ] {
                assert!(said.contains(known), "{pattern}: {said}");
            }
        }
        assert!(problem("{day}").contains("\"{day}\""));
    }

    #[test]
    fn what_no_pattern_can_mean_is_told() {
        assert!(problem("{date").contains("without a }"));
        assert!(problem("{date:YYYY}").contains("unknown letter Y"));
        assert!(problem("{date:yyyy'T}").contains("never closed"));
        assert!(problem("{date:yyyyyyyyyy}").contains("more than 9"));
        assert!(problem(&"x".repeat(121)).contains("longer than 120"));
    }

    #[test]
    fn the_default_is_what_its_text_says() {
        let text = "{date}_{timestamp:millis}_{part_number}_{sync_id}.{format_extension}";
        assert_eq!(FileNamePattern::parse(text), Ok(FileNamePattern::default()));
    }

    #[test]
    fn the_extension_at_the_end_is_no_piece() {
        for pattern in ["a", "a.parquet", "a.{format_extension}"] {
            assert_eq!(FileNamePattern::parse(pattern), Ok(FileNamePattern { pieces: vec![Piece::Text("a".into())] }));
        }
        for pattern in ["", ".parquet", ".{format_extension}"] {
            assert_eq!(FileNamePattern::parse(pattern), Ok(FileNamePattern { pieces: Vec::new() }));
        }
        let twice = vec![Piece::Text("a.".into()), Piece::Extension];
        assert_eq!(FileNamePattern::parse("a.{format_extension}.parquet"), Ok(FileNamePattern { pieces: twice }));
    }
}
