//! The program as an operator meets it: whole stories, told in the commands that they would type.

mod documents;
mod another_store;
mod backup;
mod crashes;
mod reality;
mod refusals;
mod stage;
