//! Settings that are accepted although the specification does not have them: words of the oldest versions, names in backticks.

use super::*;
use serde_json::json;

fn parse(config: &Value) -> Result<Config> {
    Config::from_json(&config.to_string())
}

#[test]
fn a_bucket_of_the_oldest_versions_is_one_of_today() -> Result<()> {
    let bucket = |kind: &str| json!({"data_source": {"data_source_type": kind, "s3_bucket_name": "lake"}});
    assert_eq!(parse(&bucket("S3"))?, parse(&bucket("S3_STORAGE"))?);
    assert_eq!(parse(&bucket(" S3 "))?, parse(&bucket("S3_STORAGE"))?);
    assert!(parse(&bucket("s4")).is_err_and(|error| error.message().contains("must be one of")));
    Ok(())
}

#[test]
fn a_name_in_backticks_is_taken_without_them() -> Result<()> {
    for (given, taken) in [("`my-catalog`", "my-catalog"), (" `a``b` ", "a`b"), ("` a `", "a"), ("a`b", "a`b")] {
        let config = parse(&named("database", given))?;
        let told: &[&str] = if given.contains("` ") || given.ends_with('`') { &["database"] } else { &[] };
        assert_eq!((config.catalog.as_str(), &config.quoted_names[..]), (taken, told), "{given}");
    }
    Ok(())
}

#[test]
fn a_name_with_a_backtick_too_few_or_too_many_is_refused_with_the_name_as_it_was_written() {
    for field in ["database", "schema", "database_schema", "staging_schema"] {
        for given in ["`shop", "shop`", "``shop``", "```shop```", "`", "``", "` `", "`` ``"] {
            let message = parse(&named(field, given)).map_err(|error| error.message().to_owned()).unwrap_err();
            for part in [&format!("`{field}` is"), given, "without backticks"] {
                assert!(message.contains(part), "{part}: {message}");
            }
        }
    }
}

fn named(field: &str, name: &str) -> Value {
    json!({"data_source": {"data_source_type": "LOCAL_STORAGE", "local_path": "/tmp/x"}, field: name})
}
