//! What is taken though it is not as the specification says: words of the oldest versions, and names quoted as in SQL.

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
    for (given, taken, is_told) in [
        ("`my-catalog`", "my-catalog", true),
        (" `a``b` ", "a`b", true),
        ("` `", "` `", false),
        ("``", "``", false),
        ("`", "`", false),
        ("`a", "`a", false),
    ] {
        let source = json!({"data_source_type": "LOCAL_STORAGE", "local_path": "/tmp/x"});
        let config = parse(&json!({"data_source": source, "database": given}))?;
        assert_eq!((config.catalog.as_str(), config.quoted_names == ["database"]), (taken, is_told), "{given}");
    }
    Ok(())
}
