//! A command as the shell hands it to a program: words, flags, and bodies in JSON.

use std::collections::BTreeMap;

use serde_json::Value;

use super::world::Refusal;

/// A command that was taken apart.
pub struct Command {
    /// Words that are no flags: the command itself, then its arguments.
    pub words: Vec<String>,
    flags: BTreeMap<String, String>,
}

impl Command {
    /// Takes `line` apart as a POSIX shell does.
    pub fn of(line: &str) -> Result<Self, Refusal> {
        let (mut words, mut flags) = (Vec::new(), BTreeMap::new());
        let mut all = words_of(line)?.into_iter();
        while let Some(word) = all.next() {
            if word.starts_with("--") {
                let value = all.next().ok_or_else(|| format!("{word} has no value"))?;
                if flags.insert(word.clone(), value).is_some() {
                    return Err(format!("{word} is there twice"));
                }
            } else {
                words.push(word);
            }
        }
        Ok(Self { words, flags })
    }

    /// Refuses anything but the command `named`, so many arguments, and flags of `flags`.
    pub fn only(&self, named: &[&str], arguments: usize, flags: &[&str]) -> Result<(), Refusal> {
        let is_command = self.words.len() == named.len() + arguments
            && self.words.iter().zip(named).all(|(word, name)| word == name);
        match self.flags.keys().find(|flag| !flags.contains(&flag.as_str())) {
            Some(flag) => Err(format!("{named:?} has no flag {flag}")),
            None if is_command => Ok(()),
            None => Err(format!("{:?} is not {named:?} with {arguments} arguments", self.words)),
        }
    }

    pub fn has(&self, flag: &str) -> bool {
        self.flags.contains_key(flag)
    }

    /// The value of a flag, which then is there no more.
    pub fn take(&mut self, flag: &str) -> Option<String> {
        self.flags.remove(flag)
    }

    pub fn flag(&self, name: &str) -> Result<String, Refusal> {
        self.flags.get(name).filter(|value| !value.is_empty()).cloned().ok_or_else(|| format!("{name} is missing"))
    }

    pub fn json(&self) -> Result<Value, Refusal> {
        serde_json::from_str(&self.flag("--json")?).map_err(|error| format!("--json is no JSON: {error}"))
    }
}

/// `json`, an object that has all of `required`, and beside these only some of `optional`.
pub fn body(json: &Value, required: &[&str], optional: &[&str]) -> Result<Value, Refusal> {
    let object = json.as_object().ok_or_else(|| format!("{json} is no object"))?;
    let missing = required.iter().find(|name| !object.contains_key(**name));
    let unknown = object.keys().find(|name| !required.contains(&name.as_str()) && !optional.contains(&name.as_str()));
    match (missing, unknown) {
        (Some(missing), _) => Err(format!("{json} has no {missing}")),
        (_, Some(unknown)) => Err(format!("{json} has the unknown field {unknown}")),
        _ => Ok(json.clone()),
    }
}

/// The words that a POSIX shell makes of `line`; signs that mean something to it are refused outside quotes.
fn words_of(line: &str) -> Result<Vec<String>, Refusal> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut signs = line.chars();
    while let Some(sign) = signs.next() {
        match sign {
            ' ' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match signs.next() {
                        Some('\'') => break,
                        Some(sign) => word.push(sign),
                        None => return Err("a quote has no end".to_owned()),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(signs.next()),
            // A word with escapes.
            '$' if signs.as_str().starts_with('\'') => {
                signs.next();
                let word = word.get_or_insert_default();
                loop {
                    match signs.next() {
                        Some('\'') => break,
                        Some('\\') => word.extend(signs.next()),
                        Some(sign) => word.push(sign),
                        None => return Err("a quote has no end".to_owned()),
                    }
                }
            }
            sign if sign.is_ascii_alphanumeric() || "-_./=:@,+".contains(sign) => {
                word.get_or_insert_default().push(sign)
            }
            other => return Err(format!("the shell takes {other:?} for its own")),
        }
    }
    words.extend(word);
    Ok(words)
}
