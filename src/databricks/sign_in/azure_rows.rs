//! Rows: what Microsoft Entra refuses, and the metadata service of a machine in Azure.
//!
//! Numbers: <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>.

use super::row::Asker::{Entra, Machine};
use super::row::{Asker, Row};
use crate::error::Kind::{Config, Transient};

const ENTRA: &[Asker] = &[Entra];
const MACHINE: &[Asker] = &[Machine];

const fn row(codes: &'static [&'static str], problem: &'static str, cure: &'static str) -> Row {
    Row { askers: ENTRA, codes, statuses: &[], says: &[], kind: Config, problem, cure }
}

const fn of_machine(
    statuses: &'static [u16],
    says: &'static [&'static str],
    problem: &'static str,
    cure: &'static str,
) -> Row {
    Row { askers: MACHINE, codes: &[], statuses, says, kind: Config, problem, cure }
}

pub(super) const ROWS: &[Row] = &[
    row(
        &["7000215"],
        "the client secret is wrong",
        "set `authentication.client_secret` to the value of a secret, not to its id, or create a new one",
    ),
    row(
        &["7000222"],
        "the client secret has expired",
        "create a new one (Certificates & secrets) and set `authentication.client_secret`",
    ),
    row(
        &["700016", "70001", "7000229"],
        "the directory has no such application",
        "correct `authentication.client_id` or `authentication.tenant_id`",
    ),
    row(
        &["90002", "900023", "900021", "900971"],
        "there is no such directory",
        "correct `authentication.tenant_id`; in a government cloud also check the host name of the workspace",
    ),
    row(
        &["500011", "500014", "650052"],
        "Databricks is not known in this directory",
        "use the directory that the workspace is in, or sign in to the workspace once as a user of this one",
    ),
    row(&["7000112"], "the application is disabled", "enable it (Enterprise applications, Properties)"),
    row(
        &["53003", "530003", "53000"],
        "a policy of conditional access forbids it",
        "ask who administers the directory",
    ),
    row(&["50105"], "the application is not assigned to Databricks", "assign it, or do without required assignments"),
    row(&["700024"], "a clock is wrong", "set the clock of this machine"),
    row(
        &["65001", "90094"],
        "nobody has consented that the application uses Databricks, or the consent was revoked",
        "have an administrator of the directory consent (App registrations, API permissions, Grant admin consent)",
    ),
    row(&["900144", "900432", "7000218"], "the request lacks something", "check that `authentication` is complete"),
    Row {
        askers: ENTRA,
        codes: &["90033", "90015", "50196"],
        statuses: &[],
        says: &[],
        kind: Transient,
        problem: "it cannot do so at the moment",
        cure: "try again later",
    },
    Row {
        askers: ENTRA,
        codes: &[],
        statuses: &[400, 401, 403, 404],
        says: &[],
        kind: Config,
        problem: "it refuses the request",
        cure: "look at what it said; correct tenant, client id and secret",
    },
    of_machine(
        &[400, 403],
        &["identity not found", "no identity", "not been assigned", "multiple user assigned"],
        "the machine has no such identity, or several and it is not said which",
        "assign one to it, or correct `authentication.client_id`",
    ),
    of_machine(
        &[400, 401, 403],
        &[],
        "the machine has no such identity",
        "assign one to it, or correct `authentication.client_id`",
    ),
    of_machine(
        &[404, 405],
        &[],
        "nobody there gives tokens of an identity",
        "run it on a machine in Azure with an identity, or sign in in another way",
    ),
];
