//! Real machines behind ssh: seen, changed, broken.

mod broken;
mod fleet;
mod reach;
mod sudo;
