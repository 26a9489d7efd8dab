//! The edges of the program: AWS, hosts, processes. Thin: they build, limit time and name the error; they decide
//! nothing.

pub mod aws;
pub mod aws_error;
pub mod host;
pub mod machine;
pub mod process;
