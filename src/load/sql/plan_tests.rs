//! Golden files of plans, and what proves them.

use uuid::Uuid;

use super::super::statements::SchemaName;
use super::*;
use crate::schema::dedup::{Asked, Dedup};
use crate::schema::json_schema::{ColumnOptions, columns};
use crate::schema::stats::{RowStats, Span};

fn load(rows: u64) -> RowStats {
    RowStats {
        rows,
        ids: Span {
            first: "01a1fac5-7000-7000-8000-000000000000".into(),
            last: "01a1fac5-7000-7000-8000-000000000002".into(),
        },
        emitted_at: Span { first: 1_795_208_640_524_000, last: 1_795_208_640_524_123 },
    }
}

fn append(rows: u64) -> Plan {
    Plan::Append { stats: load(rows), files: vec!["a.parquet".into(), "b.parquet".into()] }
}

fn answered(inserted: Option<u64>) -> Answered {
    Answered {
        inserted,
        updated: Some(0),
        affected: inserted,
        is_repeated: false,
        is_guarded: false,
        counted_before: None,
    }
}

#[test]
fn every_plan_reads_as_its_golden_file() {
    let table = SchemaName::new("hive_metastore", "shop").table("orders");
    let staging = table.staging_table(None, Uuid::from_u128(0x0123_4567_89ab_7000_8000_dead_beef_cafe), 0);
    let columns = TableSchema::raw();
    let names = StatementNames {
        columns: &columns,
        table: &table,
        staged: StagedRows::Table(&staging),
        replaced: None,
        keyed: None,
    };
    let staged = Staged::DeltaTable { folder: "01234567-89ab-7000-8000-deadbeefcafe/shop/orders".into() };
    for (plan, golden) in [
        (append(3), include_str!("golden/plans/append.sql")),
        (Plan::Replace(load(3)), include_str!("golden/plans/replace.sql")),
        (Plan::Empty, include_str!("golden/plans/empty.sql")),
    ] {
        let mut lines = vec![format!("-- {}; claim: {:?}", plan.doing(), plan.claim())];
        lines.extend(create_staging_table(&staging, &staged, &columns, |folder| format!("s3://lake/raw/{folder}")));
        lines.push(plan.statement(&names).expect("a statement"));
        let is_whole = |inserted| plan.is_proven_by(&answered(inserted));
        lines.push(match (is_whole(None), is_whole(Some(plan.expected()))) {
            (true, _) => "-- whole when it has run to its end".to_owned(),
            (false, true) => {
                format!("-- whole if it says that it has inserted {} rows; else the count proves it", plan.expected())
            }
            (false, false) => "-- the count proves it".to_owned(),
        });
        lines.extend(plan.count(&names).map(|count| format!("{count}\n-- expected: {}", plan.expected())));
        let text = lines.join("\n\n");
        assert_eq!(text, golden.trim_end(), "{text}");
    }
}

#[test]
fn nothing_is_sent_for_no_rows_unless_old_ones_are_to_go() {
    assert_eq!(Plan::append(&[]), None);
    assert_eq!(Plan::replace(&[], Existing::Nowhere), None);
    assert_eq!(Plan::replace(&[], Existing::InBucket), Some(Plan::Empty));
    assert_eq!(Plan::replace(&[], Existing::InCatalog), Some(Plan::Empty));
}

#[test]
fn a_word_of_the_server_proves_an_append_only_where_nothing_else_can_have_inserted_rows() {
    let plan = append(10);
    assert!(plan.is_proven_by(&answered(Some(10))));
    for other in [
        answered(Some(9)),
        answered(None),
        Answered { is_repeated: true, ..answered(Some(10)) },
        Answered { counted_before: Some(0), ..answered(Some(10)) },
    ] {
        assert!(!plan.is_proven_by(&other), "{other:?}");
    }
    assert!(!Plan::Replace(load(10)).is_proven_by(&answered(Some(10))));
    assert!(Plan::Empty.is_proven_by(&answered(None)));
}

#[test]
fn only_the_right_count_proves_a_load_and_an_append_is_run_once_more_where_rows_are_missing() {
    let (append, replace) = (append(10), Plan::Replace(load(10)));
    let again = |before, inserted| Answered { counted_before: Some(before), ..answered(inserted) };
    let hidden = |inserted, expected| Err(Shortfall::Hidden { inserted, expected });
    for (plan, answered, found, expected) in [
        (&append, answered(None), 10, Ok(Next::Whole)),
        (&append, answered(Some(7)), 7, Ok(Next::RunAgain)),
        (&append, answered(Some(10)), 3, hidden(10, 10)),
        (&append, answered(None), 11, Err(Shortfall::Miscounted)),
        (&append, answered(None), 7, Ok(Next::CountStaged)),
        (&append, Answered { is_repeated: true, ..answered(Some(0)) }, 7, Ok(Next::CountStaged)),
        (&append, again(7, Some(3)), 10, Ok(Next::Whole)),
        (&append, again(7, Some(3)), 9, hidden(3, 10)),
        (&append, again(7, Some(0)), 7, Err(Shortfall::Miscounted)),
        (&replace, answered(Some(10)), 10, Ok(Next::Whole)),
        (&replace, answered(None), 9, Err(Shortfall::Miscounted)),
        (&replace, answered(Some(10)), 0, hidden(10, 10)),
    ] {
        assert_eq!(plan.after_count(&answered, found), expected, "{plan:?} {answered:?} {found}");
    }
    // All of the staged rows that the server sees are there: it has not seen the newest batch.
    assert_eq!(append.after_staged_count(7, 7), Ok(Next::RunAgain));
    assert_eq!(append.after_staged_count(7, 10), hidden(10, 10));
}

fn upsert(survey: Option<Survey>) -> Plan {
    Plan::Upsert { stats: load(10), files: vec!["a.parquet".into()], survey }
}

#[test]
fn an_upsert_is_proven_by_a_statement_that_reads_all_rows_unless_it_was_sent_twice_or_changed_nothing() {
    let plan = upsert(None);
    let changed = |affected| Answered { affected, ..answered(Some(3)) };
    for proves in [1, 7, 10, 12] {
        assert!(plan.is_proven_by(&changed(Some(proves))), "{proves}");
    }
    for other in [
        changed(Some(0)),
        changed(None),
        Answered { is_repeated: true, ..changed(Some(10)) },
        Answered { counted_before: Some(0), ..changed(Some(10)) },
    ] {
        assert!(!plan.is_proven_by(&other), "{other:?}");
    }
    assert_eq!(plan.after_count(&changed(Some(7)), 10), Ok(Next::Whole));
    assert_eq!(plan.after_count(&changed(Some(7)), 8), Ok(Next::RunAgain));
    let again = Answered { counted_before: Some(5), ..changed(Some(7)) };
    assert_eq!(plan.after_count(&again, 8), Err(Shortfall::Miscounted));
    assert_eq!(plan.after_count(&again, 10), Ok(Next::Whole));
    assert_eq!((plan.claim(), plan.files_to_hide().len()), (ClaimKind::Replaces, 1));
    assert_eq!(plan.doing(), "merging 10 rows");
}

#[test]
fn one_row_of_each_key_is_proven_by_counts_that_are_those_of_the_keys() {
    let known = upsert(Some(Survey { range: None, live: 7 }));
    let changed = |inserted, updated| Answered { updated, affected: Some(9), ..answered(inserted) };
    // Nothing of the table had one of these keys.
    assert!(upsert(None).leaves_one_of_each(&changed(Some(9), Some(0))));
    assert!(known.leaves_one_of_each(&changed(Some(3), Some(4))));
    for other in [
        // Two rows of one key, or a delete that is older than a row.
        changed(Some(3), Some(5)),
        changed(Some(3), None),
        changed(None, Some(4)),
        Answered { is_repeated: true, ..changed(Some(3), Some(4)) },
        Answered { counted_before: Some(0), ..changed(Some(3), Some(4)) },
    ] {
        assert!(!known.leaves_one_of_each(&other), "{other:?}");
    }
    assert!(!upsert(None).leaves_one_of_each(&changed(Some(3), Some(4))));
    assert!(append(10).leaves_one_of_each(&changed(None, None)));
}

#[test]
fn logs_have_a_statement_without_the_keys_of_rows() {
    let schema = r#"{"properties":{"id":{"type":"integer"}}}"#;
    let asked = Asked { key: vec![vec!["id".into()]], ..Asked::default() };
    let columns = columns(schema, ColumnOptions::default()).expect("columns");
    let places = Dedup::new(Some(schema), &asked).expect("a key").places(&columns).expect("places");
    let keyed = Keyed { columns: &columns, places: &places, others: &[], emptied: &[] };
    let table = SchemaName::new("c", "s").table("t");
    let staged = StagedRows::Table(&table);
    let names = StatementNames { columns: &columns, table: &table, staged, replaced: None, keyed: Some(keyed) };
    let plan = Plan::Upsert { stats: load(2), files: Vec::new(), survey: None };
    let text = |plan: &Plan| plan.statement(&names).expect("a statement");
    assert!(plan.survey(&names).is_some_and(|asked| asked.starts_with("SELECT min(staged.`id`), max(staged.`id`)")));
    let survey = keyed.surveyed(&["4711", "4712", "2", "2", "2", "2"].map(ToOwned::to_owned), 2);
    let surveyed = plan.clone().surveyed(survey);
    assert!(text(&surveyed).contains("BETWEEN 4711 AND 4712") && surveyed.survey(&names).is_none());
    assert!(surveyed.removal(&names).is_some_and(|text| text.matches("BETWEEN 4711 AND 4712").count() == 3));
    assert!(surveyed.count(&names).is_some_and(|text| text.contains("BETWEEN 4711 AND 4712")));
    assert_eq!(text(&surveyed.told()), text(&plan));
    assert!(plan.statement(&StatementNames { keyed: None, ..names }).is_err(), "nothing else may come of it");
}
