//! The edges of the program: processes, AWS, hosts. Thin: they build, limit time and name the error; they decide
//! nothing.

pub mod process;
