//! The column, or the type of one, that a message about NOT NULL names.

/// What stands before and behind the column's name, in the messages of Delta.
const MESSAGES: [(&str, &str); 3] = [
    ("NOT NULL constraint violated for column: ", "\n"),
    ("Column ", ", which has a NOT NULL constraint"),
    ("Column ", " is not specified in INSERT"),
];

/// The column or field that must have a value, by the path that `message` names, or the type with fields that must have one;
/// `None` if it names none.
pub(super) fn required_column(message: &str) -> Option<String> {
    if let Some((_, rest)) = message.split_once(": cannot cast \"") {
        let kind = rest.split_once("\" to \"")?.1.split_once('"')?.0;
        return Some(kind.to_owned()).filter(|kind| kind.contains(" NOT NULL"));
    }
    let name = MESSAGES.iter().find_map(|(before, behind)| {
        let rest = message.split_once(before)?.1;
        match rest.split_once(behind) {
            Some((name, _)) => Some(name),
            None => (*behind == "\n").then_some(rest),
        }
    })?;
    let name = name.split(" SQLSTATE").next()?.trim().trim_end_matches('.');
    Some(name.to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::required_column;

    #[test]
    fn the_column_is_found_in_every_wording() {
        for (message, expected) in [
            ("[X] NOT NULL constraint violated for column: st.a.\n SQLSTATE: 23502", Some("st.a")),
            ("[X] NOT NULL constraint violated for column: `a b`. SQLSTATE: 23502", Some("`a b`")),
            ("[X] Column n, which has a NOT NULL constraint, is missing from the data being written.", Some("n")),
            ("[X] Column we`ird is not specified in INSERT SQLSTATE: 42802", Some("we`ird")),
            ("[X] NOT NULL constraint violated. SQLSTATE: 23502", None),
            (
                "[X] Cannot resolve \"p\" due to data type mismatch: cannot cast \"STRUCT<a: INT>\" to \"STRUCT<a: INT NOT NULL>\".",
                Some("STRUCT<a: INT NOT NULL>"),
            ),
            ("[X] Cannot resolve \"p\" due to data type mismatch: cannot cast \"INT\" to \"DATE\".", None),
        ] {
            assert_eq!(required_column(message).as_deref(), expected, "{message}");
        }
    }
}
