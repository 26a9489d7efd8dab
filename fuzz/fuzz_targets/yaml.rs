//! Any bytes as `public.yml`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    reconcile_fuzz::load(&[("public.yml", bytes), ("inventory.ini", b"[pg_backup]\ndb1\n[couchdb2]\ndb1\ndb2\n")]);
});
