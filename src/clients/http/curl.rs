//! A question as what a host's own `curl` reads, and an answer from what it printed.

use super::{Ask, CONNECT, Said, Unanswered, address, answered, basic, timed_out, url};

/// The question to one place as a configuration that `curl -K -` reads (curl(1)): a login is in no argument. The last line
/// that it prints is the status. `None` where the place is no address.
pub(in crate::clients) fn config(ask: &Ask, at: &str) -> Option<String> {
    let url = url(ask, at)?;
    let mut config = format!(
        "silent\ngloboff\nnoproxy = \"*\"\nproto = \"=http,https\"\nconnect-timeout = {}\nmax-time = {}\nrequest = \"{}\"\n\
         url = {}\nwrite-out = \"\\n%{{num_connects}} %{{http_code}}\"\n",
        CONNECT.as_secs(),
        ask.limit.as_secs(),
        ask.method,
        quoted(&url),
    );
    if let Some(login) = &ask.login {
        config.push_str(&format!("header = {}\n", quoted(&format!("Authorization: {}", basic(login)))));
    }
    if let Some(body) = &ask.body {
        config.push_str("header = \"Content-Type: application/json\"\n");
        config.push_str(&format!("data-binary = {}\n", quoted(body)));
    }
    Some(config)
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// What curl printed at one place, its own end in the last line, means (curl(1), EXIT CODES); `None`: nobody took the
/// connection there.
pub(in crate::clients) fn ended(ask: &Ask, at: &str, out: &[u8]) -> Option<Result<Said, Unanswered>> {
    let broken = || Some(Err(Unanswered::Broken(at.to_owned())));
    let cut = |out: &[u8]| {
        let cut = out.iter().rposition(|byte| *byte == b'\n')?;
        let last = std::str::from_utf8(out.get(cut + 1..)?).ok()?.trim().to_owned();
        Some((out.get(..cut)?.to_vec(), last))
    };
    let Some((rest, code)) = cut(out) else { return broken() };
    if code == "127" {
        return Some(Err(Unanswered::NoCurl));
    }
    let Some((body, ended)) = cut(&rest) else { return broken() };
    let (connections, status) = ended.split_once(' ').unwrap_or_default();
    match (code.as_str(), connections) {
        ("0", _) => match status.parse() {
            Ok(status) => Some(answered(at, status, body)),
            Err(_) => broken(),
        },
        ("5" | "6" | "7" | "28", "0") => None,
        ("28", _) => Some(Err(timed_out(ask, at))),
        ("1" | "3", _) => Some(Err(address(at))),
        _ => broken(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::ask;
    use super::*;

    #[test]
    fn curl_reads_what_is_asked_from_its_input() {
        let read = config(&ask(), "http://127.0.0.1:9200/").expect("an address");
        assert!(read.contains("url = \"http://127.0.0.1:9200/_snapshot/a\"\n"), "{read}");
        assert!(read.contains("data-binary = \"{\\\"a\\\": \\\"b\\\\c\\\"}\"\n"), "{read}");
        for bad in
            ["ftp://x", "http://x\"\noutput = \"/etc/passwd", "localhost:9200", "http://elastic:canary@x"]
        {
            assert_eq!(config(&ask(), bad), None, "{bad}");
        }
    }

    #[test]
    fn curls_ends_are_told_apart() {
        let at = "http://127.0.0.1:9200";
        let of = |out: &[u8]| ended(&ask(), at, out);
        assert_eq!(of(b"{}\n\n1 404\n0"), Some(Ok(Said { status: 404, body: b"{}\n".to_vec() })));
        assert_eq!(of(b"\n0 000\n7"), None);
        assert_eq!(of(b"\n0 000\n28"), None);
        assert_eq!(of(b"\n0 000\n127"), Some(Err(Unanswered::NoCurl)));
        for broken in [&b"\n1 000\n52"[..], b"no status\n0", b"", b"\n", b"\n1 x\n0"] {
            assert_eq!(of(broken), Some(Err(Unanswered::Broken(at.to_owned()))), "{broken:?}");
        }
        assert!(matches!(of(b"\n1 000\n28"), Some(Err(Unanswered::TimedOut { seconds: 30, .. }))));
        assert!(matches!(of(b"\n1 302\n0"), Some(Err(Unanswered::Redirect { status: 302, .. }))));
    }
}
