//! Any bytes as `vault.yml`, with a password at hand.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let public = b"deploy_env: fuzz\nbackup_postgres: dump\npostgres_s3: yes\n";
    reconcile_fuzz::load(&[("public.yml", public), ("vault.yml", bytes)]);
});
