//! Other users of the same folder put links, pipes and false logs in the way.

use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use serde_json::json;
use uuid::Uuid;

use crate::messages::{append, records};
use crate::on_disk;
use crate::program::{Sandbox, skipped, until};
use crate::table;

/// User and group `nobody`.
const NOBODY: u32 = 65534;

/// A folder beside the lake with a lock as staging folders have it, and something precious.
fn victim(sandbox: &Sandbox) -> PathBuf {
    let victim = sandbox.folder().join("victim");
    std::fs::create_dir_all(victim.join("inner")).unwrap();
    for name in ["sync.lock", "precious", "inner/precious"] {
        std::fs::write(victim.join(name), "precious").unwrap();
    }
    victim
}

fn is_whole(victim: &Path) -> bool {
    ["sync.lock", "precious", "inner/precious"].iter().all(|name| victim.join(name).is_file())
}

/// Whether this is root, who can give files to others.
fn is_root(sandbox: &Sandbox) -> bool {
    let probe = sandbox.file("probe", "");
    lchown(probe, Some(NOBODY), Some(NOBODY)).is_ok()
}

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn a_link_that_is_called_like_a_sync_and_what_it_leads_to_stay() {
    let sandbox = Sandbox::new();
    let victim = victim(&sandbox);
    let absolute = sandbox.root().join(Uuid::now_v7().to_string());
    let relative = sandbox.root().join(Uuid::now_v7().to_string());
    let dangling = sandbox.root().join(Uuid::now_v7().to_string());
    symlink(&victim, &absolute).unwrap();
    symlink("../victim", &relative).unwrap();
    symlink("nowhere", &dangling).unwrap();
    assert!(sandbox.check().says("SUCCEEDED"));
    let run = sandbox.load(&append(&["users"]), records("users", 0..3));
    assert!(is_whole(&victim) && run.logs("WARN").is_empty(), "{run:#?}");
    for link in [absolute, relative, dangling] {
        assert!(std::fs::symlink_metadata(link).is_ok());
    }
}

#[test]
fn a_lock_that_is_a_link_a_pipe_or_a_folder_belongs_to_no_sync_and_nothing_waits_for_it() {
    let sandbox = Sandbox::new();
    let victim = victim(&sandbox);
    let folders: Vec<PathBuf> = (0..4).map(|_| sandbox.root().join(Uuid::now_v7().to_string())).collect();
    for folder in &folders {
        std::fs::create_dir(folder).unwrap();
        std::fs::write(folder.join("precious"), "").unwrap();
    }
    pipe(&folders[0].join("sync.lock"));
    symlink(victim.join("sync.lock"), folders[1].join("sync.lock")).unwrap();
    std::fs::create_dir(folders[2].join("sync.lock")).unwrap();
    pipe(&folders[3].join("sync.kept"));
    pipe(&sandbox.root().join(Uuid::now_v7().to_string()));
    assert!(sandbox.check().says("SUCCEEDED"));
    sandbox.load(&append(&["users"]), records("users", 0..3));
    assert!(is_whole(&victim) && folders.iter().all(|folder| folder.join("precious").exists()));
}

#[test]
fn links_and_pipes_inside_of_a_dead_syncs_folder_go_and_what_they_lead_to_stays() {
    let sandbox = Sandbox::new();
    let victim = victim(&sandbox);
    let dead = sandbox.root().join(Uuid::now_v7().to_string());
    std::fs::create_dir_all(dead.join("users/_delta_log")).unwrap();
    std::fs::write(dead.join("sync.lock"), "").unwrap();
    symlink(&victim, dead.join("users/link")).unwrap();
    symlink(&victim, dead.join("link")).unwrap();
    symlink(victim.join("precious"), dead.join("users/_delta_log/00000000000000000000.json")).unwrap();
    pipe(&dead.join("users/_delta_log/00000000000000000001.json"));
    sandbox.load(&append(&["users"]), records("users", 0..3));
    assert!(is_whole(&victim) && !dead.exists());
}

#[test]
fn folders_of_a_dead_sync_go_however_deep_they_lie() {
    let sandbox = Sandbox::new();
    let dead = sandbox.root().join(Uuid::now_v7().to_string());
    std::fs::create_dir_all(dead.join("d/".repeat(500))).unwrap();
    std::fs::create_dir_all(dead.join("deep-2/x")).unwrap();
    for file in ["sync.lock", "deep-1", "deep-2/x/file"] {
        std::fs::write(dead.join(file), "").unwrap();
    }
    let run = sandbox.load(&append(&["users"]), records("users", 0..3));
    assert!(!dead.exists() && run.logs("WARN").is_empty(), "{run:#?}");
}

#[test]
fn a_log_and_a_list_of_a_dead_sync_that_name_other_places_are_not_believed() {
    for name in ["../victim", "ABSOLUTE", "default/../../victim", "..", "", "victim", "./victim", "a/b/../../../victim"]
    {
        let sandbox = Sandbox::new();
        let victim = victim(&sandbox);
        let table = if name == "ABSOLUTE" { victim.display().to_string() } else { name.to_owned() };
        let sync = Uuid::now_v7();
        let half = [victim.join("half.json#1"), victim.join("_delta_log/half.json#2"), sandbox.root().join("half#3")];
        std::fs::create_dir_all(victim.join("_delta_log")).unwrap();
        half.iter().for_each(|path| std::fs::write(path, "half").unwrap());
        let log = sandbox.root().join(format!("{sync}/users/_delta_log"));
        std::fs::create_dir_all(&log).unwrap();
        std::fs::write(sandbox.root().join(format!("{sync}/sync.lock")), "").unwrap();
        let lines = [
            json!({"metaData": {"configuration": {"airbyte.finalTable": table}}}),
            json!({"txn": {"appId": format!("destination-databricks/{sync}"), "version": 7}}),
            json!({"add": {"path": "precious", "size": 8}}),
            json!({"add": {"path": "inner/precious", "size": 8}}),
        ];
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(log.join("00000000000000000000.json"), text).unwrap();
        let list = json!([{"staging": format!("{sync}/users"), "finalTable": table}]).to_string();
        std::fs::write(sandbox.root().join(format!("{sync}/sync.left_behind.json")), list).unwrap();
        sandbox.load(&append(&["users"]), records("users", 0..3));
        assert!(is_whole(&victim) && half.iter().all(|path| path.exists()), "{name}");
        assert!(!sandbox.root().join(sync.to_string()).exists(), "{name}");
    }
}

#[test]
fn files_that_a_dead_sync_cannot_have_written_stay_in_a_table() {
    let sandbox = Sandbox::new();
    sandbox.load(&append(&["users"]), records("users", 0..3));
    let folder = sandbox.path("default/users");
    let sync = Uuid::now_v7();
    let own = format!("2026_01_01_1_0_{}.parquet", sync.simple());
    for name in ["somebody.parquet", own.as_str()] {
        std::fs::write(folder.join(name), "rows").unwrap();
    }
    let log = sandbox.root().join(format!("{sync}/users/_delta_log"));
    std::fs::create_dir_all(&log).unwrap();
    std::fs::write(sandbox.root().join(format!("{sync}/sync.lock")), "").unwrap();
    let mut text = json!({"metaData": {"configuration": {"airbyte.finalTable": "default/users"}}}).to_string() + "\n";
    text += &json!({"txn": {"appId": format!("destination-databricks/{sync}"), "version": 7}}).to_string();
    for name in [
        "somebody.parquet",
        own.as_str(),
        "_delta_log/00000000000000000000.json",
        "../../default/users/somebody.parquet",
    ] {
        text += &format!("\n{}", json!({"add": {"path": name, "size": 4}}));
    }
    std::fs::write(log.join("00000000000000000000.json"), text).unwrap();
    sandbox.load(&append(&["pets"]), "");
    assert!(folder.join("somebody.parquet").exists() && !folder.join(own).exists());
    assert_eq!(table::data(&on_disk::at(&folder)).len(), 3);
}

#[test]
fn the_lock_is_of_its_own_user_alone() {
    let sandbox = Sandbox::new();
    let mut living = sandbox.start(&append(&["users"]));
    living.has_read_so_far();
    let staging = on_disk::staging(sandbox.root()).remove(0);
    let lock = std::fs::metadata(staging.join("sync.lock")).unwrap();
    assert_eq!(lock.permissions().mode() & 0o777, 0o600);
    assert_eq!(living.end().code, Some(0));
}

#[test]
fn links_of_another_user_on_the_way_to_a_table_are_refused_and_named() {
    let sandbox = Sandbox::new();
    if !is_root(&sandbox) {
        return skipped("links of another user", "only root can make links of another user");
    }
    for (link, made) in
        [("default", None), ("default/users", Some("default")), ("default/users/_delta_log", Some("default/users"))]
    {
        let sandbox = Sandbox::new();
        let victim = victim(&sandbox);
        if let Some(made) = made {
            std::fs::create_dir_all(sandbox.root().join(made)).unwrap();
        }
        let link = sandbox.root().join(link);
        symlink(&victim, &link).unwrap();
        lchown(&link, Some(NOBODY), Some(NOBODY)).unwrap();
        let before = on_disk::tree(&victim);
        let run = sandbox.write(&append(&["users"]), records("users", 0..3));
        let message = run.failed_with("config_error");
        assert!(message.contains("symbolic link of another user"), "{message}");
        assert_eq!(on_disk::tree(&victim), before, "{}", link.display());
    }
}

#[test]
fn a_tables_folder_that_our_own_user_or_root_has_put_elsewhere_is_loaded_there() {
    for (link, target) in [("default", "elsewhere"), ("default/users", "elsewhere/users")] {
        let sandbox = Sandbox::new();
        std::fs::create_dir_all(sandbox.folder().join(target)).unwrap();
        let link = sandbox.root().join(link);
        std::fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(sandbox.folder().join(target), &link).unwrap();
        for range in [0..3, 3..5] {
            sandbox.load(&append(&["users"]), records("users", range));
        }
        assert_eq!(table::data(&on_disk::at(&sandbox.folder().join("elsewhere/users"))).len(), 5);
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    }
}

#[test]
fn a_planted_commit_or_file_of_another_user_is_not_written_through() {
    let sandbox = Sandbox::new();
    let victim = victim(&sandbox);
    let log = sandbox.root().join("default/users/_delta_log");
    std::fs::create_dir_all(&log).unwrap();
    symlink(victim.join("new.json"), log.join("00000000000000000000.json")).unwrap();
    symlink(victim.join("new.json"), log.join("00000000000000000000.json#1")).unwrap();
    let run = sandbox.write(&append(&["users"]), records("users", 0..3));
    assert!(!victim.join("new.json").exists() && is_whole(&victim), "{run:#?}");
}

/// The variable that names the lake to whoever is to be a second user, and the one that names what to swap in it.
const LAKE: &str = "HOSTILE_LAKE";
const NAME: &str = "HOSTILE_NAME";

/// A second user, who changes what a name in the lake is, as fast as he can, until he is stopped: this very program of tests,
/// run as nobody, with the one test that does it.
struct Swapper(Child);

impl Swapper {
    fn start(sandbox: &Sandbox, name: &str) -> Option<Self> {
        let copy = sandbox.folder().join("second-user");
        // Not copied by this process: a file that is open for writing cannot be run.
        assert!(Command::new("cp").arg(std::env::current_exe().unwrap()).arg(&copy).status().unwrap().success());
        let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", "--"];
        let test = ["--exact", "hostile::files::second_user", "--ignored", "--quiet"];
        let mut command = Command::new("setpriv");
        command.args(nobody).arg(copy).args(test).env(LAKE, sandbox.root()).env(NAME, name);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().ok().map(Self)
    }
}

impl Drop for Swapper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "it is what the second user of another test runs"]
fn second_user() {
    let (Ok(lake), Ok(name)) = (std::env::var(LAKE), std::env::var(NAME)) else { return };
    let lake = Path::new(&lake);
    let (name, next, mine) = (lake.join(name), lake.join("next"), lake.join("mine"));
    std::fs::create_dir(&mine).unwrap();
    std::fs::write(mine.join("sync.lock"), "").unwrap();
    for round in 0_u64.. {
        // What fails here has met a sync at work.
        for target in ["mine", "../victim"] {
            let _ = symlink(target, &next).and_then(|()| std::fs::rename(&next, &name));
        }
        let _ = std::fs::write(mine.join("sync.lock"), "");
        if round % 64 == 0 {
            let _ = std::fs::remove_file(&name);
            let _ = std::fs::create_dir(&name).and_then(|()| std::fs::write(name.join("sync.lock"), ""));
            let _ = symlink("../../victim", name.join("users"));
            let _ = std::fs::remove_dir_all(&name);
        }
    }
}

#[test]
fn a_second_user_who_swaps_links_and_folders_while_syncs_sweep_reaches_nothing() {
    let sandbox = Sandbox::new();
    if !is_root(&sandbox) {
        return skipped("a second user", "only root can be one");
    }
    let open = |path: &Path, mode: u32| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    let victim = victim(&sandbox);
    std::fs::remove_file(victim.join("sync.lock")).unwrap();
    open(&victim, 0o700);
    open(sandbox.folder(), 0o755);
    open(sandbox.root(), 0o1777);
    let Some(swapper) = Swapper::start(&sandbox, &Uuid::now_v7().to_string()) else {
        return skipped("a second user", "there is no setpriv to become one with");
    };
    until("the second user's folder", || sandbox.root().join("mine/sync.lock").exists());
    for round in 0..40 {
        let run = sandbox.load(&append(&["users"]), records("users", round..round + 1));
        assert!(victim.join("precious").exists() && victim.join("inner/precious").exists(), "{round}: {run:#?}");
    }
    drop(swapper);
    assert_eq!(table::data(&sandbox.table("default/users")).len(), 40);
    assert_eq!(std::fs::metadata(&victim).unwrap().uid(), 0);
}
