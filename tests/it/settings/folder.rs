//! An environment in a temporary folder.

use reconcile::report;
use reconcile::settings::{self, Settings, Sources};
use reconcile::vocab::Problems;

/// Files of an environment; gone when dropped.
pub struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    pub fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("written");
        }
        Folder { folder }
    }

    /// More files, in directories of their own if need be.
    pub fn add(&self, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = self.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            std::fs::write(path, text).expect("written");
        }
    }

    pub fn path(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub fn sources(&self) -> Sources {
        Sources::directory(self.path())
    }

    pub fn load(&self) -> Result<Settings, Problems> {
        settings::load(&self.sources())
    }

    /// What `validate` shows, without colours, the folder called `ENV`.
    pub fn validated(&self) -> String {
        let problems = self.load().map_or_else(|problems| problems, |settings| settings.problems);
        let text = report::problems::text(&problems, &self.path().display().to_string());
        let text = anstream::adapter::strip_str(&text).to_string();
        text.replace(&self.path().display().to_string(), "ENV")
    }
}

/// Settings of these files, or the problems in the panic.
pub fn loaded(files: &[(&str, &str)]) -> Settings {
    Folder::new(files).load().unwrap_or_else(|problems| panic!("{:#?}", problems.list))
}
