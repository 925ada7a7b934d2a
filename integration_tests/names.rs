//! Names that become the same table name: two streams never share a table unnoticed, and tables of older versions stay in
//! use.

use serde_json::{Value, json};

use crate::lake::Location;
use crate::messages::{append, catalog, configured, overwrite, record, record_in};
use crate::program::Sandbox;
use crate::table;

fn in_namespace(name: &str, namespace: &str, mode: &str) -> Value {
    let mut stream = configured(name, mode);
    stream["stream"]["namespace"] = json!(namespace);
    stream
}

/// The one table of `schema` whose name begins so.
fn only_table(sandbox: &Sandbox, beginning: &str) -> Location {
    let lake = sandbox.lake();
    let named = |folder: &Location| folder.below(&lake).starts_with(beginning);
    let found: Vec<_> = table::tables(&lake).into_iter().filter(named).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}

#[test]
fn streams_whose_names_have_no_latin_letter_have_a_table_each() {
    let sandbox = Sandbox::with(json!({"schema": "магазин"}));
    let names = ["заказы", "клиент", "注文", "顧客", "!?", "  "];
    sandbox.load(&append(&names), names.map(|name| record(name, &json!({"of": name}).to_string())).concat());
    let mut found: Vec<String> = table::tables(&sandbox.lake()).iter().flat_map(table::data).collect();
    found.sort();
    let mut expected = names.map(|name| json!({"of": name}).to_string());
    expected.sort();
    assert_eq!(found, expected);
    // A second sync finds them again, also one that replaces the rows of one alone.
    sandbox.load(&overwrite(&["клиент"]), record("клиент", "{}"));
    assert_eq!(table::tables(&sandbox.lake()).len(), names.len());
    table::assert_tidy(&sandbox.lake());
    // Namespaces, too.
    let streams = ["один", "двое"].map(|namespace| in_namespace("users", namespace, "append"));
    sandbox.load(&catalog(streams), record_in("один", "users", "{}") + &record_in("двое", "users", "{}"));
    assert_eq!(table::tables(&sandbox.lake()).len(), names.len() + 2);
}

/// Gives the one table below `folder` the name that it had before names got a hash.
fn rename_as_before(sandbox: &Sandbox, now: &str, before: &str) {
    let (from, to) = (only_table(sandbox, now), sandbox.table(before));
    for object in from.objects() {
        to.join(object.below(&from)).put(object.get().unwrap());
        object.delete();
    }
}

#[test]
fn a_table_of_an_older_version_goes_on_being_used_by_the_stream_that_it_was_made_from() {
    for mode in ["append", "overwrite"] {
        let sandbox = Sandbox::new();
        sandbox.load(&append(&["заказы"]), record("заказы", r#"{"n":1}"#));
        rename_as_before(&sandbox, "default/______", "default/______");
        let both = catalog([configured("заказы", mode), configured("клиент", "overwrite")]);
        sandbox.load(&both, record("заказы", r#"{"n":2}"#) + &record("клиент", r#"{"n":3}"#));
        let rows: &[&str] = if mode == "append" { &[r#"{"n":1}"#, r#"{"n":2}"#] } else { &[r#"{"n":2}"#] };
        assert_eq!(table::data(&sandbox.table("default/______")), rows);
        assert_eq!(table::data(&only_table(&sandbox, "default/_______")), [r#"{"n":3}"#]);
        table::assert_tidy(&sandbox.lake());
    }
}

#[test]
fn a_schema_of_an_older_version_goes_on_being_used() {
    let streams = catalog([in_namespace("users", "продажи", "append")]);
    let sandbox = Sandbox::new();
    sandbox.load(&streams, record_in("продажи", "users", r#"{"n":1}"#));
    rename_as_before(&sandbox, "________", "_______/users");
    sandbox.load(&streams, record_in("продажи", "users", r#"{"n":2}"#));
    assert_eq!(table::data(&sandbox.table("_______/users")).len(), 2);
    assert_eq!(table::tables(&sandbox.lake()).len(), 1);
}

#[test]
fn the_table_of_another_stream_is_not_replaced() {
    for (first, second) in [
        (configured("Center", "append"), configured("center", "overwrite")),
        (configured("a b", "overwrite"), configured("a_b", "overwrite")),
        (configured("мои users", "append"), configured("его users", "overwrite")),
        (in_namespace("users", "Sales", "append"), in_namespace("users", "sales", "overwrite")),
    ] {
        let sandbox = Sandbox::new();
        let names = [&first, &second].map(|stream| stream["stream"]["name"].as_str().unwrap().to_owned());
        let space = |stream: &Value| stream["stream"]["namespace"].as_str().unwrap_or_default().to_owned();
        let row = record_in(&space(&first), &names[0], r#"{"n":1}"#);
        sandbox.load(&catalog([first.clone()]), row);
        let mut refresh = second.clone();
        refresh["destination_sync_mode"] = json!("append");
        refresh["generation_id"] = json!(7);
        refresh["minimum_generation_id"] = json!(7);
        for replacing in [second.clone(), refresh] {
            let run = sandbox.write(&catalog([replacing]), record_in(&space(&second), &names[1], r#"{"n":2}"#));
            let message = run.failed_with("config_error");
            assert!(names.iter().all(|name| message.contains(name.as_str())), "{names:?}: {message}");
            assert_eq!(run.failure()["stream_descriptor"]["name"], json!(names[1]));
            let tables = table::tables(&sandbox.lake());
            assert_eq!(tables.iter().map(|folder| table::read(folder).rows.len()).collect::<Vec<_>>(), [1]);
        }

        // To add is allowed, and said.
        let mut adding = second.clone();
        adding["destination_sync_mode"] = json!("append");
        let run = sandbox.load(&catalog([adding]), record_in(&space(&second), &names[1], r#"{"n":2}"#));
        let warnings = run.logs("WARN");
        assert_eq!(warnings.len(), 1, "{warnings:#?}");
        assert!(names.iter().all(|name| warnings[0].contains(name.as_str())), "{names:?}: {warnings:#?}");
        // Its own stream says nothing.
        let run = sandbox.load(&catalog([first.clone()]), record_in(&space(&first), &names[0], "{}"));
        assert_eq!(run.logs("WARN"), Vec::<String>::new());
    }
}

#[test]
fn names_that_differ_only_in_what_is_hard_to_see_are_two() {
    for (first, second) in [
        ("a b", "a  b"),
        ("a b", "a\tb"),
        ("a\u{1}b", "a\u{2}b"),
        ("order items", "order\u{a0}items"),
        ("users ", "users\t"),
        ("what?", "whatж"),
        ("a\u{fffd}", "aж"),
    ] {
        let sandbox = Sandbox::new();
        sandbox.load(&append(&[first]), record(first, r#"{"n":1}"#));
        let run = sandbox.write(&overwrite(&[second]), record(second, r#"{"n":2}"#));
        let message = run.failed_with("config_error");
        assert!(message.contains("would replace its rows"), "{first:?}, {second:?}: {message}");
        let tables = table::tables(&sandbox.lake());
        assert_eq!(tables.iter().flat_map(table::data).collect::<Vec<_>>(), [r#"{"n":1}"#]);
        let warnings = sandbox.load(&append(&[second]), record(second, r#"{"n":2}"#)).logs("WARN");
        assert_eq!(warnings.len(), 1, "{first:?}, {second:?}: {warnings:#?}");
        assert!(warnings[0].contains("was created from stream"), "{warnings:#?}");
        for own in [append(&[first]), overwrite(&[first])] {
            assert_eq!(sandbox.load(&own, record(first, "{}")).logs("WARN"), Vec::<String>::new());
        }
    }
}

#[test]
fn a_table_of_an_older_version_is_no_stream_s_that_it_does_not_name() {
    // What the table says, who is loaded, and who goes on with it.
    for (said, streams, owner) in [
        ("??????", &["заказы", "клиент"][..], None),
        ("??????", &["клиент"], None),
        ("ж ж", &["ж ж", "ж\u{a0}ж"], Some("ж ж")),
    ] {
        let sandbox = Sandbox::new();
        sandbox.load(&append(&["заказы"]), record("заказы", r#"{"of":"older"}"#));
        let older = if said.starts_with('?') { "default/______" } else { "default/___" };
        rename_as_before(&sandbox, "default/______", older);
        let commit = table::commit(&sandbox.table(older), 0);
        let text = commit.text();
        assert!(text.contains("Created from stream заказы"));
        commit.put(text.replace("stream заказы", &format!("stream {said}")));

        let rows = streams.iter().map(|name| record(name, &json!({"of": name}).to_string()));
        let run = sandbox.load(&overwrite(streams), rows.collect::<String>());
        let expected = json!({"of": owner.unwrap_or("older")}).to_string();
        assert_eq!(table::data(&sandbox.table(older)), [expected], "{said}");
        let tables = table::tables(&sandbox.lake());
        assert_eq!(tables.len(), streams.len() + usize::from(owner.is_none()), "{tables:?}");
        for name in streams {
            let row = json!({"of": name}).to_string();
            assert_eq!(tables.iter().filter(|folder| table::data(folder) == [row.as_str()]).count(), 1, "{name}");
        }
        let warnings = run.logs("WARN");
        assert!(warnings.iter().all(|text| text.contains("is not used for stream")), "{warnings:#?}");
        assert_eq!(warnings.len(), tables.len() - 1, "{warnings:#?}");
    }
}

#[test]
fn a_damaged_table_of_an_older_version_is_not_passed_over() {
    let sandbox = Sandbox::new();
    for n in 0..2 {
        sandbox.load(&append(&["заказы"]), record("заказы", &json!({"n": n}).to_string()));
    }
    rename_as_before(&sandbox, "default/______", "default/______");
    let newest = table::commit(&sandbox.table("default/______"), 1);
    let whole = newest.get().unwrap();
    for damage in ["", "no json"] {
        newest.put(damage);
        let run = sandbox.write(&append(&["заказы"]), record("заказы", "{}"));
        assert_eq!(run.code, Some(1), "{damage:?}: {run:#?}");
        assert_eq!(run.failure()["stream_descriptor"]["name"], json!("заказы"));
        assert_eq!(table::tables(&sandbox.lake()).len(), 1, "{damage:?}");
    }
    newest.put(whole);
    sandbox.load(&append(&["заказы"]), record("заказы", "{}"));
    assert_eq!(table::data(&sandbox.table("default/______")).len(), 3);
}

#[test]
fn a_namespace_that_becomes_the_configured_schema_leaves_the_stream_what_it_is() {
    let sandbox = Sandbox::with(json!({"schema": "shop"}));
    let with = |mode: &str| catalog([in_namespace("orders", "shop", mode)]);
    sandbox.load(&with("append"), record_in("shop", "orders", r#"{"n":1}"#));
    for _ in 0..2 {
        let run = sandbox.load(&overwrite(&["orders"]), record("orders", r#"{"n":2}"#));
        assert_eq!(run.logs("WARN"), Vec::<String>::new());
        let run = sandbox.load(&with("overwrite"), record_in("shop", "orders", r#"{"n":3}"#));
        assert_eq!(run.logs("WARN"), Vec::<String>::new());
    }
    assert_eq!(table::data(&sandbox.table("shop/orders")), [r#"{"n":3}"#]);
}

#[test]
fn a_table_that_does_not_name_its_stream_is_anybody_s() {
    let sandbox = Sandbox::new();
    sandbox.load(&append(&["Center"]), record("Center", "{}"));
    let commit = table::commit(&sandbox.table("default/center"), 0);
    let text = commit.text();
    for said in [r#""All the centers""#, r#""""#, "null"] {
        commit.put(text.replace(r#""Created from stream Center""#, said));
        let run = sandbox.load(&overwrite(&["center"]), record("center", "{}"));
        assert_eq!(run.logs("WARN"), Vec::<String>::new());
    }
}
