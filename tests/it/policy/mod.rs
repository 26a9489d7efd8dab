//! The policy engine: AWS's rules one by one, its laws, other people's cases, and the command that asks it.

mod cases;
mod explain;
mod laws;
mod rules;
