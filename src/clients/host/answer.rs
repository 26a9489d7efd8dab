//! What a host answered -> a [`View`]. Pure; must take anything, since a host may say anything.

use std::collections::BTreeMap;
use std::io::Read;

use super::view::{Installed, Seen, Space, View};
use super::{Access, EntryKind, MOST_BYTES, TOO_LARGE};

/// The end of a script's output: a newline and its status.
pub(super) fn split_status(output: &[u8]) -> Result<(&[u8], i32), String> {
    let cut = output.iter().rposition(|byte| *byte == b'\n').ok_or(BROKEN)?;
    let (said, status) = output.split_at(cut);
    let status = std::str::from_utf8(status).ok().and_then(|status| status.trim().parse().ok());
    Ok((said, status.ok_or(BROKEN)?))
}

const BROKEN: &str = "its answer cannot be understood; see what its shell prints at login";

/// The archive begins behind this line.
const ARCHIVE: &[u8] = b"tar\n";

/// What `look.sh` printed, as a view.
pub(super) fn view(said: &[u8]) -> Result<View, String> {
    let mut view = View::default();
    let mut rest = said;
    let mut there = Vec::new();
    while !rest.is_empty() && !rest.starts_with(ARCHIVE) {
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let (line, tail) = rest.split_at(end);
        rest = tail.get(1..).unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("there", path) => there.push(path.to_owned()),
            ("large", path) => _ = view.unread.insert(path.to_owned(), TOO_LARGE.to_owned()),
            (word, rest) => fact(&mut view, word, rest),
        }
    }
    if let Some(archive) = rest.strip_prefix(ARCHIVE) {
        unpack(archive, &mut view.things).map_err(|error| format!("{BROKEN} ({error})"))?;
    }
    for path in there {
        if !view.things.contains_key(&path) && !view.unread.contains_key(&path) {
            view.unread.insert(path, "it is there and cannot be read; run as root".to_owned());
        }
    }
    Ok(view)
}

fn fact(view: &mut View, word: &str, rest: &str) {
    let facts = &mut view.facts;
    let text = || Some(rest.trim().to_owned()).filter(|text| !text.is_empty());
    let mut words = rest.split_whitespace();
    match word {
        "clock" => facts.clock = rest.trim().parse().ok(),
        "machine" => {
            facts.hostname = words.next().map(str::to_owned);
            facts.architecture = words.next().map(str::to_owned);
        }
        "identity" => facts.identity = text(),
        "localtime" => facts.localtime = text(),
        "timezone" => facts.timezone = text(),
        "cron.d" => facts.has_cron_d = true,
        "curl" => facts.has_curl = true,
        "cron" => {
            let name = words.next().unwrap_or_default().to_owned();
            facts.crons.push((name, words.next().unwrap_or_default().to_owned()));
        }
        "asked" => super::asks::note(&mut view.raw, rest),
        "owned" => _ = view.named_after_users.insert(rest.to_owned()),
        "user" => facts.users.extend(text()),
        "postgresql" => {
            if let Some((name, version)) = rest.split_once(' ') {
                facts.postgresql.entry(name.to_owned()).or_default().push(version.trim().to_owned());
            }
        }
        "program" => {
            let (sha256, banner) = rest.split_once(' ').unwrap_or((rest, ""));
            facts.program = Some(Installed { sha256: sha256.to_owned(), banner: banner.trim().to_owned() });
        }
        "space" => {
            let mut parts = rest.splitn(3, ' ');
            let mut kilobytes = || parts.next()?.parse::<u64>().ok()?.checked_mul(1024);
            if let (Some(free), Some(total)) = (kilobytes(), kilobytes())
                && let Some(directory) = parts.next()
            {
                facts.space.insert(directory.to_owned(), Space { free, total });
            }
        }
        "size" => {
            let mut parts = rest.splitn(3, ' ');
            let size = parts.next().and_then(|size| size.parse().ok());
            let time = parts.next().and_then(|time| time.parse().ok());
            if let (Some(size), Some(time), Some(path)) = (size, time, parts.next()) {
                view.sizes.insert(path.to_owned(), (size, time));
            }
        }
        // What a shell or a program says besides.
        _ => {}
    }
}

/// The things in an archive, by their paths.
fn unpack(archive: &[u8], things: &mut BTreeMap<String, Seen>) -> std::io::Result<()> {
    for entry in tar::Archive::new(archive).entries()? {
        let mut entry = entry?;
        let Some(path) = entry.path().ok().and_then(|path| absolute(path.to_str()?)) else { continue };
        let header = entry.header();
        let kind = match header.entry_type() {
            tar::EntryType::Regular | tar::EntryType::Continuous => EntryKind::File,
            tar::EntryType::Directory => EntryKind::Directory,
            _ => EntryKind::Other,
        };
        let name = |name: Option<&str>, number: std::io::Result<u64>| match name {
            Some(name) if !name.is_empty() => name.to_owned(),
            _ => number.map_or_else(|_| "unknown".to_owned(), |number| number.to_string()),
        };
        let access = Access {
            owner: name(header.username().ok().flatten(), header.uid()),
            group: name(header.groupname().ok().flatten(), header.gid()),
            mode: header.mode()? & 0o7777,
        };
        if header.entry_type().is_hard_link() {
            // A second name of a file has no bytes of its own in the archive.
            let first = entry.link_name().ok().flatten().and_then(|first| absolute(first.to_str()?));
            if let Some(seen) = first.and_then(|first| things.get(&first)).cloned() {
                things.insert(path, seen);
            }
            continue;
        }
        let mut bytes = Vec::new();
        if kind == EntryKind::File {
            entry.by_ref().take(MOST_BYTES).read_to_end(&mut bytes)?;
        }
        things.insert(path, Seen { kind, access, bytes });
    }
    Ok(())
}

/// `./etc/x/` as `/etc/x`.
fn absolute(path: &str) -> Option<String> {
    let path = path.strip_prefix('.').unwrap_or(path).trim_end_matches('/');
    path.starts_with('/').then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_and_noise_is_not() {
        let said = b"clock 1795291768\nmachine db1 x86_64\ncron.d\ncron cron /usr/sbin/cron\nuser postgres\n\
            postgresql psql psql (PostgreSQL) 15.18\nprogram ab12 reconcile 0.1.0\nspace 10 20 /opt/data a\n\
            Welcome to db1!\nthere /etc/shadow\nlarge /etc/cron.d/big\n";
        let view = view(said).expect("understood");
        assert_eq!((view.facts.clock, view.facts.hostname.as_deref()), (Some(1_795_291_768), Some("db1")));
        assert_eq!(view.facts.crons, [("cron".to_owned(), "/usr/sbin/cron".to_owned())]);
        assert!(view.facts.has_cron_d);
        assert_eq!(view.facts.space["/opt/data a"], Space { free: 10_240, total: 20_480 });
        assert_eq!(view.facts.postgresql["psql"], ["psql (PostgreSQL) 15.18"]);
        assert!(
            view.at("/etc/shadow").expect_err("not in the archive").to_string().contains("cannot be read")
        );
        assert!(view.at("/etc/cron.d/big").is_err());
        assert_eq!(view.at("/etc/else").expect("nothing there"), None);
    }

    #[test]
    fn whatever_a_host_says_is_an_answer_or_an_error() {
        for said in
            [&b""[..], b"tar\n", b"tar\nno archive at all, but long enough for a header? ", b"\xff\xfe\n\n"]
        {
            let _ = view(said);
            let _ = split_status(said);
        }
        assert_eq!(split_status(b"ok\n0"), Ok((&b"ok"[..], 0)));
        assert!(split_status(b"ok\nx").is_err());
    }
}
