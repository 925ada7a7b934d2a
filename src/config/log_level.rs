//! How much is logged: `LOG_LEVEL`, as Airbyte's platform and its users set it for every connector.

use tracing::level_filters::LevelFilter;

use super::fields::shown;

/// Every name that Airbyte, and the loggers that its connectors use, know. Nothing here is as bad as FATAL.
const NAMES: [(&str, LevelFilter); 10] = [
    ("OFF", LevelFilter::OFF),
    ("FATAL", LevelFilter::OFF),
    ("CRITICAL", LevelFilter::OFF),
    ("ERROR", LevelFilter::ERROR),
    ("WARN", LevelFilter::WARN),
    ("WARNING", LevelFilter::WARN),
    ("INFO", LevelFilter::INFO),
    ("DEBUG", LevelFilter::DEBUG),
    ("TRACE", LevelFilter::TRACE),
    ("ALL", LevelFilter::TRACE),
];

/// What `LOG_LEVEL` asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct LogLevel {
    /// The lowest level that is logged; INFO if none, or an unknown one, is set.
    pub most: LevelFilter,
    /// A sentence about a value that is no level. It is worth a warning, and no reason to refuse a sync.
    pub unknown: Option<String>,
}

impl LogLevel {
    /// Reads the environment.
    pub fn of_environment() -> Self {
        Self::of(&std::env::var_os("LOG_LEVEL").unwrap_or_default().to_string_lossy())
    }

    fn of(text: &str) -> Self {
        let name = text.trim();
        let known = NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, level)| *level);
        let unknown = || {
            let names = NAMES.map(|(name, _)| name).join(", ");
            format!("LOG_LEVEL is {}, which is none of {names}: INFO is used.", shown(name))
        };
        Self { most: known.unwrap_or(LevelFilter::INFO), unknown: (known.is_none() && !name.is_empty()).then(unknown) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_counts_in_any_case_and_another_one_is_told() {
        for (text, most) in [
            ("ERROR", LevelFilter::ERROR),
            (" debug ", LevelFilter::DEBUG),
            ("Warning", LevelFilter::WARN),
            ("fatal", LevelFilter::OFF),
            ("", LevelFilter::INFO),
        ] {
            assert_eq!(LogLevel::of(text), LogLevel { most, unknown: None }, "{text}");
        }
        let commands = include_str!("../../docs/commands.md");
        let said = commands.split("`LOG_LEVEL` sets").nth(1).and_then(|rest| rest.split("Any other word").next());
        for (name, _) in NAMES {
            assert!(said.is_some_and(|said| said.contains(name)), "docs/commands.md names {name}");
        }
        let other = LogLevel::of("LOUD");
        assert_eq!(other.most, LevelFilter::INFO);
        assert!(other.unknown.is_some_and(|said| said.contains("LOUD") && said.contains("DEBUG")));
    }
}
