//! What the recorder refuses: it would prove nothing otherwise.

use super::cases::cases;
use super::recorder::Recorder;

#[test]
fn what_no_documentation_has_is_refused() {
    let case = cases().into_iter().find(|case| case.name == "s3_warehouse").unwrap();
    let mut recorder = Recorder::new(&case);
    for line in [
        "databricks auth login --host 'https://abc.cloud.databricks.com' --profile setup",
        "databricks auth login --host 'https://accounts.cloud.databricks.com' --account-id 'a' --profile account",
        "CREATE SCHEMA IF NOT EXISTS `main`.`shop`",
        "GRANT USE SCHEMA ON SCHEMA `main`.`shop` TO `me`",
        r#"databricks storage-credentials create --json '{"name":"c","aws_iam_role":{"role_arn":"arn:aws:iam::1:role/r"}}' --profile setup"#,
    ] {
        assert_eq!(recorder.accept(line), Ok(()), "{line}");
    }
    for (line, why) in [
        ("GRANT CAN USE ON SQL WAREHOUSE `abc` TO `me`", "SQL is no securable object"),
        ("GRANT USAGE ON SCHEMA `main`.`shop` TO `me`", "USAGE does not apply to SCHEMA"),
        ("GRANT READ FILES ON SCHEMA `main`.`shop` TO `me`", "READ FILES does not apply"),
        ("GRANT CREATE EXTERNAL TABLE ON CATALOG `main` TO `me`", "CREATE EXTERNAL TABLE does not apply"),
        ("GRANT USE SCHEMA ON SCHEMA `main`.`nowhere` TO `me`", "there is no SCHEMA main.nowhere"),
        ("GRANT USE SCHEMA ON SCHEMA `main` TO `me`", "a SCHEMA has 2 parts"),
        ("GRANT SELECT ON TABLE `main`.`shop`.`orders` TO `me`", "there is no TABLE"),
        ("GRANT USE SCHEMA ON SCHEMA `main`.`shop` TO me@example.com", "is no sign"),
        ("GRANT USE SCHEMA ON SCHEMA `main`.`shop` TO `me` WITH", "stands behind the end"),
        ("REVOKE CREATE TABLE ON SCHEMA `main`.`shop` FROM `me`", "was never given"),
        ("REVOKE USE SCHEMA ON SCHEMA `main`.`shop` TO `me`", "TO stands where FROM belongs"),
        ("CREATE VOLUME IF NOT EXISTS `main`.`nowhere`.`v`", "there is no schema"),
        (
            "CREATE EXTERNAL LOCATION IF NOT EXISTS `x` URL 's3://b' WITH (STORAGE CREDENTIAL `none`)",
            "no storage credential",
        ),
        ("CREATE EXTERNAL LOCATION IF NOT EXISTS `x` URL '/tmp' WITH (STORAGE CREDENTIAL `c`)", "no address"),
        ("CREATE STORAGE CREDENTIAL `c`", "CREATE STORAGE"),
        ("DROP TABLE `main`.`shop`.`orders`", "DROP TABLE"),
        ("SELECT `x`", "begins no statement"),
        (
            r#"databricks permissions update warehouses abc --json '{"access_control_list":[{"user_name":"me","permission_level":"CAN_RESTART"}]}' --profile setup"#,
            "is no entry for warehouses",
        ),
        (
            r#"databricks permissions update warehouses abc --json '{"access_control_list":[{"permission_level":"CAN_USE"}]}' --profile setup"#,
            "names nobody",
        ),
        (
            r#"databricks permissions update warehouses abc --json '{"access_control_list":[]}' --profile account"#,
            "is a profile of the account",
        ),
        ("databricks permissions get warehouses abc", "no profile is named"),
        ("databricks permissions get warehouses abc --profile other", "nobody has signed in"),
        ("databricks permissions get warehouses abc --profile setup > file", "the shell takes"),
        ("databricks permissions get warehouses <id> --profile setup", "the shell takes"),
        ("databricks permissions get warehouses --profile setup", "is no command"),
        ("databricks warehouses grant abc --profile setup", "is no command"),
        (r#"databricks storage-credentials create --json '{"name":"x"}' --profile setup"#, "says not how"),
        ("databricks storage-credentials delete none --profile setup", "there is no storage credential"),
        ("databricks auth login --host abc.cloud.databricks.com --profile x", "is no address"),
        (
            "databricks auth login --host https://abc.cloud.databricks.com --account-id a --profile x",
            "belongs to the account",
        ),
        (
            r#"aws iam put-user-policy --user-name me --policy-name p --policy-document '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:ListBucket"],"Resource":"arn:aws:s3:::b/*"}]}'"#,
            "does not apply",
        ),
        ("aws iam delete-user-policy --user-name me --policy-name p", "has no policy"),
        ("aws iam put-user-policy --user-name 'a b' --policy-name p --policy-document '{}'", "is no name of AWS"),
        ("az role assignment create --assignee a --role Owner --scope /subscriptions/s", "is no container"),
        (
            r#"databricks account service-principal-federation-policy create 6a1b2c3d-0000-4000-8000-000000000001 --policy-id p1 --json '{"oidc_policy":{"issuer":"https://i.example","audiences":["a"],"subject":"s"}}' --profile account"#,
            "an application id is none",
        ),
        (
            r#"databricks account service-principal-federation-policy create 1 --policy-id p1 --json '{"issuer":"https://i.example","audiences":["a"],"subject":"s"}' --profile account"#,
            "has no oidc_policy",
        ),
        (
            r#"databricks account service-principal-federation-policy create 1 --policy-id p1 --json '{"oidc_policy":{"issuer":"https://i.example","audiences":["a"]}}' --profile account"#,
            "has no subject",
        ),
        (
            r#"databricks account federation-policy create --policy-id p1 --json '{"oidc_policy":{"issuer":"https://i.example","audiences":["a"],"subject":"s"}}' --profile account"#,
            "unknown field subject",
        ),
        (
            r#"databricks account federation-policy create --policy-id P_1 --json '{"oidc_policy":{"issuer":"https://i.example","audiences":["a"]}}' --profile account"#,
            "no id of a policy",
        ),
        (
            r#"databricks account workspace-assignment update 1 2 --json '{"permissions":["ADMIN"]}' --profile account"#,
            "more than a user",
        ),
        ("databricks account service-principals list --filter x --profile setup", "is a profile of a workspace"),
        ("destination-databricks write --config c.json", "is not"),
    ] {
        let refused = recorder.accept(line).expect_err(line);
        assert!(refused.contains(why), "{line}: {refused}");
    }
}
