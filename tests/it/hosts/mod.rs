//! Real machines behind ssh: seen, changed, broken.

mod broken;
mod commcare;
mod elasticsearch;
mod fleet;
mod many;
mod reach;
mod status;
mod sudo;
mod takeover;
