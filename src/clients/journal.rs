//! systemd's journal, by its own protocol: a line with fields that it can be found by, in one datagram
//! (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>).

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

/// Where the journal listens.
pub const SOCKET: &str = "/run/systemd/journal/socket";

/// More than any line here; a socket's buffer takes several times that.
const LONGEST: usize = 32 << 10;

/// Hands over one entry: names in capitals, each with its value.
///
/// Errors: nobody listens, or the journal takes no more.
pub fn send(socket: &Path, fields: &[(&str, &str)]) -> io::Result<()> {
    let sender = UnixDatagram::unbound()?;
    // A journal that hangs must not hold up a job.
    sender.set_nonblocking(true)?;
    let entry = entry(fields);
    let sent = sender.send_to(&entry, socket)?;
    if sent == entry.len() { Ok(()) } else { Err(io::Error::other("the entry was cut")) }
}

/// An entry as it goes over the socket. A value of several lines is preceded by its length, so that none of them can pass
/// for a field.
fn entry(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        let mut end = value.len().min(LONGEST);
        while !value.is_char_boundary(end) {
            end -= 1;
        }
        let value = &value.as_bytes()[..end];
        bytes.extend_from_slice(name.as_bytes());
        if value.contains(&b'\n') {
            bytes.push(b'\n');
            bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
        } else {
            bytes.push(b'=');
        }
        bytes.extend_from_slice(value);
        bytes.push(b'\n');
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_several_lines_is_no_field_of_its_own() {
        assert_eq!(entry(&[("MESSAGE", "one"), ("PRIORITY", "6")]), b"MESSAGE=one\nPRIORITY=6\n");
        assert_eq!(entry(&[("MESSAGE", "one\nPRIORITY=0")]), b"MESSAGE\n\x0e\0\0\0\0\0\0\0one\nPRIORITY=0\n");
        let long = "\u{e9}".repeat(LONGEST);
        assert_eq!(entry(&[("M", &long)]).len(), LONGEST + 3);
    }

    #[test]
    fn a_journal_that_is_not_there_is_an_error_and_one_that_is_gets_it_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("socket");
        assert!(send(&path, &[("MESSAGE", "x")]).is_err());
        let journal = UnixDatagram::bind(&path).expect("bound");
        send(&path, &[("MESSAGE", "x")]).expect("sent");
        let mut taken = [0; 64];
        let read = journal.recv(&mut taken).expect("an entry");
        assert_eq!(&taken[..read], b"MESSAGE=x\n");
    }
}
