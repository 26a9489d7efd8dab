//! The program as an operator meets it: whole stories, told in the commands that they would type.

mod another_store;
mod applies;
mod backup;
mod crashes;
mod disaster;
mod documents;
mod elasticsearch;
mod fortnight;
mod identities;
mod permissions;
mod races;
mod reality;
mod refusals;
mod retiring;
pub mod stage;
mod stopping;
mod takeover;
mod trees;
mod watch;
