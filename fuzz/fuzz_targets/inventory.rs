//! Any bytes as an inventory: in YAML where they begin with a `-` or a brace, or with `all`, else in INI.
#![no_main]

const PUBLIC: &[u8] = b"deploy_env: fuzz\nbackup_postgres: dump\nbackup_couch: yes\nbackup_blobdb: yes\nbackup_es_s3: yes\n\
    postgresql_backup_dir: '/srv/{{ groups.pg_backup[0] | default(\"x\") }}'\n";

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let is_yaml = bytes.starts_with(b"---") || bytes.starts_with(b"all") || bytes.starts_with(b"{");
    let name = if is_yaml { "inventory.yml" } else { "inventory.ini" };
    reconcile_fuzz::load(&[("public.yml", PUBLIC), (name, bytes)]);
});
