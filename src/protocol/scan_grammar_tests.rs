//! What is JSON and what is not, case by case, with the case moved over every block bound.

use super::{accepted, agree, refused};

/// A record around `data`, and the same with the payload moved over block bounds: a bound must never show.
fn records(data: &str) -> impl Iterator<Item = String> + '_ {
    (0..70).map(move |shift| {
        let pad = "p".repeat(shift);
        format!(
            r#"{{"type":"RECORD","record":{{"stream":"{pad}s","data":{{"{pad}":{data},"z":"{pad}"}},"emitted_at":17}}}}"#
        )
    })
}

/// In an array nothing is skipped by windows: the plain walk must know the same grammar.
fn plainly(data: &str) -> String {
    format!(r#"{{"type":"A","a":[{{"a":{data},"z":""}}]}}"#)
}

fn data_accepted(data: &str) {
    records(data).for_each(|line| accepted(&line));
    accepted(&plainly(data));
}

fn data_refused(data: &str) {
    records(data).for_each(|line| refused(&line));
    agree(&plainly(data));
}

#[test]
fn numbers_and_words_in_data_follow_the_grammar() {
    for good in [
        "0",
        "-0",
        "1",
        "-1",
        "10",
        "0.5",
        "-0.50",
        "1.25",
        "1e5",
        "1E+5",
        "1e-05",
        "0e0",
        "0.0e00",
        "1e400",
        "-1.5E-7",
        "123456789012345678901234567890",
        "0.1234567890123456789012345678901234567890",
        "true",
        "false",
        "null",
    ] {
        data_accepted(good);
        data_accepted(&format!("[{good},{good}]"));
        data_accepted(&format!("[ {good} , {good} ]"));
    }
    for bad in [
        "01",
        "1.",
        ".5",
        "1e",
        "1e+",
        "-",
        "--1",
        "+1",
        "00",
        "-01",
        "1.e5",
        "1.5.5",
        "1e5.5",
        "1e5e5",
        "1ee5",
        "1-",
        "1-1",
        "0x10",
        "1_0",
        "tru",
        "truee",
        "True",
        "nul",
        "nulll",
        "nullnull",
        "falsetrue",
        "fals",
        "NaN",
        "Infinity",
        "1a",
        "a1",
        "1 2",
        "- 1",
        "1 .5",
        "tr ue",
        "'a'",
        "1\u{a0}",
        "é",
        "1\"a\"",
        "\"a\"1",
        "null\"\"",
        "\"\"null",
        "1{}",
        "{}1",
        "1[]",
        "",
    ] {
        data_refused(bad);
        data_refused(&format!("[{bad}]x"));
        if !bad.is_empty() {
            data_refused(&format!("[{bad}]"));
            data_refused(&format!("[ {bad} ]"));
        }
    }
}

#[test]
fn the_structure_of_data_follows_the_grammar() {
    for good in [
        "{}",
        "[]",
        "[{}]",
        "{\"a\":{}}",
        "[[],[]]",
        "[{},{}]",
        "{\"a\":[],\"b\":{}}",
        "{\"\":\"\"}",
        "[\"\",\"\"]",
        "[[[[]]]]",
        "{\"a\":{\"b\":{\"c\":[1,{\"d\":2}]}},\"e\":[]}",
        "{\"a\":1,\"a\":1}",
        "[1,\"a\",null,{}]",
        "{\"a\":[{\"b\":1},{\"c\":2}]}",
        "\"{[\"",
        "\"}]\"",
        "\":,\"",
        "{\"{\":\"}\"}",
        "{\"a:\":\",b\"}",
        "[ ]",
        "{ }",
        "[ [ ] , { } ]",
        "{ \"a\" : 1 , \"b\" : [ ] }",
        "{\n\"a\"\t:\r1}",
        "[\n\n\t1\r\n]",
        "[1 ,2]",
        "[1, 2]",
        "{\"a\" :1}",
        "{\"a\": 1}",
    ] {
        data_accepted(good);
    }
    for bad in [
        "{",
        "}",
        "[",
        "]",
        "{]",
        "[}",
        "[{]}",
        "{\"a\":[}]",
        "[,]",
        "{,}",
        "[1,]",
        "[,1]",
        "[1,,2]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\",1}",
        "{\"a\":1,}",
        "{,\"a\":1}",
        "{\"a\":1,,\"b\":1}",
        "{\"a\"::1}",
        "{:1}",
        "{1:1}",
        "{a:1}",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":1}",
        "[1 2]",
        "[1:2]",
        "[\"a\":1]",
        "[\"a\",\"b\":1]",
        "{\"a\":\"b\":1}",
        "{\"a\",\"b\"}",
        "{\"a\":1,\"b\"}",
        "{\"a\":1,2}",
        "{\"a\":1,[]}",
        "{\"a\":1,{}}",
        "{[]:1}",
        "{{}:1}",
        "{{}}",
        "{[]}",
        "{null}",
        "{\"a\":{\"b\"}}",
        "[\"a\"\"b\"]",
        "\"a\"\"b\"",
        "[][]",
        "{}{}",
        "[]{}",
        "[1]]",
        "{\"a\":1}}",
        ":",
        ",",
        ":1",
        ",1",
        "1,",
        "1:",
        "1,2",
        "\"a\":1",
        "[{\"a\":1,\"b\"}]",
        "[\"a\" \"b\"]",
        "{\"a\" : : 1}",
        "{\"a\" : 1 , }",
        "[ , ]",
        "[ 1 , ]",
        "{\"a\":1,\"b\" , \"c\":1}",
        "/*c*/1",
        "\u{b}1",
        "\u{c}1",
        "\u{2028}1",
    ] {
        data_refused(bad);
    }
}

#[test]
fn strings_end_where_they_end() {
    for good in [
        r#""\\""#,
        r#""\\\\""#,
        r#""\\\"""#,
        r#""\"""#,
        r#""a\\","\\":"b""#,
        r#""\"{[","\"":1"#,
        r#""{\"a\":[1,2]}""#,
        r#""\u0041\u00e9\ud83d\ude00""#,
        r#""\ud800""#,
        r#""\udc00\ud800""#,
        r#""\uDFFF""#,
        r#""\/\b\f\n\r\t""#,
        "\"\u{2028}\u{2029}\u{7f}\"",
        "\"é漢😀\"",
        r#"{"\ud800":"\uABCD"}"#,
        r#"["\\\\\\\\","\\\\\\\\\\"]"#,
    ] {
        data_accepted(good);
    }
    for bad in [
        r#"""#,
        r#""\""#,
        r#""\\\""#,
        r#""\x""#,
        r#""\u""#,
        r#""\u12""#,
        r#""\u123g""#,
        r#""\u 123""#,
        r#""\U0041""#,
        r#""\ ""#,
        r#"\"""#,
        r#"\n"#,
        r#"1\"#,
        r#"\"#,
        r#""a"\"#,
        r#"\"a""#,
        "\"\t\"",
        "\"\n\"",
        "\"\u{1f}\"",
        "\"\0\"",
        "\"a\u{1}b\"",
        "\"\\\n\"",
        r#""\ud8""#,
        r#""\'""#,
        r#"["\\\"]"#,
        r#"[1\]"#,
    ] {
        data_refused(bad);
    }
    for run in 0..140 {
        let backslashes = "\\".repeat(run);
        for line in records(&format!("\"{backslashes}\"")).step_by(7) {
            assert_eq!(agree(&line), run % 2 == 0);
        }
    }
}

#[test]
fn long_strings_are_stepped_over() {
    for len in (0..300).chain([4096, 1_000_000]) {
        let text = "x".repeat(len);
        accepted(&format!(
            r#"{{"type":"RECORD","record":{{"stream":"{text}","data":{{"{text}":"{text}"}},"emitted_at":1}}}}"#
        ));
        refused(&format!(r#"{{"type":"RECORD","record":{{"stream":"s","data":{{"a":"{text}}},"emitted_at":1}}}}"#));
    }
}

#[test]
fn nesting_has_no_limit_where_a_value_is_skipped() {
    for depth in [1, 2, 31, 32, 33, 62, 63, 64, 65, 66, 127, 128, 129, 200, 100_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]"), (" [ ", " ] ")] {
            let (opened, closed) = (open.repeat(depth), close.repeat(depth));
            let one_less = close.repeat(depth - 1);
            accepted(&format!(
                r#"{{"type":"RECORD","record":{{"stream":"s","data":{{"a":{opened}1{closed}}},"emitted_at":1}}}}"#
            ));
            refused(&format!(
                r#"{{"type":"RECORD","record":{{"stream":"s","data":{{"a":{opened}1{one_less}}},"emitted_at":1}}}}"#
            ));
            accepted(&format!(r#"{{"type":"A","a":{opened}1{closed}}}"#));
            refused(&format!(r#"{{"type":"A","a":{opened}1{closed}]}}"#));
            refused(&format!(r#"{{"type":"A","a":{opened}1"#));
        }
    }
    let mixed: String = (0..500).map(|level| if level % 3 == 0 { "[" } else { "{\"k\":" }).collect();
    let closing: String = (0..500).rev().map(|level| if level % 3 == 0 { "]" } else { "}" }).collect();
    accepted(&format!(r#"{{"type":"A","a":{mixed}0{closing}}}"#));
    refused(&format!(r#"{{"type":"A","a":{mixed}0{}}}"#, closing.replacen("]", "}", 1)));
}
