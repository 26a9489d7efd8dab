//! AWS's rules, one example each. The pages that they come from are named in src/policy.

mod asked;
mod conditions;
mod documents;
mod sides;
mod things;
mod unsure;
