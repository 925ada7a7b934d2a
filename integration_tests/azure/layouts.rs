//! Tables with a column for each property, in a container: the same cases as in a folder, and the same values for every reader.

#[path = "../layouts/cases.rs"]
mod cases;
#[path = "../layouts/evolution.rs"]
mod evolution;
#[path = "../layouts/expected.rs"]
mod expected;
#[path = "../layouts/readers.rs"]
mod readers;
#[path = "../layouts/settings.rs"]
mod settings;
#[path = "../layouts/strange_records.rs"]
mod strange_records;
#[path = "../layouts/values.rs"]
mod values;
