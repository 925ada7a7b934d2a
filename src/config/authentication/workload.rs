//! `WORKLOAD_IDENTITY`: where the JWT comes from that is exchanged for a token.

use std::path::PathBuf;

use super::{Authentication, id};
use crate::config::environment::set;
use crate::config::fields::Fields;
use crate::config::profiles::in_home;
use crate::secret::Secret;

/// Where a JWT comes from. It is asked for again for each exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwtSource {
    /// A file that somebody else replaces from time to time, such as a projected token of Kubernetes.
    File(PathBuf),
    /// An environment variable with this name.
    Variable(String),
    /// The service that GitHub gives to a job.
    GitHubActions,
    /// The service that Azure DevOps gives to a job.
    AzureDevOps,
    /// A program and its arguments, which writes it to its standard output.
    Command(Vec<String>),
}

impl JwtSource {
    /// Whether this program says for which audience the JWT is to be: all others are made before, or by somebody else.
    pub fn is_asked_by_audience(&self) -> bool {
        matches!(self, Self::GitHubActions)
    }

    /// The JWT in the variable `name` now, and whatever else such variables hold.
    pub fn variable(name: &str) -> Option<Secret> {
        set(name).map(Secret::new)
    }

    /// A variable of a job that is no secret.
    pub fn plain_variable(name: &str) -> Option<String> {
        set(name)
    }
}

impl Authentication {
    /// What of a workload identity has no effect, a sentence.
    pub fn without_effect(&self) -> Option<String> {
        let Self::WorkloadIdentity { source, audience: Some(_), .. } = self else { return None };
        let remark = "The audience of the workload identity, `authentication.audience` or in a profile `token_audience`, has no effect: a JWT of \
                      this source has the audience that its issuer gave it, and only that of GITHUB_ACTIONS is asked for by one. Leave \
                      it out.";
        (!source.is_asked_by_audience()).then(|| remark.to_owned())
    }
}

type Reader = fn(&Fields<'_>) -> JwtSource;

pub(super) fn read(fields: &Fields<'_>) -> Authentication {
    let sources: [(&str, Reader); 5] = [
        ("FILE", |fields| {
            let advice = "give the path of the file with the JWT";
            JwtSource::File(in_home(&fields.required_text("jwt_file", advice).unwrap_or_default()))
        }),
        ("ENVIRONMENT", |fields| {
            let advice = "give the name of the environment variable with the JWT";
            let name = fields.required_text("jwt_variable", advice).unwrap_or_default();
            if name.bytes().any(|byte| !byte.is_ascii_alphanumeric() && byte != b'_') {
                fields.problem(
                    "jwt_variable",
                    "must be the name of a variable, in letters, digits and underscores, not its value.",
                );
            }
            JwtSource::Variable(name)
        }),
        ("GITHUB_ACTIONS", |_| JwtSource::GitHubActions),
        ("AZURE_DEVOPS", |_| JwtSource::AzureDevOps),
        ("COMMAND", |fields| JwtSource::Command(command(fields))),
    ];
    let source = fields.required_choice("jwt_source", &sources, "it says where the JWT comes from");
    Authentication::WorkloadIdentity {
        client_id: id(fields, "client_id"),
        source: source.map_or(JwtSource::GitHubActions, |read| read(fields)),
        audience: fields.text("audience"),
    }
}

fn command(fields: &Fields<'_>) -> Vec<String> {
    let parts = fields.texts("jwt_command");
    if parts.first().is_none_or(String::is_empty) {
        fields.problem(
            "jwt_command",
            "is missing or empty: give the program and its arguments as a list, such as [\"cat\", \"/run/token\"].",
        );
    }
    parts
}
