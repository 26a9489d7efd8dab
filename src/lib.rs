//! `reconcile`: backups as reviewed configuration.
//!
//! The program in six lines is `cli::plan` and `cli::apply`; ARCHITECTURE.md tells the path of the data and
//! which module may use which. A test holds the modules to it.

pub mod vocab;

pub mod policy;

pub mod retention;

pub mod freshness;

pub mod resources;

pub mod state;

pub mod audit;

pub mod plan;

pub mod datastores;

pub mod settings;

pub mod derive;

pub mod clients;

pub mod sandbox;

pub mod world;

pub mod jobs;

pub mod report;

pub mod cli;
