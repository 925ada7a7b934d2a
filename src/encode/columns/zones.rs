//! Parses the time zone after a time: `Z`, offsets, `GMT+8`, names of the zone database, abbreviations.

use chrono::{DateTime, MappedLocalTime, Offset, TimeZone};
use chrono_tz::Tz;

/// A time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// Seconds east of Greenwich.
    Fixed(i64),
    /// A region with its own rules.
    Region(Tz),
}

/// Abbreviations, and the region whose time each is. Java reads them so: a zone's summer time counts where the date is in summer,
/// whichever of its names is written.
const ABBREVIATIONS: [(&[u8], Tz); 44] = [
    (b"PST", Tz::America__Los_Angeles),
    (b"PDT", Tz::America__Los_Angeles),
    (b"PT", Tz::America__Los_Angeles),
    (b"MST", Tz::America__Denver),
    (b"MDT", Tz::America__Denver),
    (b"MT", Tz::America__Denver),
    (b"CST", Tz::America__Chicago),
    (b"CDT", Tz::America__Chicago),
    (b"CT", Tz::America__Chicago),
    (b"EST", Tz::America__New_York),
    (b"EDT", Tz::America__New_York),
    (b"ET", Tz::America__New_York),
    (b"AKST", Tz::America__Anchorage),
    (b"AKDT", Tz::America__Anchorage),
    (b"HST", Tz::Pacific__Honolulu),
    (b"AST", Tz::America__Halifax),
    (b"ADT", Tz::America__Halifax),
    (b"NST", Tz::America__St_Johns),
    (b"NDT", Tz::America__St_Johns),
    (b"BRT", Tz::America__Sao_Paulo),
    (b"ART", Tz::America__Argentina__Buenos_Aires),
    (b"WET", Tz::Europe__Lisbon),
    (b"WEST", Tz::Europe__Lisbon),
    (b"BST", Tz::Europe__London),
    (b"CET", Tz::Europe__Paris),
    (b"CEST", Tz::Europe__Paris),
    (b"MET", Tz::Europe__Paris),
    (b"MEST", Tz::Europe__Paris),
    (b"EET", Tz::Europe__Bucharest),
    (b"EEST", Tz::Europe__Bucharest),
    (b"MSK", Tz::Europe__Moscow),
    (b"SAST", Tz::Africa__Johannesburg),
    (b"CAT", Tz::Africa__Maputo),
    (b"EAT", Tz::Africa__Nairobi),
    (b"WAT", Tz::Africa__Lagos),
    (b"IST", Tz::Asia__Kolkata),
    (b"PKT", Tz::Asia__Karachi),
    (b"ICT", Tz::Asia__Bangkok),
    (b"HKT", Tz::Asia__Hong_Kong),
    (b"KST", Tz::Asia__Seoul),
    (b"JST", Tz::Asia__Tokyo),
    (b"AEST", Tz::Australia__Sydney),
    (b"AEDT", Tz::Australia__Sydney),
    (b"NZST", Tz::Pacific__Auckland),
];

impl Zone {
    /// Universal time.
    pub const UTC: Self = Self::Fixed(0);

    /// The zone `hours`, `minutes` and `seconds` from Greenwich, west of it if the sign is a minus; at most 18 hours.
    pub fn fixed(sign: u8, hours: i64, minutes: i64, seconds: i64) -> Option<Self> {
        let all = (hours * 60 + minutes) * 60 + seconds;
        (minutes < 60 && seconds < 60 && all <= 18 * 3600).then_some(Self::Fixed(if sign == b'-' { -all } else { all }))
    }

    /// How many seconds east of Greenwich the zone is at a local time, in seconds since 1970-01-01 00:00. A local time that the clock
    /// passes twice is the first one; one that it leaves out is counted on from before the gap.
    pub fn offset(self, local: i64) -> Option<i64> {
        let zone = match self {
            Self::Fixed(offset) => return Some(offset),
            Self::Region(zone) => zone,
        };
        let at = |local: i64| {
            let local = DateTime::from_timestamp(local, 0)?.naive_utc();
            Some(match zone.offset_from_local_datetime(&local) {
                MappedLocalTime::Single(offset) | MappedLocalTime::Ambiguous(offset, _) => Some(offset),
                MappedLocalTime::None => None,
            })
        };
        let offset = match at(local)? {
            Some(offset) => offset,
            // No gap is longer than a day.
            None => at(local - 86_400)??,
        };
        Some(i64::from(offset.fix().local_minus_utc()))
    }
}

/// The zone at the beginning of `text`, and its length there. `lenient` reads `z` and offsets behind `UTC` as behind `GMT`.
pub fn zone(text: &[u8], lenient: bool) -> Option<(Zone, usize)> {
    if matches!(text.first(), Some(b'+' | b'-')) {
        return offset(text, lenient);
    }
    let name = text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"/_+-".contains(byte)).count();
    let (name, _) = text.split_at(name);
    let region = std::str::from_utf8(name).ok().filter(|name| name.contains('/')).and_then(|name| name.parse().ok());
    if let Some(region) = region {
        return Some((Zone::Region(region), name.len()));
    }
    let letters = name.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let (letters, rest) = name.split_at(letters);
    match letters {
        b"Z" => return Some((Zone::UTC, 1)),
        b"z" if lenient => return Some((Zone::UTC, 1)),
        b"GMT" | b"UTC" | b"UT" => {
            let rest = text.get(letters.len()..).unwrap_or_default();
            let (zone, length) = match offset(rest, letters == b"GMT" || lenient) {
                Some(behind) if matches!(rest.first(), Some(b'+' | b'-')) => behind,
                _ => (Zone::UTC, 0),
            };
            return Some((zone, letters.len() + length));
        }
        _ => {}
    }
    if let Some((_, region)) = ABBREVIATIONS.iter().find(|(known, _)| *known == letters) {
        return Some((Zone::Region(*region), letters.len()));
    }
    let whole = std::str::from_utf8(name).ok().filter(|_| !rest.is_empty() || letters.len() > 3)?;
    Some((Zone::Region(whole.parse().ok()?), name.len()))
}

/// An offset: `+1` (only if `short`), `+01`, `+0100`, `+01:00`, `+01:00:30`.
fn offset(text: &[u8], short: bool) -> Option<(Zone, usize)> {
    let (sign, digits) = text.split_first()?;
    let pair = |at: usize| match digits.get(at..at + 2)? {
        [ten, one] if ten.is_ascii_digit() && one.is_ascii_digit() => Some(i64::from((ten - b'0') * 10 + (one - b'0'))),
        _ => None,
    };
    let Some(hours) = pair(0) else {
        let hour = digits.first().filter(|digit| short && digit.is_ascii_digit())?;
        return Some((Zone::fixed(*sign, i64::from(hour - b'0'), 0, 0)?, 2));
    };
    let colon = |at: usize| digits.get(at) == Some(&b':');
    let (minutes, seconds, length) = match (colon(2), pair(3), pair(2)) {
        (true, Some(minutes), _) => match (colon(5), pair(6)) {
            (true, Some(seconds)) => (minutes, seconds, 8),
            _ => (minutes, 0, 5),
        },
        (false, _, Some(minutes)) => (minutes, 0, 4),
        _ => (0, 0, 2),
    };
    Some((Zone::fixed(*sign, hours, minutes, seconds)?, length + 1))
}
