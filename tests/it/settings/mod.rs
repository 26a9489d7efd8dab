//! Settings: environments as they are in reality, mistakes as people make them, vaults, schema, examples.

mod adopt;
mod cases;
mod checks;
mod commands;
pub mod environments;
mod everything;
mod examples;
pub mod folder;
mod inventory;
mod mistakes;
mod sarif;
mod schema;
mod secrets;
mod times;
mod vault;
