//! `reconcile init`: a small commented environment to begin with. Must never replace a file.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{Exit, Failure, Format, Global, Output};
use crate::report::text::{harmless, one_line};
use crate::vocab::Environment;

/// Each file with its text; `ENV` stands for the environment's name. public.yml comes last: with it the directory is an
/// environment.
const FILES: [(&str, &str); 2] =
    [("inventory.ini", include_str!("init/inventory.ini")), ("public.yml", include_str!("init/public.yml"))];

/// What `init` is asked.
#[derive(Debug, Args)]
pub struct Init {
    /// Where to begin; the directory's name becomes the environment's [default: the current one]
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

impl Init {
    /// Writes the files, or none of them.
    pub fn run(&self, global: &Global, out: &mut Output) -> Result<Exit, Failure> {
        out.expect_format("init", &[Format::Text])?;
        let directory = self.directory.clone().unwrap_or_else(|| global.directory());
        let shown = directory.display().to_string();
        let failed = |what: &str, error: &std::io::Error| {
            Failure::failed(format!("{} cannot be {what}: {error}", one_line(&shown)))
        };
        std::fs::create_dir_all(&directory).map_err(|error| failed("made", &error))?;
        let real = directory.canonicalize().map_err(|error| failed("read", &error))?;
        let environment = name(&real)?;
        let there = FILES.iter().find(|(file, _)| real.join(file).symlink_metadata().is_ok());
        if let Some((file, _)) = there {
            return Err(Failure::refused(
                format!("{} holds {file} already, and init replaces nothing", one_line(&shown)),
                "begin in another directory, or move the file away",
            ));
        }
        for (file, text) in FILES {
            let text = text.replace("ENV", environment.as_str());
            write_new(&real, file, &text).map_err(|error| failed("written to", &error))?;
        }
        out.result(&told(&shown, &environment));
        Ok(Exit::Ok)
    }
}

fn name(directory: &Path) -> Result<Environment, Failure> {
    let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
    name.parse().map_err(|error| {
        Failure::failed_with_help(
            format!("`{}` cannot be an environment's name: {error}", one_line(&name)),
            "name a directory whose name can, such as `reconcile init production`",
        )
    })
}

/// Writes a whole file under a name that nobody has.
fn write_new(directory: &Path, name: &str, text: &str) -> std::io::Result<()> {
    let mut temporary = tempfile::Builder::new();
    #[cfg(unix)]
    temporary.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    let mut temporary = temporary.tempfile_in(directory)?;
    temporary.write_all(text.as_bytes())?;
    temporary.as_file().sync_all()?;
    temporary.persist_noclobber(directory.join(name)).map_err(|error| error.error)?;
    std::fs::File::open(directory)?.sync_all()
}

fn told(directory: &str, environment: &Environment) -> String {
    let directory = harmless(directory);
    let typed = shlex::try_quote(&directory).unwrap_or_else(|_| directory.as_str().into());
    format!(
        "environment {environment} in {directory}: public.yml, inventory.ini\n\n\
         Edit both, then look at what would happen, in a sandbox first:\n\
         \x20 reconcile validate {typed}\n\
         \x20 reconcile plan -e {typed} --sandbox /tmp/sandbox\n"
    )
}
