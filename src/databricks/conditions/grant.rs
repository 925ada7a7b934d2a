//! Turns "User does not have USE CATALOG on Catalog 'main'." into the GRANT for it.

/// Securable objects, as the server's message names them and as SQL does.
const SECURABLES: [(&str, &str); 12] = [
    ("any file", "ANY FILE"),
    ("catalog", "CATALOG"),
    ("schema", "SCHEMA"),
    ("database", "SCHEMA"),
    ("table or view", "TABLE"),
    ("table", "TABLE"),
    ("view", "TABLE"),
    ("external location", "EXTERNAL LOCATION"),
    ("storage credential", "STORAGE CREDENTIAL"),
    ("volume", "VOLUME"),
    ("metastore", "METASTORE"),
    ("path", "EXTERNAL LOCATION"),
];

/// The GRANT for the privilege that `message` says is missing; `None` if it does not name the privilege and its object.
pub(super) fn missing_grant(message: &str, principal: &str) -> Option<String> {
    let line = message.lines().find(|line| line.contains("does not have "))?;
    let missing = line.split("does not have ").nth(1)?;
    let missing = ["permission ", "permissions ", "privilege ", "privileges "]
        .iter()
        .find_map(|word| missing.strip_prefix(word))
        .unwrap_or(missing);
    let (right, on) = missing.split_once(" on ")?;
    let is_right = |sign: char| sign.is_ascii_uppercase() || matches!(sign, ' ' | '_' | ',');
    if right.is_empty() || right.len() > 60 || !right.chars().all(is_right) {
        return None;
    }
    let right = right.replace('_', " ");
    let lower = on.to_ascii_lowercase();
    let (word, securable) = SECURABLES.iter().find(|(word, _)| lower.starts_with(word))?;
    let name = on.get(word.len()..)?.trim_start_matches([' ', ':']);
    let named = match *securable {
        "ANY FILE" => String::new(),
        // A workspace has one metastore.
        "METASTORE" => String::new(),
        // The location's name is not in the message: whoever grants it finds it by its path.
        "EXTERNAL LOCATION" if *word == "path" => " `<the external location of this path>`".to_owned(),
        "EXTERNAL LOCATION" | "STORAGE CREDENTIAL" => format!(" {}", quoted(&[unquoted(name)?])),
        _ => format!(" {}", quoted(&parts(name)?)),
    };
    Some(format!("GRANT {right} ON {securable}{named} TO {principal}"))
}

/// The text between the quotes that `text` begins with.
fn unquoted(text: &str) -> Option<&str> {
    let quote = text.chars().next().filter(|sign| matches!(sign, '\'' | '`' | '"'))?;
    let inside = text.get(1..)?.split(quote).next()?;
    Some(inside).filter(|name| !name.is_empty())
}

/// The parts of a name that is quoted as a whole, `'main.sales'`, or part by part, "`main`.`sales`", or not at all.
fn parts(text: &str) -> Option<Vec<&str>> {
    if let Some(whole) = text.strip_prefix('`') {
        let end = whole.find("` ").or_else(|| whole.rfind('`'))?;
        return Some(whole.get(..end)?.split("`.`").collect());
    }
    let whole = match text.chars().next()? {
        '\'' | '"' => unquoted(text)?,
        _ => text.split([' ', ';']).next()?.trim_end_matches('.'),
    };
    Some(whole.split('.').collect()).filter(|parts: &Vec<&str>| parts.iter().all(|part| !part.is_empty()))
}

fn quoted(parts: &[&str]) -> String {
    let parts: Vec<String> = parts.iter().map(|part| format!("`{}`", part.replace('`', "``"))).collect();
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grant_that_is_missing_is_printed_with_quoted_names() {
        let cases = [
            ("User does not have USE CATALOG on Catalog 'main'.", "USE CATALOG ON CATALOG `main`"),
            (
                "[INSUFFICIENT_PERMISSIONS] Insufficient privileges:\nUser does not have USE SCHEMA on Schema \
                 'main.my-sales'. SQLSTATE: 42501",
                "USE SCHEMA ON SCHEMA `main`.`my-sales`",
            ),
            ("User does not have CREATE SCHEMA on Catalog `main`.", "CREATE SCHEMA ON CATALOG `main`"),
            ("User does not have CREATE TABLE on Schema `main`.`a.b`.", "CREATE TABLE ON SCHEMA `main`.`a.b`"),
            (
                "PERMISSION_DENIED: User does not have CREATE EXTERNAL TABLE on External Location 'lake.one'.",
                "CREATE EXTERNAL TABLE ON EXTERNAL LOCATION `lake.one`",
            ),
            ("User does not have READ_FILES on External Location 'lake'", "READ FILES ON EXTERNAL LOCATION `lake`"),
            ("User does not have permission SELECT,MODIFY on any file.", "SELECT,MODIFY ON ANY FILE"),
            ("User does not have permission USAGE on database default.", "USAGE ON SCHEMA `default`"),
            (
                "User does not have WRITE FILES on path 's3://lake/x'.",
                "WRITE FILES ON EXTERNAL LOCATION `<the external location of this path>`",
            ),
        ];
        for (message, grant) in cases {
            assert_eq!(
                missing_grant(message, "`<the token's user>`").as_deref(),
                Some(format!("GRANT {grant} TO `<the token's user>`").as_str())
            );
        }
    }

    #[test]
    fn nothing_is_printed_where_the_words_do_not_name_it() {
        for message in [
            "",
            "User does not have",
            "User does not have a clue on Catalog 'main'",
            "User does not have SELECT on ",
            "User does not have SELECT on Catalog ''",
            "User does not have SELECT on the moon 'x'",
            "You do not have permission to autostart 0101-abc",
        ] {
            assert_eq!(missing_grant(message, "`me`"), None, "{message}");
        }
    }
}
