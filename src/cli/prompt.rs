//! Asks a person for a secret on the terminal, without showing it.
//!
//! Asks only where standard input and standard error are terminals: a pipeline must never wait for somebody who is not
//! there. Must never leave a terminal that shows nothing.

use std::fs::File;
use std::io::{IsTerminal, Read, Write, stderr, stdin};
use std::os::fd::{AsFd, OwnedFd};

use nix::sys::termios::{LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::settings::vault::DEFAULT_LABEL;

/// Nobody types a longer one.
const MAX_BYTES: usize = 4096;
const INTERRUPT: u8 = 0x03;
const END: u8 = 0x04;
const ERASE_LINE: u8 = 0x15;
const ERASE: [u8; 2] = [0x08, 0x7f];

/// Whether there is somebody to ask.
pub fn can_ask() -> bool {
    stdin().is_terminal() && stderr().is_terminal()
}

/// The password of a vault that is to be opened.
pub fn password(label: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    typed(&format!("Vault password{}: ", of(label)))
}

/// The password of a vault that is to be written, typed twice: nobody sees what they type.
pub fn new_password(label: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    let first = typed(&format!("New vault password{}: ", of(label)))?;
    let second = typed("The same again: ")?;
    if *first == *second { Ok(first) } else { Err("what was typed differs".to_owned()) }
}

fn of(label: &str) -> String {
    if label == DEFAULT_LABEL { String::new() } else { format!(" of {label}") }
}

/// A password without the spaces around it, as Ansible takes it.
fn typed(question: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    hidden(question).map(|line| Zeroizing::new(line.trim_ascii().to_vec()))
}

/// One line, hidden; empty where nothing was typed.
pub fn hidden(question: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    if !can_ask() {
        return Err("there is no terminal to ask on".to_owned());
    }
    let cannot = |error: &dyn std::fmt::Display| format!("the terminal cannot be asked: {error}");
    let terminal = stdin().as_fd().try_clone_to_owned().map_err(|error| cannot(&error))?;
    let quiet = Quiet::begin(terminal).map_err(|error| cannot(&error))?;
    say(question);
    let line = read_line(&mut File::from(quiet.terminal.try_clone().map_err(|error| cannot(&error))?));
    drop(quiet);
    say("\n");
    line
}

/// Whether somebody named what is to be done, beforehand or now: asks for `name`, and answers why not.
pub fn named(name: &str, confirmed: Option<&str>, asked: &str, other: &str) -> Result<(), String> {
    if let Some(confirmed) = confirmed {
        return match confirmed == name {
            true => Ok(()),
            false => Err(format!("{confirmed} was confirmed, and {name} {other}")),
        };
    }
    if !can_ask() {
        return Err("there is no terminal to ask on".to_owned());
    }
    say(&format!("\n{asked}, type the backup's name: "));
    let mut answer = String::new();
    let read = stdin().read_line(&mut answer);
    match read.is_ok() && answer.trim() == name {
        true => Ok(()),
        false => Err("the name was not typed".to_owned()),
    }
}

fn say(text: &str) {
    let mut stderr = stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

/// A terminal that shows nothing and hands on every key, Ctrl-C too; as it was when dropped.
struct Quiet {
    terminal: OwnedFd,
    before: Termios,
}

impl Quiet {
    fn begin(terminal: OwnedFd) -> nix::Result<Self> {
        let before = tcgetattr(&terminal)?;
        let mut quiet = before.clone();
        quiet
            .local_flags
            .remove(LocalFlags::ECHO | LocalFlags::ECHONL | LocalFlags::ICANON | LocalFlags::ISIG);
        for (index, value) in [(SpecialCharacterIndices::VMIN, 1), (SpecialCharacterIndices::VTIME, 0)] {
            if let Some(character) = quiet.control_chars.get_mut(index as usize) {
                *character = value;
            }
        }
        tcsetattr(&terminal, SetArg::TCSADRAIN, &quiet)?;
        Ok(Quiet { terminal, before })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // Nothing can be done for a terminal that is gone.
        let _ = tcsetattr(&self.terminal, SetArg::TCSADRAIN, &self.before);
    }
}

fn read_line(terminal: &mut impl Read) -> Result<Zeroizing<Vec<u8>>, String> {
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_BYTES));
    let mut byte = Zeroizing::new([0u8; 1]);
    loop {
        match terminal.read(byte.as_mut_slice()) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(format!("the terminal cannot be read: {error}")),
            Ok(0) => return Err("the terminal was closed".to_owned()),
            Ok(_) => {}
        }
        match byte[0] {
            b'\n' | b'\r' | END => break,
            INTERRUPT => return Err("nothing was typed: interrupted".to_owned()),
            ERASE_LINE => line.clear(),
            erase if ERASE.contains(&erase) => {
                // A character of UTF-8 is its first byte and those that continue it.
                while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
            }
            _ if line.len() == MAX_BYTES => return Err(format!("more than {MAX_BYTES} bytes were typed")),
            typed => line.push(typed),
        }
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(mut keys: &[u8]) -> Result<Vec<u8>, String> {
        read_line(&mut keys).map(|line| line.to_vec())
    }

    #[test]
    fn keys_make_a_line() {
        assert_eq!(typed(b"pass\nrest"), Ok(b"pass".to_vec()));
        assert_eq!(typed(b"wrong\x15 pa\x7fa ss \r"), Ok(b" pa ss ".to_vec()));
        assert_eq!(typed("ä\x7fö\x08u\n".as_bytes()), Ok(b"u".to_vec()));
        assert_eq!(typed(b"\x7f\x04"), Ok(Vec::new()));
        assert!(typed(b"pass\x03").is_err() && typed(b"pass").is_err());
        assert!(typed(&[b'x'; MAX_BYTES + 1]).is_err());
    }
}
