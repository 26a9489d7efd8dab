//! Real machines behind ssh: seen, changed, broken.

mod broken;
mod commcare;
mod fleet;
mod reach;
mod sudo;
