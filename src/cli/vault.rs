//! `reconcile vault`: view, encrypt, decrypt, rekey, encrypt-string, as `ansible-vault` has them.
//!
//! Every file is read, opened and judged before the first one is written, and what is written is proven first
//! ([`files`]). Must never print what was encrypted but where `view` and `decrypt` were asked to.

mod files;
mod keys;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use self::files::{Input, MAX_PLAIN, MAX_SEALED, Target, replace};
use self::keys::{WriteKey, Writer, asking, keyring, looks_sealed, nobody, opened};
use super::{Exit, Failure, Format, Global, Output, prompt};
use crate::report::text::harmless;
use crate::settings::vault::{DEFAULT_LABEL, is_label};
use crate::settings::{Keyring, VaultId, VaultPassword};

/// What `vault` is asked.
#[derive(Debug, Args)]
pub struct VaultArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Print what vaults hold, byte for byte
    View(View),
    /// Encrypt files in their place, or standard input to standard output
    Encrypt(Encrypt),
    /// Decrypt vaults in their place, or standard input to standard output
    Decrypt(Decrypt),
    /// Encrypt vaults with another password
    Rekey(Rekey),
    /// Print one value of YAML, encrypted; it is asked for, or read from standard input
    #[command(alias = "encrypt_string")]
    EncryptString(EncryptString),
}

#[derive(Debug, Args)]
struct View {
    /// Vaults of at most 65 MiB; - is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
struct Encrypt {
    /// Files of at most 16 MiB; - is standard input, also where there is none
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    #[command(flatten)]
    to: To,

    #[command(flatten)]
    with: With,
}

#[derive(Debug, Args)]
struct Decrypt {
    /// Vaults; - is standard input, also where there is none
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    #[command(flatten)]
    to: To,
}

#[derive(Debug, Args)]
struct Rekey {
    /// Vaults
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// The new password and its label
    #[arg(long, value_name = "LABEL@FILE", conflicts_with = "new_vault_password_file")]
    new_vault_id: Option<VaultId>,

    /// The new password: a file, or a program that prints it
    #[arg(long, value_name = "FILE")]
    new_vault_password_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct EncryptString {
    /// The key that the value belongs to
    #[arg(short, long, value_name = "KEY", value_parser = key, alias = "stdin-name")]
    name: Option<String>,

    #[command(flatten)]
    to: To,

    #[command(flatten)]
    with: With,

    /// Refused: everybody on this machine sees the arguments of a process
    #[arg(hide = true)]
    string: Option<std::ffi::OsString>,
}

#[derive(Debug, Args)]
struct To {
    /// Write to FILE, or to standard output for -, and leave what was read (--output is the format of results)
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct With {
    /// Which of several passwords encrypts; its label stands in the header, in format 1.2
    #[arg(long, value_name = "LABEL", value_parser = label)]
    encrypt_vault_id: Option<String>,
}

fn label(text: &str) -> Result<String, String> {
    match is_label(text) {
        true => Ok(text.to_owned()),
        false => Err("this cannot stand in a vault's header: use letters and digits".to_owned()),
    }
}

/// A key that YAML and Ansible read as it is written.
fn key(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.chars().all(good) {
        true => Ok(text.to_owned()),
        false => Err("a key is letters, digits, `_` and `-`, and begins with no digit".to_owned()),
    }
}

impl VaultArgs {
    pub fn run(&self, global: &Global, out: &mut Output) -> Result<Exit, Failure> {
        out.expect_format("vault", &[Format::Text])?;
        match &self.verb {
            Verb::View(args) => args.run(global, out),
            Verb::Encrypt(args) => args.run(global, out),
            Verb::Decrypt(args) => args.run(global, out),
            Verb::Rekey(args) => args.run(global, out),
            Verb::EncryptString(args) => args.run(global, out),
        }
        .map(|()| Exit::Ok)
    }
}

impl View {
    fn run(&self, global: &Global, out: &mut Output) -> Result<(), Failure> {
        let keyring = keyring(global, prompt::password, DEFAULT_LABEL);
        // All of them first: half an answer is none.
        let texts: Vec<_> = self
            .files
            .iter()
            .map(|file| Ok(opened(&read(file, MAX_SEALED)?, &keyring)?.text))
            .collect::<Result<_, Failure>>()?;
        texts.iter().try_for_each(|text| print(out, text))
    }
}

impl Encrypt {
    fn run(&self, global: &Global, out: &mut Output) -> Result<(), Failure> {
        let inputs = self.to.inputs(&self.files, MAX_PLAIN)?;
        for input in &inputs {
            if input.bytes.is_empty() {
                return Err(Failure::failed(format!("{} is empty: there is nothing to encrypt", input.name)));
            }
            if looks_sealed(&input.bytes) {
                return Err(Failure::failed_with_help(
                    format!("{} is encrypted already, and is left as it is", input.name),
                    "`reconcile vault rekey` gives it another password",
                ));
            }
        }
        let writer = Writer::of(global, &self.with)?;
        let key = writer.key()?;
        let sealed = inputs.iter().map(|input| key.sealed(&input.bytes)).collect::<Result<Vec<_>, _>>()?;
        for (input, text) in inputs.iter().zip(&sealed) {
            let proof = |again: &[u8]| key.opens(again, &input.bytes);
            if self.to.write(input, text.as_bytes(), proof, out)? {
                told(out, "encrypted", input, &key);
            }
        }
        Ok(())
    }
}

impl Decrypt {
    fn run(&self, global: &Global, out: &mut Output) -> Result<(), Failure> {
        let inputs = self.to.inputs(&self.files, MAX_SEALED)?;
        let keyring = keyring(global, prompt::password, DEFAULT_LABEL);
        let texts = inputs
            .iter()
            .map(|input| Ok(opened(input, &keyring)?.text))
            .collect::<Result<Vec<_>, Failure>>()?;
        for (input, text) in inputs.iter().zip(&texts) {
            if !self.to.write(input, text, |again| again == text.as_slice(), out)? {
                continue;
            }
            out.result(&format!("decrypted {}\n", harmless(&input.name)));
            if self.to.to.is_none() && input.file.as_ref().is_some_and(files::Existing::is_open_to_others) {
                let name = harmless(&input.name);
                out.notice(&format!("warning: {name} is plain now, and its mode lets others read it\n"));
            }
        }
        Ok(())
    }
}

impl Rekey {
    fn run(&self, global: &Global, out: &mut Output) -> Result<(), Failure> {
        let inputs = To { to: None }.inputs(&self.files, MAX_SEALED)?;
        if inputs.iter().any(|input| input.file.is_none()) {
            return Err(Failure::usage("vault rekey: standard input has no place to be written to"));
        }
        let keyring = keyring(global, prompt::password, DEFAULT_LABEL);
        let texts = inputs
            .iter()
            .map(|input| Ok(opened(input, &keyring)?.text))
            .collect::<Result<Vec<_>, Failure>>()?;
        let mut new = Keyring::new(self.new_vault_id.iter().cloned()).asking(asking(prompt::new_password));
        if new.is_empty() {
            let file = &self.new_vault_password_file;
            new.add(DEFAULT_LABEL, file.as_deref().map_or(VaultPassword::Prompt, VaultPassword::of_file));
        }
        let writer = Writer { label: new.labels().concat(), from: new.labels().concat(), keyring: new };
        let key = writer.key()?;
        let sealed = texts.iter().map(|text| key.sealed(text)).collect::<Result<Vec<_>, _>>()?;
        for ((input, text), sealed) in inputs.iter().zip(&texts).zip(&sealed) {
            let Some(file) = &input.file else { continue };
            replace(&Target::Same(file), sealed.as_bytes(), |again| key.opens(again, text))
                .map_err(Failure::failed)?;
            told(out, "encrypted", input, &key);
        }
        Ok(())
    }
}

impl EncryptString {
    fn run(&self, global: &Global, out: &mut Output) -> Result<(), Failure> {
        if self.string.is_some() {
            return Err(Failure::usage(
                "vault encrypt-string takes no argument: everybody on this machine sees the arguments of a process; \
                 type the string when asked, or give it on standard input",
            ));
        }
        let text = match std::io::stdin().is_terminal() {
            true => prompt::hidden("String to encrypt (hidden): ").map_err(nobody)?,
            false => read(Path::new("-"), MAX_PLAIN)?.bytes,
        };
        if text.is_empty() {
            return Err(Failure::failed("the string is empty: there is nothing to encrypt"));
        }
        if std::str::from_utf8(&text).is_err() {
            return Err(Failure::failed_with_help(
                "the string is not UTF-8, so no value of YAML can hold it",
                "`reconcile vault encrypt` takes files of any kind",
            ));
        }
        if looks_sealed(&text) {
            return Err(Failure::failed("the string is encrypted already"));
        }
        if text.ends_with(b"\n") {
            out.notice(
                "warning: the string ends with a newline, which is encrypted too; printf '%s' adds none\n",
            );
        }
        let writer = Writer::of(global, &self.with)?;
        let key = writer.key()?;
        let sealed = key.sealed(&text)?;
        if !key.opens(sealed.as_bytes(), &text) {
            return Err(unproven());
        }
        let value = inline(self.name.as_deref(), &sealed);
        match self.to.file() {
            None => print(out, value.as_bytes()),
            Some(path) if path.symlink_metadata().is_ok() => Err(Failure::failed_with_help(
                format!("{} exists, and one value would replace all of it", path.display()),
                "leave --to out and append with >>",
            )),
            Some(path) => replace(&Target::Other(path), value.as_bytes(), |again| again == value.as_bytes())
                .map_err(Failure::failed),
        }
    }
}

/// As `ansible-vault encrypt_string` lays it out.
fn inline(name: Option<&str>, sealed: &str) -> String {
    let mut value = name.map_or_else(|| "!vault |\n".to_owned(), |name| format!("{name}: !vault |\n"));
    sealed.lines().for_each(|line| value.push_str(&format!("          {line}\n")));
    value
}

impl To {
    /// The file to write to; `None` where that is the input's own place or standard output.
    fn file(&self) -> Option<&Path> {
        self.to.as_deref().filter(|path| *path != Path::new("-"))
    }

    /// Reads all files.
    fn inputs(&self, files: &[PathBuf], most: usize) -> Result<Vec<Input>, Failure> {
        if self.to.is_some() && files.len() > 1 {
            return Err(Failure::usage("--to takes what one FILE gives, and several are named"));
        }
        let stdin = [PathBuf::from("-")];
        let files = if files.is_empty() { &stdin } else { files };
        files.iter().map(|file| read(file, most)).collect()
    }

    /// Writes what one input gave; whether that was to a file.
    fn write(
        &self,
        input: &Input,
        bytes: &[u8],
        proof: impl Fn(&[u8]) -> bool,
        out: &mut Output,
    ) -> Result<bool, Failure> {
        let target = match (self.file(), &input.file) {
            (Some(path), _) => Target::Other(path),
            (None, Some(file)) if self.to.is_none() => Target::Same(file),
            _ if !proof(bytes) => return Err(unproven()),
            _ => return print(out, bytes).map(|()| false),
        };
        replace(&target, bytes, proof).map(|()| true).map_err(Failure::failed)
    }
}

fn read(path: &Path, most: usize) -> Result<Input, Failure> {
    Input::read(path, most).map_err(Failure::failed)
}

fn unproven() -> Failure {
    Failure::failed("what was encrypted does not open again, so it is not written")
}

fn print(out: &mut Output, bytes: &[u8]) -> Result<(), Failure> {
    out.bytes(bytes).map_err(|error| Failure::failed(format!("standard output cannot be written: {error}")))
}

fn told(out: &mut Output, what: &str, input: &Input, key: &WriteKey<'_>) {
    let label = match key.label {
        DEFAULT_LABEL => String::new(),
        label => format!(", with the password of {label}"),
    };
    out.result(&format!("{what} {}{label}\n", harmless(&input.name)));
}
