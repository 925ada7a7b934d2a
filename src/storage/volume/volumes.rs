//! Which volumes a sync stages in, and which file of which volume a path of the storage is. Pure.
//!
//! With one volume, everything of a sync lies in its folder `<sync id>`. With a volume in each schema, the staged files of a stream lie in
//! the volume of its table's schema, and everything else, its lease and its claims, in one of them, the *home*: syncs of one connection
//! have to meet there, and they have the same default schema whatever streams they have. A folder `<sync id>/<schema>` in the home stands
//! for the folder `<sync id>` in the volume of that schema, as a mount point does: whoever lists the home finds the others by it.

use object_store::path::Path;

/// Characters of a sync's id.
const ID: usize = 36;

/// The volumes of a sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volumes {
    catalog: String,
    schema: String,
    volume: String,
    is_in_each_schema: bool,
}

impl Volumes {
    /// The one volume `catalog`.`schema`.`volume`.
    pub fn one(catalog: &str, schema: &str, volume: &str) -> Self {
        let [catalog, schema, volume] = [catalog, schema, volume].map(str::to_owned);
        Self { catalog, schema, volume, is_in_each_schema: false }
    }

    /// A volume called `volume` in each schema of `catalog` that has tables of the sync; the home is that of `home_schema`.
    pub fn in_each_schema(catalog: &str, home_schema: &str, volume: &str) -> Self {
        Self { is_in_each_schema: true, ..Self::one(catalog, home_schema, volume) }
    }

    /// The schemas that need a volume for tables in `schemas`: catalog, schema and volume of each.
    pub fn needed<'a>(&'a self, schemas: impl IntoIterator<Item = &'a str>) -> Vec<(&'a str, &'a str, &'a str)> {
        let others = schemas.into_iter().filter(|_| self.is_in_each_schema);
        let mut all: Vec<&str> = std::iter::once(self.schema.as_str()).chain(others).collect();
        all.sort_unstable();
        all.dedup();
        all.into_iter().map(|schema| (self.catalog.as_str(), schema, self.volume.as_str())).collect()
    }

    /// The absolute path of the file or folder `path`, without a `/` at its end.
    pub(super) fn path_of(&self, path: &Path) -> String {
        match self.mounted(path) {
            Some((schema, sync, inside)) => join(&self.root(&schema), std::iter::once(sync).chain(inside)),
            None => self.at_home(path),
        }
    }

    /// The same in the home, also for what is elsewhere.
    pub(super) fn at_home(&self, path: &Path) -> String {
        join(&self.root(&self.schema), path.parts().map(|part| part.as_ref().to_owned()))
    }

    /// The folder in the home that stands for a folder in another volume in which `path` lies.
    pub(super) fn mount_point(&self, path: &Path) -> Option<Path> {
        self.mounted(path).map(|_| path.parts().take(2).collect())
    }

    fn root(&self, schema: &str) -> String {
        format!("/Volumes/{}/{schema}/{}", self.catalog, self.volume)
    }

    /// The schema, the sync's folder, and the rest of a path that is not in the home.
    fn mounted(&self, path: &Path) -> Option<(String, String, Vec<String>)> {
        let mut parts = path.parts().map(|part| part.as_ref().to_owned());
        let (sync, folder) = (parts.next().filter(|sync| is_id(sync))?, parts.next()?);
        // Files of the sync itself have a dot in their names, folders of its notes begin with `_`: schemas do neither.
        if !self.is_in_each_schema || folder.contains('.') || folder.starts_with('_') {
            return None;
        }
        // `schema::naming::staging_folder` has a hyphen where a name begins with `_`.
        let schema = folder.strip_prefix('-').map_or_else(|| folder.clone(), |rest| format!("_{rest}"));
        (schema != self.schema).then(|| (schema, sync, parts.collect()))
    }
}

fn is_id(name: &str) -> bool {
    name.len() == ID && name.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

fn join(root: &str, parts: impl IntoIterator<Item = String>) -> String {
    parts.into_iter().fold(root.to_owned(), |path, part| format!("{path}/{part}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYNC: &str = "0199a1b2-0000-7000-8000-000000000001";

    fn paths_of(volumes: &Volumes, cases: &[(&str, &str)]) {
        for (path, expected) in cases {
            let path = path.replace("SYNC", SYNC);
            let expected = expected.replace("SYNC", SYNC);
            assert_eq!(volumes.path_of(&Path::from(path.as_str())), expected, "{path}");
        }
    }

    #[test]
    fn one_volume_has_everything() {
        paths_of(
            &Volumes::one("main", "ops", "stage"),
            &[
                ("", "/Volumes/main/ops/stage"),
                ("SYNC/sync.lease", "/Volumes/main/ops/stage/SYNC/sync.lease"),
                ("SYNC/shop/orders/part.parquet", "/Volumes/main/ops/stage/SYNC/shop/orders/part.parquet"),
            ],
        );
    }

    #[test]
    fn staged_files_lie_in_the_volume_of_their_schema_and_notes_in_the_home() {
        let volumes = Volumes::in_each_schema("main", "default", "airbyte_staging");
        paths_of(
            &volumes,
            &[
                ("SYNC", "/Volumes/main/default/airbyte_staging/SYNC"),
                ("SYNC/sync.lease", "/Volumes/main/default/airbyte_staging/SYNC/sync.lease"),
                (
                    "SYNC/_claims/adds/shop/orders",
                    "/Volumes/main/default/airbyte_staging/SYNC/_claims/adds/shop/orders",
                ),
                ("SYNC/default/users/a.parquet", "/Volumes/main/default/airbyte_staging/SYNC/default/users/a.parquet"),
                ("SYNC/shop/orders/a.parquet", "/Volumes/main/shop/airbyte_staging/SYNC/orders/a.parquet"),
                ("SYNC/shop", "/Volumes/main/shop/airbyte_staging/SYNC"),
                ("SYNC/-raw/orders/a.parquet", "/Volumes/main/_raw/airbyte_staging/SYNC/orders/a.parquet"),
                ("shop/airbyte_check_1/put", "/Volumes/main/default/airbyte_staging/shop/airbyte_check_1/put"),
            ],
        );
        let longest = format!("_{}", "n".repeat(254));
        let folder = longest.replacen('_', "-", 1);
        paths_of(
            &volumes,
            &[(&format!("SYNC/{folder}/a"), &format!("/Volumes/main/{longest}/airbyte_staging/SYNC/a"))],
        );
        let mount = volumes.mount_point(&Path::from(format!("{SYNC}/shop/orders/a.parquet"))).expect("a mount point");
        assert_eq!(volumes.at_home(&mount), format!("/Volumes/main/default/airbyte_staging/{SYNC}/shop"));
        assert_eq!(volumes.mount_point(&Path::from(format!("{SYNC}/default/users/a.parquet"))), None);
        assert_eq!(
            volumes.needed(["shop", "default", "shop"]),
            [("main", "default", "airbyte_staging"), ("main", "shop", "airbyte_staging")]
        );
        assert_eq!(Volumes::one("main", "ops", "stage").needed(["shop"]), [("main", "ops", "stage")]);
    }
}
