//! Directory trees of an operator's choice, `files-NAME`: each one archive, read where the job runs or on another host.
//! The job is that of every [tree](super::tree).

pub mod desired;
pub mod settings;
