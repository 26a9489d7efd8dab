//! The blob database: its directory as one archive, as `blobdb_user` on the hosts of `[shared_dir_host]`. The job is
//! that of every [tree](super::tree).

pub mod desired;
pub mod settings;
