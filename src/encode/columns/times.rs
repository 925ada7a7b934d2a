//! Parses dates and times in the formats that sources use.
//!
//! The formats are those of connector 1.1.x, which read dates and times by one pattern of optional parts:
//! <https://github.com/airbytehq/json-avro-converter/blob/1.1.0/converter/src/main/java/tech/allegro/schema/json2avro/converter/util/DateTimeUtils.java>.
//! [`Style::Classic`] reads exactly those and, like that connector, keeps milliseconds. [`Style::Columns`] reads more formats,
//! keeps microseconds, and refuses days that do not exist, such as 31 February.

use std::borrow::Cow;

use super::moment::{Moment, days_in_month};
use super::zones::{self, Zone};

/// Which ways of writing are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// What connector 1.1.x reads, with what it makes of it.
    Classic,
    /// Those and more.
    Columns,
}

/// A time in microseconds, and whether it has a part below them that was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Micros {
    /// Microseconds.
    pub value: i64,
    /// Whether something was cut off.
    pub is_cut: bool,
}

const MICROS: i64 = 1_000_000;
const DAY: i64 = 86_400 * MICROS;

/// The day of a date, or of a date with a time, in days since 1970-01-01.
pub fn date(text: &[u8], style: Style) -> Option<i32> {
    i32::try_from(read(text, style)?.day?).ok()
}

/// An instant in microseconds since 1970-01-01 00:00 UTC. What has no zone is in UTC.
pub fn timestamp(text: &[u8], style: Style) -> Option<Micros> {
    if style == Style::Classic
        && let Some(value) = digits_only(text)
    {
        return value;
    }
    let moment = read(text, style)?;
    let mut micros = local(moment, style)?;
    micros.value = match moment.zone {
        None => micros.value,
        Some(zone) => micros.value.checked_sub(zone.offset(micros.value.div_euclid(MICROS))?.checked_mul(MICROS)?)?,
    };
    if style == Style::Classic {
        micros.value = micros.value.div_euclid(1000).checked_mul(1000)?;
    }
    Some(micros)
}

/// A date and a time of day as they are written, whatever the zone, in microseconds since 1970-01-01 00:00.
pub fn local_timestamp(text: &[u8], style: Style) -> Option<Micros> {
    local(read(text, style)?, style)
}

/// Whether a text is a day and nothing else: it has no time, or midnight in UTC.
pub fn is_day(text: &[u8]) -> bool {
    read(text, Style::Columns).is_some_and(|moment| moment.time.unwrap_or(0) == 0 && is_in_utc(moment))
}

/// Whether a text has no zone, or UTC.
pub fn is_local(text: &[u8]) -> bool {
    read(text, Style::Columns).is_some_and(is_in_utc)
}

/// Whether a text is a time of day and nothing else: it has no day, and no zone or UTC.
pub fn is_time_of_day(text: &[u8]) -> bool {
    let text = without_line_breaks(text);
    let mut parser = Parser { text: &text, at: 0, style: Style::Columns, moment: Moment::default() };
    let is_time = parser.time() && parser.is_at_end() && parser.moment.zone.is_none_or(|zone| zone == Zone::UTC);
    is_time || digits_only(&text).is_some()
}

/// Whether connector 1.1.x keeps all that a text says of an instant: it reads nothing else in it, and cuts nothing off.
pub fn is_kept_by_classic(text: &[u8]) -> bool {
    digits_only(text).is_some() || timestamp(text, Style::Classic) == timestamp(text, Style::Columns)
}

fn is_in_utc(moment: Moment) -> bool {
    let is_utc = |zone: Zone| {
        let seconds = local(moment, Style::Columns).map(|micros| micros.value.div_euclid(MICROS));
        seconds.and_then(|seconds| zone.offset(seconds)) == Some(0)
    };
    moment.zone.is_none_or(is_utc)
}

/// A time of day as it is written, whatever the zone, in microseconds since midnight.
pub fn time(text: &[u8], style: Style) -> Option<Micros> {
    if style == Style::Classic
        && let Some(value) = digits_only(text)
    {
        return value;
    }
    let text = without_line_breaks(text);
    let mut parser = Parser { text: &text, at: 0, style, moment: Moment::default() };
    let moment = if parser.time() && parser.is_at_end() { Some(parser.moment) } else { read(&text, style) };
    let moment = moment?;
    Some(Micros { value: moment.time?.rem_euclid(DAY), is_cut: moment.is_cut })
}

fn local(moment: Moment, style: Style) -> Option<Micros> {
    let time = match (moment.time, style) {
        (Some(time), _) => time,
        (None, Style::Columns) => 0,
        (None, Style::Classic) => return None,
    };
    Some(Micros { value: moment.day?.checked_mul(DAY)?.checked_add(time)?, is_cut: moment.is_cut })
}

/// A text of digits only is a number of microseconds in connector 1.1.x; the outer `None` is for any other text.
fn digits_only(text: &[u8]) -> Option<Option<Micros>> {
    let text = without_line_breaks(text);
    let digits = text.strip_prefix(b"-").unwrap_or(&text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
    Some(value.map(|value| Micros { value, is_cut: false }))
}

fn without_line_breaks(text: &[u8]) -> Cow<'_, [u8]> {
    if text.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        return text.iter().copied().filter(|byte| !matches!(byte, b'\n' | b'\r')).collect();
    }
    Cow::Borrowed(text)
}

fn read(text: &[u8], style: Style) -> Option<Moment> {
    if let Some(moment) = Moment::of_iso(text) {
        return Some(moment);
    }
    let text = without_line_breaks(text);
    let mut parser = Parser { text: &text, at: 0, style, moment: Moment::default() };
    parser.date()?;
    parser.is_at_end().then_some(parser.moment)
}

/// Reads parts one after the other; a part that is not there is passed over. None of the parts is read in a second way when a
/// later one fails, as in Java.
struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    style: Style,
    moment: Moment,
}

impl Parser<'_> {
    /// A date, the time behind it and its zone, where they are there; `None` if the date is none.
    fn date(&mut self) -> Option<()> {
        let mut year = self.year();
        year = self.also(year, 2, 2).map(|value| if year.is_none() { value + 2000 } else { value });
        let is_separated = self.separators();
        let mut month = self.month_name();
        let is_named = month.is_some();
        month = self.also(month, 2, 2);
        month = self.also(month, 1, 19);
        let is_separated = self.separators() && is_separated;
        // A number such as `30.012` is no date, whatever the older connector made of it.
        if self.style == Style::Columns && !is_separated && !is_named {
            return None;
        }
        let mut day = self.also(None, 2, 2);
        day = self.also(day, 1, 19);
        self.eat(b' ');
        let mut era = self.era();
        let before = (self.at, self.moment);
        self.eat(b' ');
        let _ = self.eat(b'T') || (self.style == Style::Columns && self.eat(b't'));
        if !self.time() {
            (self.at, self.moment) = before;
        } else if self.moment.has_seconds || self.style == Style::Columns {
            let place = self.at;
            self.eat(b' ');
            let late = self.era();
            era = era.or(late);
            if late.is_none() && self.style == Style::Columns {
                self.at = place;
            }
        }
        let year = match era {
            Some(false) => 1 - year?,
            _ => year?,
        };
        let (month, mut day) = (month?, day?);
        if self.style == Style::Classic && (29..=31).contains(&day) {
            day = day.min(days_in_month(year, month)?);
        }
        self.moment.set_day(year, month, day)
    }

    /// The time behind a date, or a time alone: hours and minutes, where they are there seconds and a zone.
    fn time(&mut self) -> bool {
        let (Some(hour), true, Some(minute)) = (self.fixed(2), self.eat(b':'), self.fixed(2)) else {
            return false;
        };
        let before = self.at;
        let (mut second, mut nanos) = (0, 0);
        if self.eat(b':') {
            match self.fixed(2) {
                Some(value) => {
                    second = value;
                    self.moment.has_seconds = true;
                    nanos = self.fraction();
                }
                None => self.at = before,
            }
        }
        if self.moment.has_seconds || self.style == Style::Columns {
            self.eat(b' ');
            self.moment.zone = self.zone();
        }
        self.moment.set_time(hour, minute, second, nanos).is_some()
    }

    /// Four digits, or more behind a plus.
    fn year(&mut self) -> Option<i64> {
        let before = self.at;
        let plus = self.eat(b'+');
        let length = self.digits();
        let value =
            if (length == 4 && !plus) || (plus && (5..=9).contains(&length)) { self.fixed(length) } else { None };
        if value.is_none() {
            self.at = before;
        }
        value
    }

    /// A number of `least` to `most` digits. If the part is `known` already, only the same number is passed over.
    fn also(&mut self, known: Option<i64>, least: usize, most: usize) -> Option<i64> {
        let length = self.digits().min(most);
        if length < least {
            return known;
        }
        let before = self.at;
        let value = self.fixed(length);
        if known.is_some() && value != known {
            self.at = before;
            return known;
        }
        value
    }

    fn month_name(&mut self) -> Option<i64> {
        const NAMES: [&[u8; 3]; 12] =
            [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
        let name = self.text.get(self.at..self.at + 3)?;
        let month = match self.style {
            Style::Classic => NAMES.iter().position(|known| known.as_slice() == name),
            Style::Columns => NAMES.iter().position(|known| known.eq_ignore_ascii_case(name)),
        }?;
        self.at += 3;
        i64::try_from(month + 1).ok()
    }

    /// Nanoseconds.
    fn fraction(&mut self) -> i64 {
        let point = self.eat(b'.') || (self.style == Style::Columns && self.eat(b','));
        if self.style == Style::Columns {
            let length = if point { self.digits() } else { 0 };
            let nanos = self.fixed(length.min(9)).unwrap_or(0) * 10_i64.pow(9 - length.min(9) as u32);
            let rest = self.fixed(self.digits().min(18)).unwrap_or(0);
            self.at += self.digits();
            self.moment.is_cut = rest != 0;
            return nanos;
        }
        let mut nanos = None;
        for length in [6, 5, 4, 3] {
            if self.digits() < length {
                continue;
            }
            let before = self.at;
            let value = self.fixed(length).map(|value| value * 10_i64.pow(9 - length as u32));
            if nanos.is_some() && value != nanos {
                self.at = before;
            } else {
                nanos = value;
            }
        }
        nanos.unwrap_or(0)
    }

    /// Whether the era is that after Christ.
    fn era(&mut self) -> Option<bool> {
        let era = match self.text.get(self.at..self.at + 2)? {
            b"AD" => true,
            b"BC" => false,
            _ => return None,
        };
        self.at += 2;
        Some(era)
    }

    fn zone(&mut self) -> Option<Zone> {
        let (zone, length) = zones::zone(self.text.get(self.at..)?, self.style == Style::Columns)?;
        self.at += length;
        Some(zone)
    }

    /// Passes over each of the separators once, in their order; whether there was one.
    fn separators(&mut self) -> bool {
        let before = self.at;
        for separator in *b"-/. " {
            self.eat(separator);
        }
        self.at > before
    }

    fn eat(&mut self, byte: u8) -> bool {
        let is = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(is);
        is
    }

    /// How many digits follow.
    fn digits(&self) -> usize {
        self.text.get(self.at..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count()
    }

    /// The number of the next `length` digits, at most 19; `None`, and nothing is passed over, where there are fewer or none.
    fn fixed(&mut self, length: usize) -> Option<i64> {
        let digits = self.text.get(self.at..self.at + length)?;
        let add = |sum: Option<i64>, digit: &u8| {
            let digit = digit.is_ascii_digit().then(|| i64::from(digit - b'0'))?;
            sum.unwrap_or(0).checked_mul(10)?.checked_add(digit)
        };
        let value = digits.iter().try_fold(None, |sum, digit| add(sum, digit).map(Some))??;
        self.at += length;
        Some(value)
    }

    fn is_at_end(&mut self) -> bool {
        self.at == self.text.len()
    }
}

#[cfg(test)]
#[path = "times_tests.rs"]
mod tests;
