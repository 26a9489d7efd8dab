//! Settings: environments as they are in reality, mistakes as people make them, vaults, schema, examples.

mod checks;
mod commands;
mod environments;
mod everything;
mod examples;
mod folder;
mod mistakes;
mod sarif;
mod schema;
mod secrets;
mod vault;
