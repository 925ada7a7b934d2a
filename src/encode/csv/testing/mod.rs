//! For tests: reads CSV as a reader that knows nothing of this module.

pub mod reading;
