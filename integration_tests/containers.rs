//! A sync that Airbyte's platform starts in a container: tables in the container's own file system would be lost with it.
//!
//! The container is made of namespaces and an overlay file system, as container engines do it.

use std::process::Command;

use serde_json::{Value, json};

use crate::messages::{append, records};
use crate::program::{Living, Run, Sandbox, program, skipped};

/// Makes the container in `$1`, with a volume at /local, and runs the rest in it.
const CONTAINER: &str = r#"
set -e
folder="$1"; shift
mount -t tmpfs none "$folder"
mkdir "$folder/low" "$folder/up" "$folder/work" "$folder/root" "$folder/volume"
mount -t overlay overlay -o "lowerdir=$folder/low,upperdir=$folder/up,workdir=$folder/work" "$folder/root"
cd "$folder/root"
mkdir local files proc tmp
for shared in bin lib lib64 usr; do
  if [ -d "/$shared" ]; then mkdir "$shared"; mount --rbind "/$shared" "$shared"; fi
done
mount --bind "$folder/volume" local
mount --rbind /proc proc
cp "$PROGRAM" "$CATALOG" files
cp "$CONFIG" files/config.json
exec chroot . "$@"
"#;

/// Runs the program with `source` in a container; `None` where this machine lets nobody make one.
fn run(command: &str, source: &Value, job: Option<&str>) -> Option<Run> {
    let sandbox = Sandbox::with(json!({"data_source": source}));
    let own = program();
    let container = tempfile::tempdir().unwrap();
    let start = |words: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["-rm", "sh", "-c", CONTAINER, "sh"]).arg(container.path()).args(words);
        command.env("PROGRAM", own.get_program()).env("CONFIG", sandbox.config());
        command.env("CATALOG", sandbox.file("catalog.json", append(&["users"]).to_string()));
        command.env_remove("KUBERNETES_SERVICE_HOST").env_remove("WORKER_JOB_ID");
        command.envs(job.map(|job| ("WORKER_JOB_ID", job)));
        command
    };
    if !start(&["true"]).output().is_ok_and(|output| output.status.success()) {
        return None;
    }
    let binary = std::path::Path::new(own.get_program()).file_name().unwrap().to_str().unwrap().to_owned();
    let mut words =
        vec![format!("/files/{binary}"), command.to_owned(), "--config".into(), "/files/config.json".into()];
    if command == "write" {
        words.extend(["--catalog".to_owned(), "/files/catalog.json".to_owned()]);
    }
    let mut living = Living::start(&mut start(&words.iter().map(String::as_str).collect::<Vec<_>>()));
    if command == "write" {
        living.send(records("users", 0..3));
    }
    Some(living.end())
}

#[test]
fn tables_that_would_vanish_with_the_container_are_an_error_unless_that_is_meant() {
    const NAME: &str = "tables_that_would_vanish_with_the_container_are_an_error_unless_that_is_meant";
    let local = |path: &str| json!({"data_source_type": "LOCAL_STORAGE", "local_path": path});
    for path in ["/lake", "/tmp/lake", "/local/../lake"] {
        let Some(check) = run("check", &local(path), Some("12")) else {
            return skipped(NAME, "nobody may make namespaces and overlays here");
        };
        assert!(check.says("FAILED") && check.says("would vanish with it"), "{check:#?}");
        let write = run("write", &local(path), Some("12")).unwrap();
        let message = write.failed_with("config_error");
        for said in ["vanish", "mount a volume", "S3_STORAGE", "`data_source.local_path_is_ephemeral` to true"] {
            assert!(message.contains(said), "{message}");
        }
        let mut meant = local(path);
        meant["local_path_is_ephemeral"] = json!(true);
        for (source, job) in [(&meant, Some("12")), (&local(path), None), (&local(path), Some(""))] {
            let check = run("check", source, job).unwrap();
            assert!(check.says("SUCCEEDED"), "{check:#?}");
        }
    }
    let volume = run("check", &local("/local/lake"), Some("12")).unwrap();
    assert!(volume.says("SUCCEEDED"), "{volume:#?}");
}
