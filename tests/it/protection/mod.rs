//! Who can destroy backups behind what this program makes: tried on the sandbox and on an emulator that others wrote, call by
//! call, with the rights of each.

mod deeds;
mod lock;
mod moto;
mod writer;
