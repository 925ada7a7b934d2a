//! The older catalog `hive_metastore`: access to the bucket or container by the warehouse or cluster itself, and rights of their own.
//!
//! Source: <https://docs.databricks.com/sql/language-manual/sql-ref-privileges-hms>.

use super::cli::WORKSPACE;
use super::identity::Identity;
use super::objects::{NAMESPACES, Objects};
use super::step::{Plan, Step, Tool};
use super::{shell, sql};
use crate::config::StorageSettings;

/// The catalog's name.
const NAME: &str = "hive_metastore";
const ADMIN: &str = "an administrator of the workspace";

/// Whether `catalog` is this one.
pub fn is(catalog: &str) -> bool {
    catalog.eq_ignore_ascii_case(NAME)
}

/// Adds the steps that let `identity` use `objects`, and the compute the storage with the address `url`.
pub fn add(plan: &mut Plan, storage: &StorageSettings, url: &str, objects: &Objects, identity: &Identity) {
    plan.remarks.push(format!(
        "{NAME} is there for older workspaces only. Warehouses and shared clusters check these rights; a cluster without table access \
         control checks none and refuses GRANT: run the statements on a warehouse."
    ));
    access(plan, storage, url);
    let principal = identity.principal.as_str();
    let catalog = format!("CATALOG {}", sql::quoted(&objects.catalog));
    let step = Step::new(Tool::Sql, ADMIN, "Use the catalog.");
    plan.steps.push(sql::grant(step, "USAGE", &catalog, principal));
    let step = Step::new(
        Tool::Sql,
        ADMIN,
        format!("Read and write {url}. This right is for files everywhere: there is none for one place."),
    );
    plan.steps.push(sql::grant(step, "SELECT, MODIFY", "ANY FILE", principal));
    let mut step = Step::new(Tool::Sql, ADMIN, "Make tables in these schemas.");
    for (catalog, schema) in &objects.schemas {
        let path = sql::path(&[catalog, schema]);
        step = sql::grant(sql::create_schema(step, &path), "USAGE, CREATE", &format!("SCHEMA {path}"), principal);
    }
    plan.steps.push(step);
    if !objects.has_streams {
        let step = Step::new(Tool::Sql, ADMIN, NAMESPACES).only_if("streams have namespaces");
        plan.steps.push(sql::grant(step, "CREATE", &catalog, principal));
    }
    if !objects.tables.is_empty() {
        tables(plan, objects, principal);
    }
}

fn access(plan: &mut Plan, storage: &StorageSettings, url: &str) {
    let by_hand = match storage {
        StorageSettings::Azure(_) => format!(
            "Let the compute reach {url}. Of all warehouses: Settings, Compute, SQL warehouses, Manage, Data access configuration, with a service \
             principal of Microsoft Entra that has the role Storage Blob Data Contributor on the container; of a cluster: the same \
             settings, fs.azure.account.…, under Advanced options, Spark."
        ),
        _ => {
            let profile = plan.place(
                "instance-profile-arn",
                format!(
                    "the ARN of an instance profile in AWS whose role may read and write {url}: \
                     https://docs.databricks.com/aws/en/connect/storage/tutorial-s3-instance-profile says how to make one"
                ),
            );
            let profile = shell::quoted(&profile);
            let step = Step::new(
                Tool::Databricks,
                ADMIN,
                format!("Make the instance profile known that may read and write {url}."),
            );
            let step = step.make(
                format!("databricks instance-profiles add {profile} {WORKSPACE}"),
                format!("databricks instance-profiles remove {profile} {WORKSPACE}"),
            );
            plan.steps.push(step.removed_if(
                "the step made the profile known, and no other warehouse, cluster or job of the workspace uses it",
            ));
            "Give the compute the instance profile. All warehouses: Settings, Compute, SQL warehouses, Manage, Instance profile; a \
             cluster: Advanced options, Instance profile."
                .to_owned()
        }
    };
    plan.steps.push(Step::new(Tool::Hand, ADMIN, by_hand));
}

fn tables(plan: &mut Plan, objects: &Objects, principal: &str) {
    let mut step = Step::new(
        Tool::Sql,
        "the owner of the table, or an administrator of the workspace",
        "Load tables of others. Whoever makes a table owns it. The owner alone adds columns, which is why OWNER TO is named with \
         `enable_schema_evolution`.",
    )
    .only_if("the table exists already and belongs to somebody else");
    for (table, evolves) in &objects.tables {
        if *evolves {
            let before = plan.place("previous-owner", "the table's owner of today: `DESCRIBE TABLE EXTENDED` names it");
            let owner = |name: &str| format!("ALTER TABLE {table} OWNER TO {}", sql::quoted(name));
            step = step.run(owner(principal), owner(&before));
        } else {
            step = sql::grant(step, "SELECT, MODIFY", &format!("TABLE {table}"), principal);
        }
    }
    plan.steps.push(step);
}
