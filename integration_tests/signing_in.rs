//! Signing in to Databricks by every way, over the real program: a server in this process gives tokens and is the workspace.
//!
//! `workspace` is that server; `broken` has the set-ups that do not work, each with its cure; `secrets` looks for every secret in every
//! output; `renewed` has refresh tokens that are good for once, `places` where their file may lie, `login` the sign-in with a browser,
//! `login_files` which file it makes, and what opens the browser.

mod broken;
mod login;
mod login_files;
mod places;
mod renewed;
pub mod secrets;
mod workspace;
