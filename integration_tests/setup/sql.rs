//! Statements of SQL that the recorder knows. Sources, below <https://docs.databricks.com/sql/language-manual/>: `security-grant`,
//! `security-revoke`, `sql-ref-principal`, `sql-ref-identifiers`, `sql-ref-syntax-ddl-create-schema`, `…-drop-schema`, `…-create-volume`,
//! `…-create-location`, `…-drop-location`, `…-alter-table`.

use super::rights::applies;
use super::world::{Refusal, World};

/// What a statement consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// In capitals.
    Word(String),
    /// In backticks.
    Name(String),
    /// In single quotes.
    Text(String),
    Sign(char),
}

/// The rest of a statement.
struct Statement {
    tokens: std::vec::IntoIter<Token>,
}

/// Runs `statement` in `world`.
pub fn run(world: &mut World, statement: &str) -> Result<(), Refusal> {
    let mut rest = Statement { tokens: tokens(statement)?.into_iter() };
    match rest.word()?.as_str() {
        "GRANT" => rest.change_rights(world, true),
        "REVOKE" => rest.change_rights(world, false),
        "CREATE" => rest.create(world),
        "DROP" => rest.drop(world),
        "ALTER" => {
            rest.words("TABLE")?;
            let table = rest.path()?.join(".");
            let mut next = rest.word()?;
            if next == "SET" {
                next = rest.word()?;
            }
            if next != "OWNER" {
                return Err(format!("ALTER TABLE … {next}"));
            }
            rest.words("TO")?;
            let owner = rest.name()?;
            rest.end()?;
            let had = world.tables.get_mut(&table).ok_or_else(|| format!("there is no table {table}"))?;
            *had = owner;
            Ok(())
        }
        other => Err(format!("{other} begins no statement that an administrator runs")),
    }
}

impl Statement {
    fn change_rights(mut self, world: &mut World, gives: bool) -> Result<(), Refusal> {
        let mut privileges = vec![String::new()];
        loop {
            match self.tokens.next() {
                Some(Token::Word(word)) if word == "ON" => break,
                Some(Token::Word(word)) => {
                    let last = privileges.last_mut().unwrap();
                    *last = if last.is_empty() { word } else { format!("{last} {word}") };
                }
                Some(Token::Sign(',')) => privileges.push(String::new()),
                other => return Err(format!("{other:?} among privileges")),
            }
        }
        let (kind, name, is_hive) = self.securable(world)?;
        self.words(if gives { "TO" } else { "FROM" })?;
        let principal = self.name()?;
        self.end()?;
        for privilege in privileges {
            if !applies(&privilege, &kind, is_hive) {
                return Err(format!("{privilege} does not apply to {kind}"));
            }
            let on = if name.is_empty() { kind.clone() } else { format!("{kind} {name}") };
            let right = format!("{principal} {privilege} on {on}");
            // A table that was made for the test is no right that stays.
            if gives { world.give(right) } else { world.take(&right)? }
        }
        Ok(())
    }

    /// The kind, the name, and whether it is one of the older metastore. It has to exist.
    fn securable(&mut self, world: &World) -> Result<(String, String, bool), Refusal> {
        let kind = match self.word()?.as_str() {
            "ANY" => {
                self.words("FILE")?;
                return Ok(("ANY FILE".to_owned(), String::new(), true));
            }
            "EXTERNAL" => {
                self.words("LOCATION")?;
                "EXTERNAL LOCATION".to_owned()
            }
            kind @ ("CATALOG" | "SCHEMA" | "TABLE" | "VOLUME") => kind.to_owned(),
            other => return Err(format!("{other} is no securable object")),
        };
        let parts = self.path()?;
        let length = match kind.as_str() {
            "CATALOG" | "EXTERNAL LOCATION" => 1,
            "SCHEMA" => 2,
            _ => 3,
        };
        if parts.len() != length {
            return Err(format!("a {kind} has {length} parts, not {parts:?}"));
        }
        let name = parts.join(".");
        let exists = match kind.as_str() {
            "CATALOG" => world.catalogs.contains(&name),
            "SCHEMA" => world.schemas.contains(&name),
            "TABLE" => world.tables.contains_key(&name),
            "VOLUME" => world.volumes.contains(&name),
            _ => world.locations.contains_key(&name),
        };
        let is_hive = kind != "EXTERNAL LOCATION" && parts[0] == "hive_metastore";
        if exists { Ok((kind, name, is_hive)) } else { Err(format!("there is no {kind} {name}")) }
    }

    fn create(mut self, world: &mut World) -> Result<(), Refusal> {
        match self.word()?.as_str() {
            "SCHEMA" => {
                self.words("IF NOT EXISTS")?;
                let parts = self.path()?;
                self.end()?;
                if parts.len() != 2 || !world.catalogs.contains(&parts[0]) {
                    return Err(format!("there is no catalog for {parts:?}"));
                }
                world.schemas.insert(parts.join("."));
            }
            "VOLUME" => {
                self.words("IF NOT EXISTS")?;
                let parts = self.path()?;
                self.end()?;
                if parts.len() != 3 || parts[0] == "hive_metastore" || !world.schemas.contains(&parts[..2].join(".")) {
                    return Err(format!("there is no schema of Unity Catalog for {parts:?}"));
                }
                world.volumes.insert(parts.join("."));
            }
            "EXTERNAL" => {
                self.words("LOCATION IF NOT EXISTS")?;
                let name = self.name()?;
                self.words("URL")?;
                let Some(Token::Text(url)) = self.tokens.next() else { return Err("the URL is no literal".to_owned()) };
                let is_address = |scheme: &str| url.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty());
                if !["s3://", "abfss://", "gs://"].into_iter().any(is_address) || !url.is_ascii() || url.ends_with('/')
                {
                    return Err(format!("{url} is no address of a bucket or container"));
                }
                self.words("WITH")?;
                self.sign('(')?;
                self.words("STORAGE CREDENTIAL")?;
                let credential = self.name()?;
                self.sign(')')?;
                self.end()?;
                if !world.credentials.contains(&credential) {
                    return Err(format!("there is no storage credential {credential}"));
                }
                world.locations.insert(name, credential);
            }
            other => return Err(format!("CREATE {other}")),
        }
        Ok(())
    }

    fn drop(mut self, world: &mut World) -> Result<(), Refusal> {
        match self.word()?.as_str() {
            "SCHEMA" => {
                self.words("IF EXISTS")?;
                let schema = self.path()?.join(".");
                self.words("RESTRICT")?;
                self.end()?;
                let inside = format!("{schema}.");
                let mut all = world.volumes.iter().chain(world.tables.keys());
                // Otherwise SCHEMA_NOT_EMPTY, and everything stays.
                if !all.any(|name| name.starts_with(&inside)) {
                    world.schemas.remove(&schema);
                }
                Ok(())
            }
            "EXTERNAL" => {
                self.words("LOCATION IF EXISTS")?;
                let name = self.name()?;
                self.end()?;
                world.locations.remove(&name);
                Ok(())
            }
            other => Err(format!("DROP {other}")),
        }
    }

    fn word(&mut self) -> Result<String, Refusal> {
        match self.tokens.next() {
            Some(Token::Word(word)) => Ok(word),
            other => Err(format!("{other:?} is no word")),
        }
    }

    fn words(&mut self, expected: &str) -> Result<(), Refusal> {
        expected.split(' ').try_for_each(|word| {
            let found = self.word()?;
            if found == word { Ok(()) } else { Err(format!("{found} stands where {word} belongs")) }
        })
    }

    fn sign(&mut self, expected: char) -> Result<(), Refusal> {
        match self.tokens.next() {
            Some(Token::Sign(sign)) if sign == expected => Ok(()),
            other => Err(format!("{other:?} stands where {expected} belongs")),
        }
    }

    fn name(&mut self) -> Result<String, Refusal> {
        match self.tokens.next() {
            Some(Token::Name(name)) => Ok(name),
            other => Err(format!("{other:?} is no quoted name")),
        }
    }

    /// Names with dots between them.
    fn path(&mut self) -> Result<Vec<String>, Refusal> {
        let mut parts = vec![self.name()?];
        while self.tokens.as_slice().first() == Some(&Token::Sign('.')) {
            self.sign('.')?;
            parts.push(self.name()?);
        }
        Ok(parts)
    }

    fn end(&mut self) -> Result<(), Refusal> {
        self.tokens.next().map_or(Ok(()), |token| Err(format!("{token:?} stands behind the end")))
    }
}

fn tokens(statement: &str) -> Result<Vec<Token>, Refusal> {
    let mut tokens = Vec::new();
    let mut signs = statement.chars().peekable();
    while let Some(sign) = signs.next() {
        match sign {
            ' ' => {}
            '`' => {
                let mut name = String::new();
                loop {
                    match signs.next() {
                        Some('`') if signs.next_if_eq(&'`').is_some() => name.push('`'),
                        Some('`') => break,
                        Some(sign) => name.push(sign),
                        None => return Err("a name has no end".to_owned()),
                    }
                }
                if name.is_empty() {
                    return Err("a name is empty".to_owned());
                }
                tokens.push(Token::Name(name));
            }
            '\'' => {
                let mut text = String::new();
                loop {
                    match signs.next() {
                        Some('\\') => text.extend(signs.next()),
                        Some('\'') => break,
                        Some(sign) => text.push(sign),
                        None => return Err("a text has no end".to_owned()),
                    }
                }
                tokens.push(Token::Text(text));
            }
            ',' | '(' | ')' | '.' => tokens.push(Token::Sign(sign)),
            'A'..='Z' => {
                let mut word = String::from(sign);
                word.extend(std::iter::from_fn(|| signs.next_if(|sign| sign.is_ascii_uppercase() || *sign == '_')));
                tokens.push(Token::Word(word));
            }
            other => return Err(format!("{other:?} is no sign of such a statement")),
        }
    }
    Ok(tokens)
}
