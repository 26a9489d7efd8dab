//! PostgreSQL: a base backup (`plain`) or a logical dump of every database (`dump`), as `postgres` on the hosts of
//! `[pg_backup]`.

pub mod desired;
pub mod job;
pub mod settings;
