//! What has to be run: steps in their order, and the places in them for values that no configuration has.

use crate::secret::hide;

/// What has to be run for one configuration.
#[derive(Debug, Default)]
pub struct Plan {
    /// What is to be known before, a sentence each.
    pub remarks: Vec<String>,
    /// In their order.
    pub steps: Vec<Step>,
    /// The places for values that the configuration does not have, by their names as they stand in statements and commands
    /// (`<account-id>`), each with where the value is found, in the order of their use.
    pub places: Vec<(String, String)>,
}

/// Something to be run by one person with one tool.
#[derive(Debug)]
pub struct Step {
    /// What it is for, a sentence.
    pub purpose: String,
    /// Who may run it.
    pub who: &'static str,
    /// What runs it.
    pub tool: Tool,
    /// When it has to be run, where that is not always: what the configuration does not tell.
    pub only_if: Option<String>,
    /// Statements without a semicolon, or commands, in one line each; none where it is done by hand.
    pub run: Vec<String>,
    /// What is entered as it is, where the step is done by hand.
    pub document: Option<String>,
    /// What takes the rights back that it gives.
    pub rights: Undo,
    /// What removes the objects that it makes.
    pub objects: Undo,
}

/// What takes a part of a step back.
#[derive(Debug, Default)]
pub struct Undo {
    /// In the order in which it has to be run.
    pub run: Vec<String>,
    /// When it may be run, beside that the step itself was run, where that is not always.
    pub only_if: Option<String>,
}

/// What runs a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// The Databricks CLI.
    Databricks,
    /// SQL, in the workspace's SQL editor.
    Sql,
    /// The AWS CLI.
    Aws,
    /// The Azure CLI.
    Azure,
    /// This program.
    Program,
    /// A person: there is no command for it.
    Hand,
}

impl Tool {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Databricks => "databricks",
            Self::Sql => "sql",
            Self::Aws => "aws",
            Self::Azure => "az",
            Self::Program => "destination-databricks",
            Self::Hand => "hand",
        }
    }
}

impl Step {
    /// A step that has to be run always, and that nothing takes back yet.
    pub fn new(tool: Tool, who: &'static str, purpose: impl Into<String>) -> Self {
        Self {
            purpose: purpose.into(),
            who,
            tool,
            only_if: None,
            run: Vec::new(),
            document: None,
            rights: Undo::default(),
            objects: Undo::default(),
        }
    }

    /// The same, which `statement` is a part of, that gives a right; `revoke` takes it back.
    pub fn run(mut self, statement: impl Into<String>, revoke: impl Into<String>) -> Self {
        // What was done last is taken back first.
        self.rights.run.insert(0, revoke.into());
        self.lasting(statement)
    }

    /// The same, which `statement` is a part of, that makes an object; `remove` removes it.
    pub fn make(mut self, statement: impl Into<String>, remove: impl Into<String>) -> Self {
        self.objects.run.insert(0, remove.into());
        self.lasting(statement)
    }

    /// The same, which `statement` is a part of, that needs not be taken back.
    pub fn lasting(mut self, statement: impl Into<String>) -> Self {
        self.run.push(statement.into());
        self
    }

    /// The same, whose rights are taken back only in this case: the rest of a sentence that begins with "Only if".
    pub fn revoked_if(mut self, case: impl Into<String>) -> Self {
        self.rights.only_if = Some(case.into());
        self
    }

    /// The same, whose objects are removed only in this case: the rest of a sentence that begins with "Only if".
    pub fn removed_if(mut self, case: impl Into<String>) -> Self {
        self.objects.only_if = Some(case.into());
        self
    }

    /// The same, which has to be run only in this case: the rest of a sentence that begins with "Only if".
    pub fn only_if(mut self, case: impl Into<String>) -> Self {
        self.only_if = Some(case.into());
        self
    }
}

impl Plan {
    /// The place `name` in a statement or a command; `whence` says in a sentence where its value is found.
    pub fn place(&mut self, name: &str, whence: impl Into<String>) -> String {
        let place = format!("<{name}>");
        if self.places.iter().all(|(known, _)| *known != place) {
            self.places.push((place.clone(), whence.into()));
        }
        place
    }

    /// Hides what is a secret in the wrong setting: a token where a name belongs.
    pub fn hide_secrets(&mut self) {
        let statements = self.steps.iter_mut().flat_map(|step| {
            let undone = step.rights.run.iter_mut().chain(&mut step.objects.run);
            step.run.iter_mut().chain(undone).chain(&mut step.document).chain([&mut step.purpose])
        });
        let places = self.places.iter_mut().map(|(_, whence)| whence);
        for text in self.remarks.iter_mut().chain(places).chain(statements) {
            *text = hide(text).into_owned();
        }
    }
}
