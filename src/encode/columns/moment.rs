//! A date and a time of day as a text gives them, not yet converted to the type of a column.

use super::zones::Zone;

/// What a text says of a date and a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moment {
    /// Days since 1970-01-01.
    pub day: Option<i64>,
    /// Microseconds since the day began; 24:00 is the next day's beginning.
    pub time: Option<i64>,
    /// The zone.
    pub zone: Option<Zone>,
    /// Whether seconds were written.
    pub has_seconds: bool,
    /// Whether there is a part below microseconds.
    pub is_cut: bool,
}

impl Moment {
    /// Sets the day; `None` if there is no such day. The year before 1 is 0.
    pub fn set_day(&mut self, year: i64, month: i64, day: i64) -> Option<()> {
        if !(1..=days_in_month(year, month)?).contains(&day) {
            return None;
        }
        self.day = Some(days(year, month, day));
        Some(())
    }

    /// Sets the time of day; `None` if there is no such time. Beside the times of a day there is 24:00.
    pub fn set_time(&mut self, hour: i64, minute: i64, second: i64, nanos: i64) -> Option<()> {
        let seconds = (hour * 60 + minute) * 60 + second;
        if minute > 59 || second > 59 || seconds > 86_400 || (seconds == 86_400 && nanos > 0) {
            return None;
        }
        self.time = Some(seconds * 1_000_000 + nanos / 1000);
        self.is_cut |= nanos % 1000 != 0;
        Some(())
    }

    /// What nearly all sources write, `2021-01-31`, `2021-01-31T12:34:56.789Z`, `2021-01-31 12:34:56.789012+01:00`; `None` for all
    /// other texts, those without meaning among them.
    #[inline]
    pub fn of_iso(text: &[u8]) -> Option<Self> {
        let (date, rest) = text.split_first_chunk::<10>()?;
        let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = *date else { return None };
        let mut moment = Self::default();
        moment.set_day(pair(y0, y1)? * 100 + pair(y2, y3)?, pair(m0, m1)?, pair(d0, d1)?)?;
        if rest.is_empty() {
            return Some(moment);
        }
        let (time, mut rest) = rest.split_first_chunk::<9>()?;
        let [b'T' | b' ', h0, h1, b':', m0, m1, b':', s0, s1] = *time else { return None };
        let mut nanos = 0;
        if let [b'.', fraction @ ..] = rest {
            let length = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if !(3..=6).contains(&length) {
                return None;
            }
            let (digits, behind) = fraction.split_at(length);
            let value = digits.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
            nanos = value * [0, 0, 0, 1_000_000, 100_000, 10_000, 1000].get(length)?;
            rest = behind;
        }
        moment.set_time(pair(h0, h1)?, pair(m0, m1)?, pair(s0, s1)?, nanos)?;
        moment.has_seconds = true;
        moment.zone = match *rest {
            [] => None,
            [b'Z'] => Some(Zone::UTC),
            [sign @ (b'+' | b'-'), h0, h1, b':', m0, m1] => Some(Zone::fixed(sign, pair(h0, h1)?, pair(m0, m1)?, 0)?),
            _ => return None,
        };
        Some(moment)
    }
}

#[inline]
fn pair(ten: u8, one: u8) -> Option<i64> {
    let (ten, one) = (ten.wrapping_sub(b'0'), one.wrapping_sub(b'0'));
    (ten < 10 && one < 10).then(|| i64::from(ten * 10 + one))
}

/// How many days a month has; `None` for a month or a year that is none.
pub fn days_in_month(year: i64, month: i64) -> Option<i64> {
    if year.abs() > 999_999_999 {
        return None;
    }
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => Some(28 + i64::from(is_leap)),
        4 | 6 | 9 | 11 => Some(30),
        1..=12 => Some(31),
        _ => None,
    }
}

/// Days since 1970-01-01, in the Gregorian calendar of all years.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // A year that begins in March has its leap day at its end.
    let year = year - i64::from(month < 3);
    let month = (month + 9) % 12;
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}
