//! What is written does not change, byte by byte; files end where they should.

use super::*;
use crate::encode::columns::testing::{classic, columns, property, record};
use crate::encode::ids::IdGenerator;
use crate::error::Kind as ErrorKind;
use crate::schema::kind::{Bits, Decimal, Kind};
use crate::schema::members::Members;

/// The file of rows with the records `texts`, with the same ids and times at every run.
fn file(schema: &TableSchema, texts: &[&str]) -> String {
    let encoder = CsvEncoder::new(schema, false, 7, &[]).expect("an encoder");
    let mut rows = Rows::default();
    for (at, text) in (0..).zip(texts) {
        rows.push(text.as_bytes(), 1_795_208_640_524_000 + at, 0);
    }
    let ids = IdGenerator::new(|| 7).range(1, texts.len() as u64);
    let encoded = encoder.encode(rows, ids).expect("rows are encoded");
    String::from_utf8(encoder.begin_file().append(encoded.group)).expect("UTF-8")
}

#[test]
fn raw_rows_are_written_so() {
    assert_eq!(
        file(&TableSchema::raw(), &[r#"{"a":"b\n"}"#, "{\"a\":\r1}"]),
        concat!(
            "\"_airbyte_ab_id\",\"_airbyte_emitted_at\",\"_airbyte_data\"\n",
            "\"00000000-0001-7000-8000-000000000000\",\"2026-11-20T21:04:00.524000Z\",\"{\"\"a\"\":\"\"b\\n\"\"}\"\n",
            "\"00000000-0001-7000-8000-000000000001\",\"2026-11-20T21:04:00.524001Z\",\"{\"\"a\"\":\r1}\"\n",
        )
    );
}

#[test]
fn values_of_every_type_are_written_so() {
    let decimal = Kind::Decimal(Decimal { precision: 38, scale: 2 });
    let inner = vec![property("x", Kind::Double), property("y\"", Kind::Text)];
    let schema = columns(vec![
        property("text", Kind::Text),
        property("boolean", Kind::Boolean),
        property("small", Kind::Integer(Bits::B8)),
        property("long", Kind::Integer(Bits::B64)),
        property("float", Kind::Float),
        property("double", Kind::Double),
        property("decimal", decimal),
        property("date", Kind::Date),
        property("time", Kind::Time),
        property("instant", Kind::Timestamp),
        property("local", Kind::LocalTimestamp),
        property("binary", Kind::Binary),
        property("object", record("object", inner)),
        property("list", Kind::List(Kind::Timestamp.into())),
    ]);
    let full = r#"{"text":"a\n\"","boolean":true,"small":-128,"long":9223372036854775807,"float":0.1,"double":5e-324,
        "decimal":-1.5,"date":"2021-01-31","time":"12:00:00.000001","instant":"2021-01-31T12:00:00.123456+01:00",
        "local":"0001-01-01T00:00:00","binary":"AP8=","object":{"x":"NaN","y\"":"\u0000é"},"list":["2021-01-31T00:00:00Z",null],
        "more":[1]}"#;
    let text = file(&schema, &[full, r#"{"text":"","object":{},"list":[]}"#, "{}"]);
    let expected = r#""_airbyte_ab_id","_airbyte_emitted_at","_airbyte_meta","text","boolean","small","long","float","double","decimal","date","time","instant","local","binary","object","list","_airbyte_additional_properties"
"00000000-0001-7000-8000-000000000000","2026-11-20T21:04:00.524000Z","{""sync_id"":7,""changes"":[]}","a
""","true","-128","9223372036854775807","0.10000000149011612","5e-324","-1.50","2021-01-31","43200000001","2021-01-31T11:00:00.123456Z","0001-01-01T00:00:00.000000","AP8=","{""x"":""NaN"",""y\"""":""\u0000é""}","[""2021-01-31T00:00:00.000000Z"",null]","{""more"":""[1]""}"
"00000000-0001-7000-8000-000000000001","2026-11-20T21:04:00.524001Z","{""sync_id"":7,""changes"":[]}","",,,,,,,,,,,,"{}","[]",
"00000000-0001-7000-8000-000000000002","2026-11-20T21:04:00.524002Z","{""sync_id"":7,""changes"":[]}",,,,,,,,,,,,,,,
"#;
    assert_eq!(text, expected, "{text}");
}

#[test]
fn a_time_that_is_a_text_has_its_milliseconds() {
    let text = file(&TableSchema::with_time_as_text(), &["{}"]);
    assert!(text.ends_with("\"00000000-0001-7000-8000-000000000000\",\"1795208640524\",\"{}\"\n"), "{text}");
}

#[test]
fn a_name_that_no_reader_takes_from_json_is_refused_and_the_longest_that_they_do_is_not() {
    let encode = |name: &str| {
        let encoder = CsvEncoder::new(&columns(Vec::new()), false, 7, &[])?;
        let mut rows = Rows::default();
        rows.push(format!("{{\"{name}\":1}}").as_bytes(), 0, 0);
        encoder.encode(rows, IdGenerator::new(|| 7).range(1, 1)).map(drop)
    };
    for (name, fits) in [
        ("k".repeat(50_000), true),
        ("k".repeat(50_001), false),
        ("é".repeat(50_000), true),
        ("é".repeat(50_001), false),
    ] {
        let error = encode(&name).err();
        assert_eq!(error.is_none(), fits, "{}", name.len());
        let says_how = |error: Error| error.kind() == ErrorKind::Config && error.message().contains("to delta");
        assert!(error.is_none_or(says_how));
    }
}

#[test]
fn a_union_is_the_member_that_has_a_value() {
    let members = Members::of_table(vec![Kind::Integer(Bits::B64), Kind::Text], vec![0, 1]);
    let schema = classic(vec![property("either", Kind::Union(members))]);
    let text = file(&schema, &[r#"{"either":1}"#, r#"{"either":"a"}"#]);
    let values: Vec<_> =
        super::testing::reading::records(&text).into_iter().skip(1).map(|record| record[2].clone()).collect();
    assert_eq!(values, [Some(r#"{"member0":1}"#.to_owned()), Some(r#"{"member1":"a"}"#.to_owned())]);
}

#[test]
fn a_file_ends_at_its_size_in_text_whether_it_is_compressed_or_not() -> Result<()> {
    for gzip in [false, true] {
        let encoder = CsvEncoder::new(&TableSchema::raw(), gzip, 0, &[])?;
        let mut file = encoder.begin_file();
        let mut sizes = Vec::new();
        while !file.is_full() {
            let mut rows = Rows::default();
            let text = "x".repeat(FILE_TEXT / 8);
            (0..2).for_each(|_| rows.push(text.as_bytes(), 0, 0));
            sizes.push(file.append(encoder.encode(rows, IdGenerator::new(|| 7).range(1, 2))?.group).len());
        }
        assert_eq!(sizes.len(), 4, "gzip: {gzip}");
        assert_eq!(sizes.iter().all(|size| *size < FILE_TEXT / 100), gzip, "{sizes:?}");
    }
    Ok(())
}
