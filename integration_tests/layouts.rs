//! Tables with a column for each property, and which streams get them: settings, the values that all readers see, what is kept
//! of values that fit no column, and what users are told.

mod cases;
mod evolution;
mod expected;
mod features;
mod kills;
mod names;
mod older_tables;
mod protocol_cases;
pub mod readers;
mod replaced;
mod settings;
mod strange_records;
mod values;
mod widening;
