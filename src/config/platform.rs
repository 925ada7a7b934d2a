//! Who started the program, according to the environment.

/// Whether Airbyte's platform runs this sync: it sets `WORKER_JOB_ID` for each `read` and `write`, and no other caller does.
/// (`check`, `discover` and `spec` do not get it: `RuntimeEnvVarFactory` in `airbytehq/airbyte-platform`.)
pub fn is_job_of_platform() -> bool {
    is_set(std::env::var_os("WORKER_JOB_ID").as_deref())
}

fn is_set(value: Option<&std::ffi::OsStr>) -> bool {
    value.is_some_and(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_job_id_is_none() {
        assert!(is_set(Some("12".as_ref())));
        assert!(!is_set(Some("".as_ref())) && !is_set(None));
    }
}
