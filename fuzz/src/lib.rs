//! What the targets share: an environment of a few files in memory's file system, loaded and shown as `validate`,
//! `show settings` and `show desired` do. Nothing may panic, hang, or let a control character through to a terminal.

use std::path::PathBuf;
use std::sync::LazyLock;

use reconcile::settings::{self, Sources, VaultPassword};
use reconcile::vocab::Secret;
use reconcile::{derive, report};

/// A folder of this process alone.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let base = if std::path::Path::new("/dev/shm").is_dir() { PathBuf::from("/dev/shm") } else { std::env::temp_dir() };
    let folder = base.join(format!("reconcile-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
});

/// Loads the files as an environment, and makes every view of what comes out.
pub fn load(files: &[(&str, &[u8])]) {
    for (name, bytes) in files {
        std::fs::write(FOLDER.join(name), bytes).expect("written");
    }
    let password = VaultPassword::Given(Secret::new("fuzz"));
    let sources = Sources::directory(FOLDER.as_path()).with_vault_password(Some(password));
    let problems = match settings::load(&sources) {
        Ok(settings) => {
            let desired = derive::desired(&settings);
            plain(&report::settings::text(&settings));
            plain(&report::desired::desired_text(&desired));
            report::settings::json(&settings);
            report::desired::desired_json(&desired);
            settings.problems
        }
        Err(problems) => {
            assert!(problems.has_errors(), "refused without an error");
            problems
        }
    };
    plain(&report::problems::text(&problems, "fuzz"));
    plain(&report::problems::github(&problems));
    report::problems::json(&problems);
    for (name, _) in files {
        std::fs::remove_file(FOLDER.join(name)).expect("removed");
    }
}

/// No control character but those of our own colours.
pub fn plain(text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_control() && c != '\n') {
        let colour = rest[at..].strip_prefix("\u{1b}[").and_then(|code| {
            let end = code.find(|c: char| !c.is_ascii_digit() && c != ';')?;
            code[end..].strip_prefix('m')
        });
        rest = colour.unwrap_or_else(|| panic!("a control character: {:?}", &rest[at..]));
    }
}
