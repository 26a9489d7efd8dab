//! Who can destroy backups behind what this program makes: tried on the sandbox, call by call, with the rights of each.

mod lock;
