//! What a step is, and how a plan of steps looks to people and to machines.

use serde_json::{Value, json};

/// In what it is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    /// A shell, with the Databricks CLI where it says `databricks`.
    Shell,
    /// The SQL editor, or any notebook.
    Sql,
}

/// What the configuration does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unknown {
    /// As it stands in commands, with its angle brackets.
    pub(super) placeholder: &'static str,
    /// How to find it.
    pub(super) found: String,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) title: &'static str,
    pub(super) about: String,
    pub(super) language: Language,
    /// Each a whole command or statement.
    pub(super) commands: Vec<String>,
    pub(super) unknown: Vec<Unknown>,
}

impl Step {
    pub(super) fn shell(title: &'static str, about: impl Into<String>, commands: Vec<String>) -> Self {
        Self { title, about: about.into(), language: Language::Shell, commands, unknown: Vec::new() }
    }

    pub(super) fn sql(title: &'static str, about: impl Into<String>, commands: Vec<String>) -> Self {
        Self { language: Language::Sql, ..Self::shell(title, about, commands) }
    }

    /// The same with what has to be filled in, as far as its commands have it.
    pub(super) fn with(mut self, unknown: impl IntoIterator<Item = Unknown>) -> Self {
        let is_there = |one: &Unknown| self.commands.iter().any(|command| command.contains(one.placeholder));
        let unknown: Vec<Unknown> = unknown.into_iter().filter(is_there).collect();
        self.unknown.extend(unknown);
        self
    }
}

/// What is to be run, and what takes it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    pub(super) revoke: Vec<Step>,
}

impl Plan {
    /// For people: comments say what a block is and where it is run.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for (number, step) in self.steps.iter().enumerate() {
            write(&mut text, &format!("{}. ", number + 1), step);
        }
        text.push_str("# To revoke all of it\n\n");
        for step in &self.revoke {
            write(&mut text, "", step);
        }
        text.trim_end().to_owned()
    }

    /// For machines.
    pub(super) fn json(&self) -> String {
        let step = |step: &Step| {
            let unknown =
                step.unknown.iter().map(|one| json!({"placeholder": one.placeholder, "how_to_find": one.found}));
            json!({
                "title": step.title, "about": step.about, "run_in": language(step.language), "commands": step.commands,
                "fill_in": unknown.collect::<Vec<Value>>(),
            })
        };
        let all = |steps: &[Step]| steps.iter().map(step).collect::<Vec<Value>>();
        format!("{:#}", json!({"steps": all(&self.steps), "revoke": all(&self.revoke)}))
    }
}

fn language(language: Language) -> &'static str {
    match language {
        Language::Shell => "shell",
        Language::Sql => "sql",
    }
}

fn write(text: &mut String, number: &str, step: &Step) {
    let comment = match step.language {
        Language::Shell => "#",
        Language::Sql => "--",
    };
    text.push_str(&format!("{comment} {number}{} ({})\n", step.title, language(step.language)));
    text.push_str(&format!("{comment} {}\n", step.about));
    for one in &step.unknown {
        text.push_str(&format!("{comment} Fill in {}: {}\n", one.placeholder, one.found));
    }
    for command in &step.commands {
        let end = if step.language == Language::Sql { ";" } else { "" };
        text.push_str(&format!("{command}{end}\n"));
    }
    text.push('\n');
}

/// `text` as one word of a shell.
pub(super) fn shell(text: &str) -> String {
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/' | b':' | b'=' | b'@');
    if !text.is_empty() && text.bytes().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_a_shell_is_one_whatever_is_in_it() {
        for (text, word) in
            [("a/b-c.json", "a/b-c.json"), ("", "''"), ("a b", "'a b'"), ("it's", "'it'\\''s'"), ("$x", "'$x'")]
        {
            assert_eq!(shell(text), word);
        }
    }
}
