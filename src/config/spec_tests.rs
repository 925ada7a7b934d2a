//! Holds `spec.json` and the reader together: the same fields, required ones, defaults, ranges, choices and secrets.

use super::*;
use serde_json::{Map, json};
use std::collections::BTreeSet;

fn schema() -> Value {
    let spec: Value = serde_json::from_str(include_str!("../../spec.json")).expect("spec.json is JSON");
    spec["connectionSpecification"].clone()
}

fn properties(schema: &Value) -> Map<String, Value> {
    schema["properties"].as_object().expect("properties").clone()
}

fn storages() -> Vec<Value> {
    schema()["properties"]["data_source"]["oneOf"].as_array().expect("alternatives").clone()
}

/// A value that fits a property: what stands first of constant, default, example.
fn fitting(property: &Value) -> Value {
    [&property["const"], &property["default"], &property["examples"][0]]
        .into_iter()
        .find(|value| !value.is_null())
        .unwrap_or_else(|| panic!("neither constant, default nor example in {property}"))
        .clone()
}

/// Another way to sign in to Databricks than the flat token.
const AUTHENTICATION: &str = "authentication";

fn ways_to_sign_in() -> Vec<Value> {
    schema()["properties"][AUTHENTICATION]["oneOf"].as_array().expect("alternatives").clone()
}

/// A configuration that signs in by `way` with these of its fields.
fn signing_in(way: &Value, fields: &Map<String, Value>) -> Value {
    let mut config = full(&storages()[0]);
    config.as_object_mut().expect("an object").remove("databricks_personal_access_token");
    config[AUTHENTICATION] = fields.clone().into();
    assert!(way["properties"].is_object());
    config
}

/// Every field of `way` that can be given beside the others.
fn fields_of(way: &Value) -> Map<String, Value> {
    let other = ["refresh_token"];
    let all = properties(way).into_iter().filter(|(name, _)| !other.contains(&name.as_str()));
    all.map(|(name, property)| (name, fitting(&property))).collect()
}

#[test]
fn every_field_of_a_way_to_sign_in_is_read_and_every_field_read_is_specified() {
    let (mut specified, mut asked) = (BTreeSet::new(), BTreeSet::new());
    for way in ways_to_sign_in() {
        specified.extend(properties(&way).into_iter().map(|(name, _)| format!("{AUTHENTICATION}.{name}")));
        let choices = way["properties"]["jwt_source"]["enum"].as_array().cloned().unwrap_or_else(|| vec![Value::Null]);
        for choice in choices {
            let mut fields = fields_of(&way);
            if !choice.is_null() {
                fields.insert("jwt_source".to_owned(), choice);
            }
            let config = signing_in(&way, &fields);
            let report = RefCell::new(Report::default());
            Config::read(&Fields::root(config.as_object().expect("an object"), &report));
            let report = report.into_inner();
            asked.extend(report.asked().iter().filter(|path| path.starts_with("authentication.")).cloned());
            // The profile of the example is not there.
            if way["title"] != "A profile of .databrickscfg" {
                report.into_result("configuration", ()).expect("a full configuration is valid");
            }
        }
    }
    assert_eq!(asked, specified);
}

#[test]
fn exactly_the_required_fields_of_a_way_to_sign_in_are_missed_when_they_are_not_there() {
    for way in ways_to_sign_in() {
        let required: Vec<_> = way["required"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        for name in fields_of(&way).keys() {
            let mut fields = fields_of(&way);
            fields.remove(name);
            let told =
                parse(&signing_in(&way, &fields)).map_or_else(|error| error.message().to_owned(), |_| String::new());
            let is_missed = told.contains(&format!("`{AUTHENTICATION}.{name}` is missing"));
            // Depends on another field.
            let depends = matches!(name.as_str(), "jwt_file" | "login_file");
            assert_eq!(
                is_missed,
                required.contains(&name.as_str()) || depends && is_missed,
                "{name} of {}: {told}",
                way["title"]
            );
        }
    }
}

/// Fields that belong to other ways to sign in to Azure: exactly one may be given.
const OTHER_WAYS: [&str; 2] = ["azure_blob_storage_account_key", "azure_client_secret"];

/// A configuration with every field of the specification but these, for one storage.
fn full(storage: &Value) -> Value {
    let fit = |schema: &Value| -> Map<String, Value> {
        let named = properties(schema).into_iter().filter(|(name, _)| name != "data_source" && name != AUTHENTICATION);
        let named = named.filter(|(name, _)| !OTHER_WAYS.contains(&name.as_str()));
        named.map(|(name, property)| (name, fitting(&property))).collect()
    };
    let mut config = fit(&schema());
    config.insert("data_source".to_owned(), fit(storage).into());
    config.into()
}

fn minimal() -> Value {
    json!({"data_source": {"data_source_type": "LOCAL_STORAGE", "local_path": "/tmp/x"}})
}

fn parse(config: &Value) -> Result<Config> {
    Config::from_json(&config.to_string())
}

#[test]
fn every_specified_field_is_read_and_every_field_read_is_specified() {
    for storage in storages() {
        let config = full(&storage);
        let report = RefCell::new(Report::default());
        Config::read(&Fields::root(config.as_object().expect("an object"), &report));
        let report = report.into_inner();
        let inner = properties(&storage).into_iter().map(|(name, _)| format!("data_source.{name}"));
        let of_streams = properties(&schema()["properties"]["streams"]["items"]);
        let of_streams = of_streams.into_iter().map(|(name, _)| format!("streams[0].{name}"));
        let specified: BTreeSet<String> =
            properties(&schema()).into_iter().map(|(name, _)| name).chain(inner).chain(of_streams).collect();
        assert_eq!(report.asked(), &specified);
        report.into_result("configuration", ()).expect("a full configuration is valid");
    }
}

#[test]
fn exactly_the_required_fields_are_missed_when_they_are_not_there() {
    for storage in storages() {
        let required: Vec<_> =
            storage["required"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        for name in properties(&storage).keys() {
            let mut config = full(&storage);
            config["data_source"].as_object_mut().expect("an object").remove(name);
            let missed = match parse(&config) {
                Ok(_) => false,
                // One half of an access key is wrong, though both may be left out.
                Err(error) if error.message().contains("give both, or neither") => false,
                // Nor does an external id make sense without its role.
                Err(error) if error.message().contains("give the role too") => false,
                // There are other ways to sign in than this one.
                Err(error) if error.message().contains("or sign in in another way") => false,
                Err(error) => error.message().contains(&format!("`data_source.{name}` is missing or empty")),
            };
            assert_eq!(missed, required.contains(&name.as_str()), "{name} of {}", storage["title"]);
        }
    }
    assert_eq!(schema()["required"], json!(["data_source"]));
    parse(&minimal()).expect("nothing else is required");
}

#[test]
fn exactly_the_required_fields_of_a_listed_stream_are_missed_when_they_are_not_there() {
    let items = &schema()["properties"]["streams"]["items"];
    let required: Vec<_> = items["required"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    for (name, property) in properties(items) {
        let mut config = minimal();
        let mut stream: Map<String, Value> =
            properties(items).iter().map(|(name, property)| (name.clone(), fitting(property))).collect();
        for choice in property["enum"].as_array().into_iter().flatten() {
            stream[&name] = choice.clone();
            config["streams"] = json!([stream]);
            assert!(parse(&config).is_ok(), "{name} {choice}");
        }
        stream.remove(&name);
        config["streams"] = json!([stream]);
        let missed =
            parse(&config).is_err_and(|error| error.message().contains(&format!("`streams[0].{name}` is missing")));
        assert_eq!(missed, required.contains(&name.as_str()), "{name}");
    }
}

#[test]
fn the_specified_defaults_are_those_of_the_reader() {
    let mut spelled_out = minimal();
    for (name, property) in properties(&schema()).into_iter().filter(|(_, property)| !property["default"].is_null()) {
        spelled_out[name] = property["default"].clone();
    }
    assert_eq!(parse(&spelled_out).expect("valid"), parse(&minimal()).expect("valid"));
}

#[test]
fn the_specified_ranges_and_choices_are_those_of_the_reader() {
    let accepts = |name: &str, value: Value| {
        let mut config = minimal();
        config[name] = value;
        parse(&config).is_ok()
    };
    for (name, property) in properties(&schema()) {
        if property["type"] == "integer" {
            let least = property["minimum"].as_u64().expect("a minimum");
            let most = property["maximum"].as_u64().expect("a maximum");
            assert!(accepts(&name, json!(least)) && accepts(&name, json!(most)), "{name}");
            assert!(accepts(&name, json!(least as f64)), "{name}");
            assert!(!accepts(&name, json!(least - 1)) && !accepts(&name, json!(most + 1)), "{name}");
            assert!(!accepts(&name, json!(-1)) && !accepts(&name, json!(least as f64 + 0.5)), "{name}");
        }
        for choice in property["enum"].as_array().into_iter().flatten() {
            assert!(accepts(&name, choice.clone()), "{name}");
        }
    }
}

#[test]
fn every_secret_field_is_marked_and_no_other() {
    let mut secret = BTreeSet::new();
    for schema in storages().iter().chain(&ways_to_sign_in()).chain([&schema()]) {
        let marked = properties(schema).into_iter().filter(|(_, property)| property["airbyte_secret"] == json!(true));
        secret.extend(marked.map(|(name, _)| name));
    }
    let expected = [
        "azure_blob_storage_account_key",
        "azure_blob_storage_sas_token",
        "azure_client_secret",
        "client_secret",
        "databricks_personal_access_token",
        "personal_access_token",
        "refresh_token",
        "s3_access_key_id",
        "s3_secret_access_key",
        "s3_session_token",
    ];
    assert_eq!(secret, expected.map(str::to_owned).into());
}

#[test]
fn every_field_has_a_title_a_description_and_a_place_of_its_own() {
    let others = [&schema(), &schema()["properties"]["streams"]["items"]];
    for schema in storages().iter().chain(&ways_to_sign_in()).chain(others) {
        let properties = properties(schema);
        let orders: BTreeSet<_> = properties.values().filter_map(|property| property["order"].as_u64()).collect();
        assert_eq!(orders.len(), properties.len());
        for (name, property) in
            properties.iter().filter(|(name, _)| !matches!(name.as_str(), "data_source_type" | "auth_type"))
        {
            assert!(property["title"].is_string() && property["description"].is_string(), "{name}");
        }
    }
}
