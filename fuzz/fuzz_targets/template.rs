//! Any text as a template, in a key that is evaluated.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    let quoted = serde_json::json!(format!("/srv/{text}")).to_string();
    let public = format!(
        "deploy_env: fuzz\na: 7\nb: [x, y]\nc: {{d: '{{{{ a }}}}'}}\nencrypted_root: /opt/{{{{ c.d }}}}\n\
         postgresql_backup_dir: {quoted}\nnadir_hour: {quoted}\n"
    );
    reconcile_fuzz::load(&[("public.yml", public.as_bytes()), ("inventory.ini", b"[pg_backup]\ndb1\n")]);
});
