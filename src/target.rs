//! Where each stream of a sync goes: the one place that names the folders of a stream's table and of its staging.
//!
//! All paths are relative to the storage's root. `<schema>/<stream>` is a table, `<sync id>/<schema>/<stream>` a staging folder.
//! A sync's id has dashes and identifiers have none, so the two never meet. No staging folder is inside another one: Unity
//! Catalog refuses tables whose folders are.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use uuid::Uuid;

use crate::delta::DELTA_LOG;
use crate::error::{Error, LONGEST_NAME, Problems, Result, StreamDescriptor, shortened};
use crate::protocol::catalog::{Catalog, Stream, WriteMode};
use crate::schema::columns::{Layout, TableSchema};
use crate::schema::dedup::Dedup;
use crate::schema::naming::{identifier, is_identifier, older_identifier, staging_folder};

/// How the names of managed tables began in connector 1.1.x.
const RAW_PREFIX: &str = "_airbyte_raw_";

/// Where one stream goes.
#[derive(Debug, Clone)]
pub struct Target {
    /// The stream.
    pub stream: StreamDescriptor,
    /// Its namespace, or the schema that is configured for streams without one, as they are written there.
    pub schema: String,
    /// What becomes of the rows that are in the table already.
    pub write_mode: WriteMode,
    /// The platform's number for this generation of the stream's data, where it sends one.
    pub generation_id: Option<i64>,
    /// The table's folder.
    pub table: String,
    /// The folder that the table had in older versions, where that is another one.
    pub older: Option<String>,
    /// The folder that Airbyte's connector 1.1.x gave the table, where that is another one.
    pub earlier: Option<String>,
    /// The path of the managed table that connector 1.1.x made of the stream, where no other stream has it. Of the raw layout only.
    pub raw: Option<String>,
    /// The staging folder.
    pub staging: String,
    /// The columns that its layout gives the stream's table.
    pub columns: Arc<TableSchema>,
    /// The platform's number for this sync; 0 where it sends none.
    pub sync_id: i64,
    /// How the stream's rows take the place of one another; none where all of them are kept.
    pub dedup: Option<Arc<Dedup>>,
}

impl Target {
    /// Whether a sync may remove or change rows that the table has already.
    pub fn removes_rows(&self) -> bool {
        self.write_mode.removes_rows() || self.dedup.is_some()
    }

    /// The value of the table property `airbyte.destinationSyncMode`.
    pub fn airbyte_mode(&self) -> &'static str {
        self.write_mode.airbyte_mode(self.dedup.is_some())
    }
}

/// The places of all streams of a sync, in the catalog's order.
///
/// # Errors
/// A config error that names every pair of streams that would end in one table.
pub fn targets(catalog: &Catalog, default_schema: &str, sync: Uuid) -> Result<Vec<Target>> {
    let mut targets: Vec<Target> = catalog.streams.iter().map(|stream| target(stream, default_schema, sync)).collect();
    forget_shared(&mut targets);
    forget_earlier_of_others(&mut targets);
    forget_raw_of_others(&mut targets);
    let mut problems = Problems::default();
    let is_in_default = is_kept(&identifier(default_schema));
    if is_in_default && targets.iter().any(|target| target.stream.namespace.is_none()) {
        let said = format!(
            "`schema` is {default_schema:?}, a name that Delta keeps for itself or of which nothing is left. Change `schema`."
        );
        problems.add(Error::config(said));
    }
    let mut first: HashMap<&str, &Target> = HashMap::with_capacity(targets.len());
    for target in &targets {
        if is_in_default && target.stream.namespace.is_none() {
            continue;
        }
        if target.table.split('/').any(is_kept) {
            let said = format!(
                "Stream {} would end in table {}, a name that Delta keeps for itself or that is empty. Rename the stream \
                 or its namespace.",
                target.stream,
                target.table.replace('/', ".")
            );
            problems.add(Error::config(said).with_stream(target.stream.clone()));
        }
        match first.get(target.table.as_str()) {
            Some(other) => {
                let said = format!(
                    "Streams {} and {} would both end in table {}. Rename one, or give it a namespace of its own.",
                    other.stream,
                    target.stream,
                    target.table.replace('/', ".")
                );
                problems.add(Error::config(said));
            }
            None => {
                first.insert(&target.table, target);
            }
        }
    }
    problems.into_result().map(|()| targets)
}

/// An older name that is the table of another stream, or that two streams of one name have, belongs to none of them.
fn forget_shared(targets: &mut [Target]) {
    if targets.iter().all(|target| target.older.is_none()) {
        return;
    }
    let taken: HashSet<String> = targets.iter().map(|target| target.table.clone()).collect();
    let mut claims: HashMap<(String, String), usize> = HashMap::new();
    // Older versions wrote down the beginning of a long name.
    let claim =
        |target: &Target| Some((target.older.clone()?, shortened(&target.stream.name, LONGEST_NAME).into_owned()));
    for claim in targets.iter().filter_map(claim) {
        *claims.entry(claim).or_default() += 1;
    }
    for target in targets {
        let is_shared = claim(target).is_some_and(|claim| claims.get(&claim).is_some_and(|count| *count > 1));
        target.older = target.older.take().filter(|older| !is_shared && !taken.contains(older));
    }
}

/// Connector 1.1.x gave streams of one name in two namespaces one folder, which belongs to none of them then; nor does the table
/// of another stream.
fn forget_earlier_of_others(targets: &mut [Target]) {
    let tables = targets.iter().flat_map(|target| [Some(&target.table), target.older.as_ref()]).flatten();
    let taken: HashSet<String> = tables.cloned().collect();
    let mut claims: HashMap<String, usize> = HashMap::new();
    for place in targets.iter().filter_map(|target| target.earlier.clone()) {
        *claims.entry(place).or_default() += 1;
    }
    for target in targets {
        let is_its_own = |place: &String| !taken.contains(place) && claims.get(place) == Some(&1);
        target.earlier = target.earlier.take().filter(is_its_own);
    }
}

/// A name of connector 1.1.x that two streams would have, or that is the table of another one, belongs to none.
fn forget_raw_of_others(targets: &mut [Target]) {
    let taken: HashSet<String> = targets.iter().map(|target| target.table.clone()).collect();
    let mut claims: HashMap<String, usize> = HashMap::new();
    for raw in targets.iter().filter_map(|target| target.raw.clone()) {
        *claims.entry(raw).or_default() += 1;
    }
    for target in targets {
        target.raw = target.raw.take().filter(|raw| !taken.contains(raw) && claims.get(raw) == Some(&1));
    }
}

/// The folder of a stream's table in connector 1.1.x: the configured schema and the stream's name as they are. Only names that
/// mean the same in every store, in a URL and on a disk are looked for, so that none leads anywhere else.
fn earlier_place(default_schema: &str, stream: &str) -> Option<String> {
    let place = format!("{default_schema}/{stream}");
    is_earlier_place(&place).then_some(place)
}

/// Whether `path` is one that connector 1.1.x can have given a table, and no folder of this program's own.
pub fn is_earlier_place(path: &str) -> bool {
    let is_plain = |name: &str| {
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ');
        name.chars().all(is_of_name)
            && !name.is_empty()
            && !name.starts_with(['.', '_', ' '])
            && !name.ends_with(['.', ' '])
    };
    path.split_once('/')
        .is_some_and(|(schema, stream)| is_plain(schema) && is_plain(stream) && Uuid::try_parse(schema).is_err())
}

/// Whether no schema and no table may be called so.
fn is_kept(name: &str) -> bool {
    name.is_empty() || name == DELTA_LOG
}

fn target(stream: &Stream, default_schema: &str, sync: Uuid) -> Target {
    let name = identifier(&stream.descriptor.name);
    let written = stream.descriptor.namespace.as_deref().unwrap_or(default_schema);
    let schema = identifier(written);
    let staging = format!("{sync}/{}/{}", staging_folder(&schema), staging_folder(&name));
    let table = format!("{schema}/{name}");
    let schema_before = older_identifier(written);
    let is_raw = stream.columns.layout() == Layout::Raw;
    let raw = is_raw.then(|| format!("{schema}/{}", identifier(&format!("{RAW_PREFIX}{}", stream.descriptor.name))));
    let older = format!("{schema_before}/{}", older_identifier(&stream.descriptor.name));
    Target {
        stream: stream.descriptor.clone(),
        schema: written.to_owned(),
        write_mode: stream.write_mode,
        generation_id: stream.generation_id,
        older: Some(older).filter(|older| *older != table),
        earlier: earlier_place(default_schema, &stream.descriptor.name).filter(|earlier| *earlier != table),
        raw,
        table,
        staging,
        columns: Arc::clone(&stream.columns),
        sync_id: stream.sync_id,
        dedup: stream.dedup.clone(),
    }
}

/// Whether `path` is one that a table can have: two identifiers, `<schema>/<table>`.
pub fn is_table(path: &str) -> bool {
    path.split_once('/').is_some_and(|(schema, table)| is_name(schema) && is_name(table))
}

/// Whether a schema or a table can be called so.
pub fn is_name(name: &str) -> bool {
    is_identifier(name) && !is_kept(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog(streams: &[(&str, Option<&str>)]) -> Catalog {
        let stream = |(name, namespace): &(&str, Option<&str>)| {
            Stream::append(StreamDescriptor { name: (*name).into(), namespace: namespace.map(Into::into) })
        };
        Catalog { streams: streams.iter().map(stream).collect() }
    }

    #[test]
    fn the_place_of_the_older_connector_is_looked_for_only_where_it_is_the_streams_own() -> Result<()> {
        let earlier = |streams: &[(&str, Option<&str>)]| -> Result<Vec<Option<String>>> {
            let targets = targets(&catalog(streams), "Public", Uuid::nil())?;
            Ok(targets.into_iter().map(|target| target.earlier).collect())
        };
        let place = |name: &str| Some(format!("Public/{name}"));
        assert_eq!(earlier(&[("Users", None), ("pets", Some("zoo"))])?, [place("Users"), place("pets")]);
        assert_eq!(earlier(&[("Sheet 1", None)])?, [place("Sheet 1")]);
        assert_eq!(earlier(&[("users", Some("a")), ("users", Some("b"))])?, [None, None]);
        for name in ["../users", "/etc", "a/b", "..", ".", ".x", "a\\b", " a", "a ", "ж", "a%2F", "a\0", "x."] {
            assert_eq!(earlier(&[(name, None)])?, [None], "{name}");
        }
        // The table of another stream.
        let streams = catalog(&[("users", None), ("users", Some("x"))]);
        let found: Vec<_> =
            targets(&streams, "public", Uuid::nil())?.into_iter().map(|target| target.earlier).collect();
        assert_eq!(found, [None, None]);
        for folder in
            ["Public/_delta_log", "00000000-0000-0000-0000-000000000000/users", "_claims/users", "../users", "a/../b"]
        {
            assert!(!is_earlier_place(folder), "{folder}");
        }
        Ok(())
    }

    #[test]
    fn only_what_a_stream_can_end_in_is_a_table() {
        for path in ["default/users", "a1_/_x", "my_schema/users"] {
            assert!(is_table(path), "{path}");
        }
        for path in
            ["", "/", "users", "../victim", "/abs/victim", "a/../b", "a/b/c", "a/_delta_log", "A/b", "a/.b", "a/b\0"]
        {
            assert!(!is_table(path), "{path}");
        }
    }

    #[test]
    fn a_table_lies_in_its_namespace_or_the_configured_schema() -> Result<()> {
        let sync = Uuid::nil();
        let targets =
            targets(&catalog(&[("Users", None), ("Users", Some("Público")), ("_x", None)]), "My Schema", sync)?;
        let places: Vec<_> = targets.iter().map(|t| (t.table.as_str(), t.staging.as_str())).collect();
        assert_eq!(
            places,
            [
                ("my_schema/users", "00000000-0000-0000-0000-000000000000/my_schema/users"),
                ("publico/users", "00000000-0000-0000-0000-000000000000/publico/users"),
                ("my_schema/_x", "00000000-0000-0000-0000-000000000000/my_schema/-x"),
            ]
        );
        Ok(())
    }

    #[test]
    fn no_folder_lies_in_another_one() -> Result<()> {
        let streams =
            [("shop", None), ("orders", Some("shop")), ("users", Some("my")), ("my", None), ("_x", Some("_x"))];
        let targets = targets(&catalog(&streams), "my", Uuid::nil())?;
        let folders: Vec<&String> = targets.iter().flat_map(|target| [&target.table, &target.staging]).collect();
        for (one, other) in folders.iter().flat_map(|one| folders.iter().map(move |other| (one, other))) {
            assert!(!one.starts_with(&format!("{other}/")), "{one} lies in {other}");
        }
        Ok(())
    }

    #[test]
    fn a_name_of_which_nothing_is_left_remembers_the_table_of_older_versions_unless_it_is_another_s() -> Result<()> {
        let older = |streams: &[(&str, Option<&str>)]| -> Result<Vec<Option<String>>> {
            let targets = targets(&catalog(streams), "shop", Uuid::nil())?;
            Ok(targets.into_iter().map(|target| target.older).collect())
        };
        let six = || Some("shop/______".to_owned());
        assert_eq!(older(&[("заказы", None), ("клиент", None), ("users", None)])?, [six(), six(), None]);
        assert_eq!(older(&[("заказы", None), ("______", None)])?, [None, None]);
        assert_eq!(older(&[("users", Some("ж"))])?, [Some("_/users".to_owned())]);
        assert_eq!(older(&[("users", Some("ж")), ("users", Some("я")), ("pets", Some("ж"))])?[..2], [None, None]);
        Ok(())
    }

    #[test]
    fn the_managed_table_of_the_older_connector_is_the_streams_own_or_nobodys() -> Result<()> {
        let raw = |streams: &[(&str, Option<&str>)]| -> Result<Vec<Option<String>>> {
            let targets = targets(&catalog(streams), "shop", Uuid::nil())?;
            Ok(targets.into_iter().map(|target| target.raw).collect())
        };
        let of = |name: &str| Some(name.to_owned());
        assert_eq!(
            raw(&[("Users", None), ("users", Some("Zoo"))])?,
            [of("shop/_airbyte_raw_users"), of("zoo/_airbyte_raw_users")]
        );
        assert_eq!(
            raw(&[("users", None), ("_airbyte_raw_users", None)])?,
            [None, of("shop/_airbyte_raw__airbyte_raw_users")]
        );
        assert_eq!(raw(&[("заказы", None), ("клиент", None)])?, [None, None]);
        Ok(())
    }

    #[test]
    fn two_streams_that_end_in_one_table_are_a_config_error_that_names_both() {
        let streams = [("Users", None), ("users", Some("default")), ("a b", None), ("a_b", None), ("ok", None)];
        let error = targets(&catalog(&streams), "default", Uuid::nil());
        let message = error.err().map(|error| error.message().to_owned()).unwrap_or_default();
        assert!(message.contains("Users and default.users would both end in table default.users"), "{message}");
        assert!(message.contains("a b and a_b"), "{message}");
        assert!(!message.contains("ok"), "{message}");
    }

    #[test]
    fn a_name_that_delta_keeps_for_itself_is_a_config_error() {
        for (name, namespace) in [("_delta_log", None), ("users", Some("_DELTA_LOG")), ("users", Some(""))] {
            let error = targets(&catalog(&[(name, namespace)]), "default", Uuid::nil()).err();
            let error = error.expect("an error");
            assert!(error.message().contains("Rename the stream"), "{error}");
            assert_eq!(error.stream().map(|stream| stream.name.as_str()), Some(name));
        }
    }

    #[test]
    fn a_schema_that_delta_keeps_for_itself_is_told_once_as_that_setting() {
        let two = catalog(&[("users", None), ("pets", None), ("fine", Some("other"))]);
        let error = targets(&two, "_Delta_Log", Uuid::nil()).err();
        let message = error.map(|error| error.message().to_owned()).unwrap_or_default();
        assert!(message.contains("Change `schema`") && message.contains("_Delta_Log"), "{message}");
        assert!(!message.contains("users") && !message.contains('\n'), "{message}");
        assert!(targets(&catalog(&[("fine", Some("other"))]), "_delta_log", Uuid::nil()).is_ok());
    }
}
