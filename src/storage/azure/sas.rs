//! What a shared access signature says of itself: what it may do, on what, from when to when, and for whom. Pure.
//!
//! Source: <https://learn.microsoft.com/rest/api/storageservices/create-service-sas>, create-account-sas, create-user-delegation-sas.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

/// What a sync needs, with the letter of each.
const NEEDED: [(char, &str); 4] = [('r', "read"), ('w', "write"), ('d', "delete"), ('l', "list")];
/// A sync that begins before the end of a signature may last longer.
const SOON_DAYS: i64 = 14;

/// A signature, without what is secret of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sas {
    /// `sp`
    pub(super) permissions: Option<String>,
    /// `st`, or `skt` where the key of a user delegation begins later.
    pub(super) start: Option<Moment>,
    /// `se`, or `ske` where the key of a user delegation ends earlier.
    pub(super) end: Option<Moment>,
    /// `ss`: the services of a signature for the account.
    services: Option<String>,
    /// `srt`
    resource_types: Option<String>,
    /// `sr`: what a signature for a service is for.
    resource: Option<String>,
    /// `spr`
    protocols: Option<String>,
    /// `sip`
    pub(super) addresses: Option<String>,
    /// `si`: a stored policy of the container, which may say what the signature does not.
    policy: Option<String>,
}

/// A time of a signature: as it is written, and as a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moment {
    /// As it is written there.
    pub(super) text: String,
    time: Option<DateTime<Utc>>,
}

impl Moment {
    fn read(text: String) -> Self {
        let whole = DateTime::parse_from_rfc3339(&text).map(|time| time.to_utc()).ok();
        // Azure's forms: YYYY-MM-DD, YYYY-MM-DDThh:mmZ, YYYY-MM-DDThh:mm:ssZ, and the last with fractions.
        let to_minute = || NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%MZ").ok().map(|time| time.and_utc());
        let day = || NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0).map(|time| time.and_utc());
        let time = whole.or_else(to_minute).or_else(day);
        Self { text, time }
    }
}

impl Sas {
    /// Reads `token`, the query of an address.
    pub(super) fn read(token: &str) -> Self {
        let mut sas = Self::default();
        let (mut key_start, mut key_end) = (None, None);
        for (name, value) in url::form_urlencoded::parse(token.trim_start_matches('?').as_bytes()) {
            let value = value.into_owned();
            match name.as_ref() {
                "sp" => sas.permissions = Some(value),
                "st" => sas.start = Some(Moment::read(value)),
                "se" => sas.end = Some(Moment::read(value)),
                "skt" => key_start = Some(Moment::read(value)),
                "ske" => key_end = Some(Moment::read(value)),
                "ss" => sas.services = Some(value),
                "srt" => sas.resource_types = Some(value),
                "sr" => sas.resource = Some(value),
                "spr" => sas.protocols = Some(value),
                "sip" => sas.addresses = Some(value),
                "si" => sas.policy = Some(value),
                _ => {}
            }
        }
        let is_before = |one: &Moment, other: &Option<Moment>| {
            other.as_ref().and_then(|other| other.time).is_none_or(|other| one.time.is_some_and(|one| one < other))
        };
        if let Some(key_end) = key_end.filter(|end| is_before(end, &sas.end)) {
            sas.end = Some(key_end);
        }
        if let Some(key_start) = key_start.filter(|start| !is_before(start, &sas.start)) {
            sas.start = Some(key_start);
        }
        sas
    }

    /// Whether it says that it allows what these `letters` stand for.
    pub(super) fn allows(&self, letters: &str) -> bool {
        self.permissions.as_ref().is_some_and(|given| letters.chars().all(|letter| given.contains(letter)))
    }

    /// Whether it has ended at `now`.
    pub(super) fn has_ended(&self, now: DateTime<Utc>) -> bool {
        self.end.as_ref().and_then(|end| end.time).is_some_and(|end| end <= now)
    }

    /// Whether it begins after `now`.
    pub(super) fn is_early(&self, now: DateTime<Utc>) -> bool {
        self.start.as_ref().and_then(|start| start.time).is_some_and(|start| start > now)
    }

    /// A sentence where it ends soon after `now`.
    pub(super) fn ends_soon(&self, now: DateTime<Utc>) -> Option<String> {
        let end = self.end.as_ref()?;
        let left = end.time?.signed_duration_since(now);
        if left.num_days() >= SOON_DAYS || left.num_seconds() <= 0 {
            return None;
        }
        let left = match (left.num_days(), left.num_hours(), left.num_minutes()) {
            (1, ..) => "1 day".to_owned(),
            (days @ 2.., ..) => format!("{days} days"),
            (0, 1, _) => "1 hour".to_owned(),
            (0, hours @ 2.., _) => format!("{hours} hours"),
            (_, _, 0) => "less than a minute".to_owned(),
            (_, _, 1) => "1 minute".to_owned(),
            (_, _, minutes) => format!("{minutes} minutes"),
        };
        Some(format!(
            "The SAS token in `data_source.azure_blob_storage_sas_token` ends in {left} ({}): create a new one before that; a sync that is \
             still running then fails.",
            end.text
        ))
    }

    /// Everything in it that makes a sync impossible at `now`, by the server's time; `is_plain`: requests go without encryption.
    pub(super) fn problems(&self, now: Option<DateTime<Utc>>, is_plain: bool) -> Vec<String> {
        let mut problems = Vec::new();
        let text = |moment: &Option<Moment>| moment.as_ref().map(|moment| moment.text.clone()).unwrap_or_default();
        if now.is_some_and(|now| self.has_ended(now)) {
            problems.push(format!("ended at {}: create a new one", text(&self.end)));
        }
        if now.is_some_and(|now| self.is_early(now)) {
            problems
                .push(format!("is not valid before {}: wait, or create one that begins earlier", text(&self.start)));
        }
        problems.extend(self.cut());
        problems.extend(self.missing());
        if let Some(services) = self.services.as_ref().filter(|services| !services.contains('b')) {
            problems.push(format!("is for another service (ss={services}): create one for Blob (ss=b)"));
        }
        if let Some(types) = &self.resource_types {
            let lacks: Vec<&str> = [('c', "Container"), ('o', "Object")]
                .iter()
                .filter(|(sign, _)| !types.contains(*sign))
                .map(|(_, name)| *name)
                .collect();
            if !lacks.is_empty() {
                problems.push(format!(
                    "is not for the resource type {} (srt={types}): create one with srt=co",
                    lacks.join(" and ")
                ));
            }
        }
        if matches!(self.resource.as_deref(), Some("b" | "bs" | "bv")) {
            problems.push("is for a single blob (sr=b): create one for the container (sr=c)".to_owned());
        }
        if is_plain && self.protocols.as_deref() == Some("https") {
            problems.push(
                "is for https alone (spr=https), and the endpoint begins with http://: use one with spr=https,http"
                    .to_owned(),
            );
        }
        problems
    }

    /// The part that every token has, and that this one lacks.
    fn cut(&self) -> Option<String> {
        let has_end = self.end.is_some() || self.policy.is_some();
        let part = match (has_end, self.resource.is_some() || self.services.is_some()) {
            (true, true) => return None,
            (false, _) => "se=, the time when it ends",
            (true, false) => "sr=, what it is for",
        };
        Some(format!("has no {part}: copy the whole token again"))
    }

    /// What it may not do and must.
    fn missing(&self) -> Option<String> {
        let given = match (&self.permissions, &self.policy) {
            // The policy may give them.
            (None, Some(_)) => return None,
            (given, _) => given.as_deref().unwrap_or_default(),
        };
        let missing: Vec<_> = NEEDED.iter().filter(|(sign, _)| !given.contains(*sign)).collect();
        if missing.is_empty() {
            return None;
        }
        let words: Vec<&str> = missing.iter().map(|(_, word)| *word).collect();
        let signs: String = missing.iter().map(|(sign, _)| *sign).collect();
        Some(format!("has no {} (sp={given} lacks {signs}): create one with sp=racwdl", words.join(", no ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).expect("a time").to_utc()
    }

    #[test]
    fn everything_that_makes_a_sync_impossible_is_read_from_the_token() {
        let now = Some(at("2026-11-27T12:00:00Z"));
        let found = |token: &str| Sas::read(token).problems(now, false).join(" | ");
        let good = "sv=2024-11-04&sr=c&sp=racwdl&st=2026-01-01T00:00:00Z&se=2027-01-01T00:00:00Z&spr=https&sig=x";
        assert_eq!(found(good), "");
        assert_eq!(found("sv=2024-11-04&ss=bfqt&srt=sco&sp=rwdlacx&se=2027-01-01&sig=x"), "");
        assert_eq!(found("sv=2024-11-04&si=airbyte&sr=c&sig=x"), "", "the policy says the rest");
        for (token, said) in [
            ("sr=c&sp=rcwl&se=2027-01-01T00:00:00Z", "has no delete (sp=rcwl lacks d)"),
            ("sr=c&sp=rl&se=2027-01-01T00:00:00Z", "has no write, no delete (sp=rl lacks wd)"),
            ("sr=c&sp=racwd&se=2027-01-01T00:00:00Z", "has no list"),
            ("sr=c&sp=acwdl&se=2027-01-01T00:00:00Z", "has no read"),
            ("sr=c&sp=racwdl&se=2026-11-27T12:00:00Z", "ended at 2026-11-27T12:00:00Z"),
            ("sr=c&sp=racwdl&se=2026-11-27", "ended at 2026-11-27"),
            ("sr=c&sp=racwdl&se=2026-11-27T11%3A59Z", "ended at 2026-11-27T11:59Z"),
            ("sr=c&sp=racwdl&st=2026-11-28T00:00:00Z&se=2027-01-01", "not valid before 2026-11-28T00:00:00Z"),
            ("ss=qt&srt=co&sp=racwdl&se=2027-01-01", "for another service (ss=qt)"),
            ("ss=b&srt=s&sp=racwdl&se=2027-01-01", "resource type Container and Object (srt=s)"),
            ("ss=b&srt=c&sp=racwdl&se=2027-01-01", "resource type Object (srt=c)"),
            ("sr=b&sp=racwdl&se=2027-01-01", "for a single blob"),
            ("sr=c&sp=racwdl", "has no se="),
            ("sp=racwdl&se=2027-01-01", "has no sr="),
            ("sr=c&sp=racwdl&se=2027-01-01&ske=2026-11-27T11:00:00Z", "ended at 2026-11-27T11:00:00Z"),
            ("sr=c&sp=racwdl&se=2026-11-27T10:00:00Z&ske=2026-11-27T11:00:00Z", "ended at 2026-11-27T10:00:00Z"),
            (
                "sr=c&sp=racwdl&st=2026-11-01&se=2027-01-01&skt=2026-11-28T00:00:00Z&ske=2026-12-02T00:00:00Z",
                "not valid before 2026-11-28T00:00:00Z",
            ),
        ] {
            assert!(found(token).contains(said), "{token}: {}", found(token));
        }
        let all = found("ss=q&srt=s&sp=&se=2020-01-01");
        assert_eq!(all.split(" | ").count(), 4, "{all}");
    }

    #[test]
    fn a_signature_for_https_alone_does_not_go_with_an_endpoint_without_it() {
        let sas = Sas::read("sr=c&sp=rwdl&se=2027-01-01&spr=https");
        assert_eq!(sas.problems(None, true).len(), 1);
        let both = Sas::read("sr=c&sp=rwdl&se=2027-01-01&spr=https,http");
        assert!(sas.problems(None, false).is_empty() && both.problems(None, true).is_empty());
    }

    #[test]
    fn the_end_is_told_while_there_is_time() {
        let sas = Sas::read("sp=rwdl&se=2026-12-01T00:00:00Z");
        for (now, said) in [
            ("2026-11-28T00:00:00Z", Some("ends in 3 days (2026-12-01T00:00:00Z)")),
            ("2026-11-29T12:00:00Z", Some("ends in 1 day ")),
            ("2026-11-30T20:00:00Z", Some("ends in 4 hours")),
            ("2026-11-30T23:58:30Z", Some("ends in 1 minute ")),
            ("2026-11-30T23:59:30Z", Some("ends in less than a minute ")),
            ("2026-11-01T00:00:00Z", None),
            ("2026-12-02T00:00:00Z", None),
        ] {
            let found = sas.ends_soon(at(now));
            assert_eq!(found.is_some(), said.is_some(), "{now}");
            assert!(found.unwrap_or_default().contains(said.unwrap_or_default()), "{now}");
        }
    }

    #[test]
    fn a_time_that_cannot_be_read_is_left_to_the_server() {
        let sas = Sas::read("sr=c&sp=rwdl&se=soon&st=never");
        assert!(sas.problems(Some(at("2026-11-27T12:00:00Z")), false).is_empty());
    }
}
