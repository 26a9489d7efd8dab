//! What there is of a datastore's backups, on disk and in the bucket.
