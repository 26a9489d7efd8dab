//! Elasticsearch: snapshots that it makes itself into its repository, as `root` on the first host of `[elasticsearch]`. There
//! is no dump: what is done, in which order, is `jobs::snapshot`'s.

pub mod desired;
pub mod names;
pub mod settings;
