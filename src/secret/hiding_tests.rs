//! What is hidden, in which forms, and what stays.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;

const SECRET: &str = "s3cr/t+K\"y&9\\zQ==";

/// What other tests of this process make known would take its time, and may resemble what has to stay.
impl Known {
    fn with(secrets: &[&str]) -> Self {
        let mut known = Self::default();
        secrets.iter().for_each(|secret| known.add(forms::forms_of(secret, false)));
        known
    }

    fn hide(&self, text: &str) -> String {
        self.hidden(text, false).into_owned()
    }

    fn hide_in_answer(&self, text: &str) -> String {
        self.hidden(text, true).into_owned()
    }
}

#[test]
fn a_secret_is_hidden_in_every_form_and_the_rest_stays() {
    let known = Known::with(&[SECRET]);
    let percent = |text: &str, upper: bool| {
        text.bytes().map(|byte| if upper { format!("%{byte:02X}") } else { format!("%{byte:02x}") }).collect::<String>()
    };
    let xml = SECRET.replace('&', "&amp;").replace('"', "&quot;").replace('+', "&#43;").replace('/', "&#x2F;");
    let json = serde_json::Value::from(SECRET).to_string();
    for form in [
        SECRET.to_owned(),
        STANDARD.encode(format!("token:{SECRET}")),
        STANDARD.encode(SECRET),
        percent(SECRET, true),
        percent(SECRET, false),
        percent(&percent(SECRET, true), true),
        SECRET.replace('/', "%2F").replace('+', "%2b"),
        xml,
        json.trim_matches('"').to_owned(),
        json.trim_matches('"').replace('/', "\\/").replace('+', "\\u002b"),
        percent(&STANDARD.encode(SECRET), true),
    ] {
        for text in [form.clone(), format!("ä {form} ö"), format!("a={form}&b={form}")] {
            let shown = known.hide(&text);
            assert!(shown.contains("***"), "{text}: {shown}");
            assert!(!shown.contains(&form) && !shown.contains("s3cr"), "{text}: {shown}");
            assert_eq!(shown.starts_with("ä "), text.starts_with("ä "), "{shown}");
        }
    }
}

#[test]
fn a_secret_that_is_escaped_or_broken_up_by_anything_is_hidden() {
    const TOKEN: &str = "dapi9c8b7a6f5e4d3c2b1a0f9e8d7c6b5a4f";
    let known = Known::with(&[TOKEN]);
    let each = |form: &dyn Fn(u8) -> String| TOKEN.bytes().map(form).collect::<String>();
    let hexadecimal: Vec<String> = TOKEN.bytes().map(|byte| format!("{byte:02x}")).collect();
    let octal: Vec<String> = TOKEN.bytes().map(|byte| format!("{byte:03o}")).collect();
    let utf_16 = |bytes: fn(u16) -> [u8; 2]| TOKEN.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    let hexadecimal_of = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let broken = |text: &str, length: usize, by: &str| {
        let signs: Vec<char> = text.chars().collect();
        signs.chunks(length).map(String::from_iter).collect::<Vec<_>>().join(by)
    };
    for form in [
        each(&|byte| format!("\\x{byte:02x}")),
        each(&|byte| format!("\\{byte:03o}")),
        each(&|byte| format!("\\u{{{byte:x}}}")),
        each(&|byte| format!("\\U{byte:08x}")),
        each(&|byte| format!("%u{byte:04x}")),
        each(&|byte| format!("={byte:02X}")),
        each(&|byte| format!("={byte:02x}")),
        each(&|byte| format!("&#{byte:07};")),
        each(&|byte| format!("&#x{byte:012X};")),
        each(&|byte| format!("&#{byte}")),
        each(&|byte| format!("U+{byte:04X} ")).trim().to_owned(),
        each(&|byte| format!("\\\\u{byte:04x}")),
        hexadecimal.join(":"),
        hexadecimal.join("-"),
        hexadecimal.join("\0"),
        format!("0x{}", hexadecimal.join(", 0x")),
        TOKEN.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", "),
        broken(TOKEN, 4, "<wbr>"),
        broken(TOKEN, 9, "<br />\n"),
        broken(TOKEN, 12, " "),
        broken(TOKEN, 1, "\u{200b}"),
        broken(TOKEN, 1, "\\u200b"),
        broken(TOKEN, 1, "&#8203;"),
        broken(TOKEN, 7, "\\n"),
        broken(&STANDARD.encode(TOKEN), 20, "\n"),
        broken(&STANDARD.encode(TOKEN), 20, "\r\n"),
        each(&|byte| format!("%252525{byte:02x}")),
        each(&|byte| format!("%2525252525{byte:02x}")),
        each(&|byte| format!("&amp;amp;amp;#{byte};")),
        each(&|byte| format!("\\\\\\\\\\\\\\\\u{byte:04x}")),
        each(&|byte| format!("%26%2523{byte}%3B")),
        each(&|byte| format!("<span class=\"k\">{}</span>", char::from(byte))),
        each(&|byte| format!("&lt;span class=&quot;k&quot;&gt;\\x{byte:02x}&lt;/span&gt;")),
        each(&|byte| format!("<i>%{byte:02x}</i>")),
        each(&|byte| format!("&#x{byte:x}")),
        broken(TOKEN, 1, "<!-- a comment -->"),
        broken(TOKEN, 3, "<a href='https://example.com/?q=1' title=''>"),
        broken(TOKEN, 1, "&ZeroWidthSpace;"),
        broken(TOKEN, 1, "&InvisibleComma;"),
        broken(TOKEN, 3, "&lrm;"),
        broken(TOKEN, 1, "&#8203"),
        broken(TOKEN, 1, "&#x200b"),
        broken(TOKEN, 1, "&#65279"),
        broken(TOKEN, 1, "&#8288;"),
        broken(TOKEN, 5, "\u{1b}[1;31m"),
        broken(TOKEN, 5, "\\x1b[31m"),
        broken(TOKEN, 5, "\\u001b[38;5;196m"),
        broken(TOKEN, 5, "\\033[0m"),
        broken(TOKEN, 5, "\\e[0m"),
        broken(TOKEN, 5, "^[[31m"),
        broken(TOKEN, 5, "\\x1b]8;;https://example.com\\x07"),
        octal.join(" "),
        TOKEN.bytes().map(|byte| format!("{byte:o}")).collect::<Vec<_>>().join(", "),
        TOKEN.bytes().map(|byte| format!("{byte:04o}")).collect::<Vec<_>>().join(" "),
        TOKEN.bytes().map(|byte| format!("0o{byte:o}")).collect::<Vec<_>>().join(", "),
        each(&|byte| format!("\\0{byte:03o}")),
        each(&|byte| format!("\\{byte:o}")),
        each(&|byte| format!("\\o{{{byte:o}}}")),
        each(&|byte| format!("\\{byte:06x}")),
        each(&|byte| format!("\\{byte:06x} ")).trim().to_owned(),
        each(&|byte| format!("\\{byte:x} ")).trim().to_owned(),
        STANDARD.encode(utf_16(u16::to_le_bytes)),
        STANDARD.encode(utf_16(u16::to_be_bytes)),
        STANDARD.encode([vec![0xff, 0xfe], utf_16(u16::to_le_bytes)].concat()),
        hexadecimal_of(&utf_16(u16::to_le_bytes)),
        hexadecimal_of(&utf_16(u16::to_be_bytes)).to_uppercase(),
        STANDARD.encode(STANDARD.encode(TOKEN)),
        STANDARD.encode(STANDARD.encode(format!("token:{TOKEN}"))),
        TOKEN.to_uppercase(),
        TOKEN.replace("dapi", ""),
        TOKEN[9..21].to_owned(),
        TOKEN[24..].to_owned(),
    ] {
        for text in [format!("the token {form} here"), format!("{form};x")] {
            let shown = known.hide(&text);
            assert!(shown.contains("***"), "{text}: {shown}");
            let left = shown.split("***").map(str::len).sum::<usize>();
            assert!(left < 40 + form.len() / 12 && shown.ends_with(&text[text.len() - 1..]), "{text}: {shown}");
            assert_eq!(shown.starts_with("the token "), text.starts_with("the"), "{shown}");
        }
    }
}

#[test]
fn what_looks_a_little_like_a_secret_stays() {
    let known = Known::with(&["Warehouse2024Production", "AnotherPassphraseOfWords", "0000000000000000000000000000"]);
    let sentence = "The warehouse of 2024 is in production; another passphrase of words: 12% of \\new\\x and a=20 b=30 \
                    in s3://lake/2026_11_26_1700000000000_0.parquet, version 00000000000000000042.json.";
    assert_eq!(known.hide(sentence), sentence);
}

#[test]
fn the_name_of_a_key_is_hidden_and_what_is_like_it_stays_in_our_own_sentences() {
    let mut known = Known::with(&["lake-house-2024-secret", "the-same-bucket-2024"]);
    known.add(forms::forms_of("lake-house-2024", true));
    known.add(forms::forms_of("AKIAQ7W8E9R0T1Y2U3I4", true));
    known.add_open("lake-house-2024-production");
    known.add_open("the-same-bucket-2024");
    let sentence = "Resource: arn:aws:s3:::lake-house-2024-production/tables of the-same-bucket-2024, LakeHouse2024.";
    assert_eq!(known.hide(sentence), sentence);
    let both = "the key AKIAQ7W8E9R0T1Y2U3I4 of lake-house-2024-secret";
    assert_eq!(known.hide(both), "the key *** of ***");
    assert_eq!(known.hide("akia q7w8 e9r0 t1y2 u3i4"), "akia q7w8 e9r0 t1y2 u3i4");
    let answer = known.hide_in_answer("akia q7w8 e9r0 t1y2 u3i4 lake-house-2024 the-same-bucket-2024");
    assert_eq!(answer, "*** *** ***");
    // What is the name of a key and its secret, too, is a secret.
    for is_id in [true, false, true] {
        known.add(forms::forms_of("minio-key-2024-abcdef", is_id));
    }
    assert_eq!(known.hide("MINIO KEY 2024 ABCDEF"), "***");
}

#[test]
fn of_a_text_that_nobody_reads_to_its_end_the_beginning_is_searched() {
    let known = Known::with(&["dapi5a6b7c8d9e0f5a6b7c8d"]);
    let text = format!("dapi5a6b7c8d9e0f5a6b7c8d {}dapi5a6b7c8d9e0f5a6b7c8d", "ä".repeat(LONGEST));
    let shown = known.hide_in_answer(&text);
    assert!(shown.starts_with("*** ää") && shown.ends_with("ä…") && shown.len() < LONGEST + 8);
}

#[test]
fn a_web_token_that_others_say_is_hidden_whoever_it_is_of() {
    let known = Known::default();
    let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.SiGn-a_ture";
    for text in
        [format!("a {token}, b"), format!("a=%65{}, b", &token[1..]), token.to_owned(), format!("{}…", &token[..30])]
    {
        let shown = known.hide_in_answer(&text);
        assert!(shown.contains("***") && !shown.contains("eyJ") && !shown.contains("SiGn"), "{shown}");
    }
    for stays in ["eyJ and eyJs. stay", "a page behind eyJjdXJzb3IiOiIxIn0. And more", "`eyJzdWIiOiJhIn0`.`users`"] {
        assert_eq!(known.hide_in_answer(stays), stays);
    }
}

#[test]
fn what_is_cut_in_the_middle_of_a_secret_is_hidden_too() {
    let known = Known::with(&["dapi77665544332211ffee"]);
    for cut in ["bad key dapi776655443", "bad key dapi7766…", "bad (dapi77665...) there"] {
        let shown = known.hide(cut);
        assert!(!shown.contains("dapi77") && shown.contains("***"), "{shown}");
    }
    for cut in ["…2211ffee is bad", "bad ...211ffee there", "11ffee"] {
        let shown = known.hide(cut);
        assert!(!shown.contains("ffee") && shown.contains("***"), "{shown}");
    }
    assert_eq!(known.hide("a key begins with dapi"), "a key begins with dapi");
}

#[test]
fn what_signs_a_request_is_hidden_whoever_made_it() {
    let known = Known::default();
    for (text, shown) in [
        ("got Authorization: Bearer eyJhbGciOi.J9.x1 here", "got Authorization: Bearer *** here"),
        ("Basic dG9rZW46eHh4eA==", "Basic ***"),
        ("SignedHeaders=host, Signature=0011223344556677aabb", "SignedHeaders=host, Signature=***"),
        ("X-Amz-Signature: IQoJb3Jp//9", "X-Amz-Signature: ***"),
        ("Action=A&WebIdentityToken=0pa9ueT0ken&Version=1", "Action=A&WebIdentityToken=***&Version=1"),
        ("<SessionToken>IQoJb3Jp9//9</SessionToken>", "<SessionToken>***</SessionToken>"),
        ("{\"access_token\": \"0pa9ueT0ken\"}", "{\"access_token\": \"***\"}"),
        ("WebIdentityToken%3D0pa9ueT0ken%26Version", "WebIdentityToken%3D***%26Version"),
        ("&lt;SecretAccessKey&gt;0pa9ueT0ken&lt;", "&lt;SecretAccessKey&gt;***&lt;"),
    ] {
        assert_eq!(known.hide_in_answer(text), shown);
    }
    for name in NAMES {
        assert_eq!(known.hide_in_answer(&format!("{name}: 0pa9ueT0ken")), format!("{name}: ***"));
    }
    for plain in [
        "Bearer authentication and basic settings: the signature=missing",
        "the plan basic 2024-plan-basic-of-2025 and the bearer 2024-contract-of-q1",
        "the streams signature 20240101 and assertion 2024-01-01",
    ] {
        assert_eq!(known.hide_in_answer(plain), plain);
    }
    let own = "The stream signature=20240101 and the path s3://lake/access_token=20240101/Bearer abcdefgh0123456789.";
    assert_eq!(known.hide(own), own);
}

#[test]
fn our_own_sentences_stay_whatever_somebody_took_for_a_secret() {
    let known = Known::with(&["", "a", "s3", "the", "warehouse", "databricks", "default"]);
    let sentence = "The SQL warehouse of Databricks has a default s3 bucket, the first.";
    assert_eq!(known.hide(sentence), sentence);
    let answer = known.hide_in_answer("no warehouse for Authorization: warehouse");
    assert!(!answer.contains("warehouse"), "{answer}");
    assert!(known.hide_in_answer("a s3 bucket: the one").contains("a s3 bucket: the one"));
}

/// A token as services give them.
fn token(number: u64) -> String {
    let mut random = fastrand::Rng::with_seed(number);
    std::iter::repeat_with(|| random.alphanumeric()).take(60).collect()
}

#[test]
fn a_secret_that_passes_is_forgotten_some_time_after_nobody_has_it_any_more() {
    let mut known = Known::with(&[SECRET]);
    let held = known.add_passing(&token(0));
    let is_known = |known: &Known, number| !known.hide_in_answer(&token(number)).contains(&token(number));
    (1..=LEFT as u64).for_each(|number| drop(known.add_passing(&token(number))));
    assert!((0..=LEFT as u64).all(|number| is_known(&known, number)));
    let (forms, runs) = (known.forms.len(), known.runs.len());
    for number in 0..100 {
        drop(known.add_passing(&token(1000 + number)));
        // Over and over again the same is one.
        drop(known.add_passing(&token(0)));
    }
    assert!(known.forms.len() <= forms * 5 / 4 && known.runs.len() <= runs * 5 / 4, "{} {runs}", known.runs.len());
    assert!(is_known(&known, 0) && is_known(&known, 1099) && !is_known(&known, 1) && !is_known(&known, 1050));
    assert_eq!(known.hide(&format!("{SECRET} and {held}")), "*** and ***");
}

#[test]
fn what_another_secret_has_too_is_not_forgotten() {
    let mut known = Known::default();
    let all = [token(1), token(2), token(3), token(4)];
    known.add(forms::forms_of(&all[0], false));
    known.add(forms::forms_of(&all[3], true));
    all.iter().for_each(|token| drop(known.add_passing(token)));
    known.add(forms::forms_of(&all[1], false));
    // Its end is the same for long enough.
    let longer = format!("x{}", all[2]);
    let held = known.add_passing(&longer);
    (0..20).for_each(|number| drop(known.add_passing(&token(1000 + number))));
    for known_by in [&all[0], &all[1], &all[3], &longer] {
        assert_eq!(known.hide(known_by), "***");
    }
    assert!(known.hide_in_answer(&all[2]).len() < 10, "{}", known.hide_in_answer(&all[2]));
    drop(held);
}

#[test]
fn what_the_program_gets_to_know_is_hidden_in_all_that_leaves_it() {
    know("dapi0b1c2d3e4f5a6b7c8d9e");
    know_key_id("AKIAZ9Y8X7W6V5U4T3S2");
    know("a-bucket-2031-0b1c");
    know_open("a-bucket-2031-0b1c");
    let text = "dapi0b1c2d3e4f5a6b7c8d9e, AKIAZ9Y8X7W6V5U4T3S2, a-bucket-2031-0b1c";
    assert_eq!(hide(text), "***, ***, a-bucket-2031-0b1c");
    assert_eq!(hide_in_answer(text), "***, ***, ***");
}
