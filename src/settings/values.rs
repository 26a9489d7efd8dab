//! What the value of a flat key must be: pure functions from what is written to what it means, or to what is wrong
//! with it.

use super::checks::table;
use super::keys::{Key, Kind, MOST_KEPT, Part};
use super::scalar::{Meaning, Scalar, boolean, whole};
use crate::vocab::{BucketName, Check, Environment, HostName, OsUser, RegionName, Value};

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub check: Check,
    /// What is wrong and why it matters.
    pub message: String,
    /// What it must be, for under the caret.
    pub label: Option<String>,
    pub help: Option<String>,
    /// The value may be a secret that does not belong here: its line is not quoted.
    pub is_secret: bool,
}

impl Mistake {
    fn new(check: Check, message: impl Into<String>, label: impl Into<String>) -> Self {
        Mistake { check, message: message.into(), label: Some(label.into()), help: None, is_secret: false }
    }

    fn secret(mut self) -> Self {
        self.is_secret = true;
        self
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Text from a file as it may stand in a message: short, without control characters.
pub fn shown(text: &str) -> String {
    const LONGEST: usize = 40;
    let mut shown: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push_str("..");
    }
    shown.replace("\\'", "'").replace("\\\"", "\"")
}

/// The value of a key; `Null` where nothing is written, which equals leaving the key out.
pub fn read(key: &Key, scalar: &Scalar) -> Result<Value, Mistake> {
    let meaning = scalar.meaning();
    let as_read = as_ansible_reads(scalar);
    let text = as_read.as_deref().unwrap_or(scalar.text.trim());
    if matches!(meaning, Meaning::Null) || text.is_empty() {
        return match key.kind {
            Kind::Keep => Err(Mistake::new(
                table::BAD_RETENTION,
                format!("nothing is written, so how many {} are kept would be a guess", unit(key)),
                "must be 1 or more",
            )
            .help("write a number, or remove the key for its default")),
            _ => Ok(Value::Null),
        };
    }
    if let Meaning::Sexagesimal(number) = meaning
        && !matches!(key.kind, Kind::Endpoint | Kind::HostOrFalse)
    {
        return Err(Mistake::new(
            table::UNQUOTED_TIME,
            format!("`{text}` without quotes is the number {number} to Ansible"),
            match key.kind {
                Kind::Hour { least, most } => format!("must be a whole number from {least} to {most}"),
                _ => "quote it".to_owned(),
            },
        ));
    }
    match key.kind {
        Kind::Bool => boolean(text).map(Value::Bool).ok_or_else(|| {
            Mistake::new(
                table::BAD_VALUE,
                format!("`{}` is neither true nor false", shown(text)),
                "must be true or false",
            )
        }),
        Kind::Hour { least, most } => hour(text, least, most),
        Kind::Keep => keep(key, text),
        Kind::Choice { words, or_false } => choice(key, text, words, or_false),
        Kind::HostOrFalse if boolean(text) == Some(false) => Ok(Value::Bool(false)),
        Kind::HostOrFalse => name::<HostName>(table::BAD_NAME, text),
        Kind::Environment => name::<Environment>(table::BAD_NAME, text),
        Kind::Bucket => name::<BucketName>(table::BAD_BUCKET_NAME, text),
        Kind::Region => name::<RegionName>(table::BAD_REGION, text),
        Kind::OsUser => name::<OsUser>(table::BAD_NAME, text),
        Kind::Path => path(text),
        Kind::Endpoint => endpoint(text),
        Kind::Addresses => addresses(text),
        Kind::Name => store_name(text),
    }
}

/// A number without quotes whose digits are not the number that Ansible reads: `010` is 8, `1.10` is 1.1.
fn as_ansible_reads(scalar: &Scalar) -> Option<String> {
    let number = match scalar.meaning() {
        Meaning::Int(number) => number.to_string(),
        Meaning::Float(number) => format!("{number:?}"),
        _ => return None,
    };
    (number != scalar.text.trim().trim_start_matches('+')).then_some(number)
}

/// What is doubtful about a value that can be used.
pub fn doubt(scalar: &Scalar) -> Option<Mistake> {
    let number = as_ansible_reads(scalar)?;
    let message = format!("`{}` without quotes is the number {number} to Ansible", shown(scalar.text.trim()));
    Some(Mistake::new(table::UNQUOTED_NUMBER, message, "quote it, or write the number that is meant"))
}

fn name<T>(check: Check, text: &str) -> Result<Value, Mistake>
where
    T: std::str::FromStr + std::fmt::Display,
    T::Err: std::fmt::Display,
{
    match text.parse::<T>() {
        Ok(name) => Ok(Value::text(name.to_string())),
        Err(why) => Err(Mistake::new(
            check,
            format!("`{}` cannot be used: {why}", shown(text)),
            "not a name that works",
        )),
    }
}

fn hour(text: &str, least: i64, most: i64) -> Result<Value, Mistake> {
    match whole(text).filter(|hour| (least..=most).contains(hour)) {
        Some(hour) => Ok(Value::Number(hour)),
        None => Err(Mistake::new(
            table::BAD_HOUR,
            format!(
                "`{}` is no number of hours from {least} to {most}, so cron could not run it",
                shown(text)
            ),
            format!("must be a whole number from {least} to {most}"),
        )),
    }
}

/// Days, weeks or hours, from the name of the key.
fn unit(key: &Key) -> &'static str {
    ["days", "weeks"].into_iter().find(|unit| key.name.ends_with(unit)).unwrap_or("hours")
}

/// The key that switches a part's backups off.
pub fn switch(part: Part) -> &'static str {
    match part {
        Part::Common | Part::Postgresql => "backup_postgres",
        Part::Couchdb => "backup_couch",
        Part::Blobdb => "backup_blobdb",
        Part::Elasticsearch => "backup_es_s3",
    }
}

fn keep(key: &Key, text: &str) -> Result<Value, Mistake> {
    let unit = unit(key);
    let help = match key.default {
        super::keys::Fallback::Number(default) => {
            format!("the default is {default}; to switch these backups off, set {}: false", switch(key.part))
        }
        _ => String::new(),
    };
    match whole(text) {
        Some(count) if (1..=MOST_KEPT).contains(&count) => Ok(Value::Number(count)),
        Some(count) if count < 1 => Err(Mistake::new(
            table::BAD_RETENTION,
            format!("{count} {unit} would delete every backup as soon as it is made"),
            "must be 1 or more",
        )
        .help(help)),
        _ => Err(Mistake::new(
            table::BAD_RETENTION,
            format!("`{}` is no number of {unit} that backups can be kept", shown(text)),
            format!("must be a whole number from 1 to {MOST_KEPT}"),
        )
        .help(help)),
    }
}

fn choice(key: &Key, text: &str, words: &[&str], or_false: bool) -> Result<Value, Mistake> {
    if or_false && boolean(text) == Some(false) {
        return Ok(Value::Bool(false));
    }
    if words.contains(&text) {
        return Ok(Value::text(text));
    }
    let (last, first) = words.split_last().map_or(("", &[][..]), |(last, first)| (*last, first));
    let allowed = match or_false {
        true => format!("{} or false", words.join(", ")),
        false => format!("{} or {last}", first.join(", ")),
    };
    let so = if or_false { ", so nothing would be backed up" } else { "" };
    let mistake = Mistake::new(
        table::BAD_VALUE,
        format!("`{}` is no value of {}{so}", shown(text), key.name),
        format!("must be {allowed}"),
    );
    Err(match super::suggest::nearest(text, words.iter().copied()) {
        Some(near) => mistake.help(format!("did you mean {near}?")),
        None => mistake,
    })
}

/// An absolute path: no `..`, and only characters that neither a shell nor cron(5) reads as anything else.
pub(super) fn path(text: &str) -> Result<Value, Mistake> {
    let wrong = |why: &str| {
        Mistake::new(table::BAD_PATH, format!("`{}` {why}", shown(text)), "must be an absolute path")
    };
    if !text.starts_with('/') {
        return Err(wrong("is relative, and a job has no working directory to count on")
            .help("write the path from / on"));
    }
    if let Some(c) = text.chars().find(|c| !c.is_ascii_alphanumeric() && !"/-_.+@,=:".contains(*c)) {
        let c = if c == ' ' { "a space".to_owned() } else { format!("the character {c:?}") };
        return Err(wrong(&format!("has {c}, which a shell or cron may read as a command"))
            .help("use letters, digits and / - _ . + @ , = : only"));
    }
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    match parts.as_slice() {
        [] => Err(wrong("is the root of the file system, where backups would lie among everything else")),
        parts if parts.contains(&"..") => Err(wrong("leads upwards, so where it ends depends on links")),
        ["dev" | "proc" | "sys", ..] => Err(wrong("is where the kernel lives; no backup can be kept there")),
        _ if text.len() > 1000 => Err(wrong("is longer than a path can be")),
        parts => Ok(Value::text(format!("/{}", parts.join("/")))),
    }
}

/// A host or a URL, as a whole URL without a slash at the end.
fn endpoint(text: &str) -> Result<Value, Mistake> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("https", text));
    let wrong = |why: &str| {
        Mistake::new(
            table::BAD_ENDPOINT,
            format!("`{}` is no endpoint: {why}", shown(text)),
            "must be a host or an https:// URL",
        )
    };
    if !["http", "https"].contains(&scheme) {
        return Err(wrong("only http and https are spoken"));
    }
    if rest.contains('@') {
        return Err(Mistake::new(
            table::BAD_ENDPOINT,
            "an endpoint holds no user and no password, and this file is not encrypted",
            "must be a host or an https:// URL",
        )
        .help("put AMAZON_S3_ACCESS_KEY and AMAZON_S3_SECRET_KEY into vault.yml")
        .secret());
    }
    let rest = rest.trim_end_matches('/');
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !host.ends_with(':') => (host, Some(port)),
        _ => (rest, None),
    };
    if port.is_some_and(|port| port.parse::<u16>().map_or(true, |port| port == 0)) {
        return Err(wrong("the port is no number from 1 to 65535"));
    }
    match host.parse::<HostName>() {
        Ok(_) => Ok(Value::text(format!("{scheme}://{rest}"))),
        Err(why) => Err(wrong(&why.to_string())),
    }
}

pub(super) fn addresses(text: &str) -> Result<Value, Mistake> {
    let addresses: Vec<&str> = text.split(',').map(str::trim).filter(|address| !address.is_empty()).collect();
    if addresses.is_empty() {
        return Ok(Value::Null);
    }
    match addresses.iter().find(|address| !is_address(address)) {
        Some(bad) => Err(Mistake::new(
            table::BAD_ADDRESS,
            format!("`{}` is no mail address, so nobody would hear of missing backups", shown(bad)),
            "must be addresses with commas between",
        )),
        None => Ok(Value::text(addresses.join(","))),
    }
}

/// `local@domain` of the characters that need no quoting anywhere.
fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let plain = |text: &str, more: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    plain(local, "._+-") && !local.starts_with('-') && plain(domain, ".-") && !domain.starts_with(['.', '-'])
}

fn store_name(text: &str) -> Result<Value, Mistake> {
    match text.chars().find(|c| !c.is_ascii_alphanumeric() && !"-_.".contains(*c)) {
        Some(c) => Err(Mistake::new(
            table::BAD_NAME,
            format!("`{}` has the character {c:?}", shown(text)),
            "only letters, digits, `-`, `_`, `.` are allowed",
        )),
        None => Ok(Value::text(text)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::settings::keys;
    use crate::settings::scalar::Style;

    fn read_plain(name: &str, text: &str) -> Result<Value, String> {
        let scalar = Scalar { text: text.to_owned(), style: Style::Plain };
        read(keys::find(name).expect("a key"), &scalar).map_err(|mistake| mistake.message)
    }

    #[test]
    fn numbers_may_be_quoted_and_booleans_spelled_as_ansible_takes_them() {
        assert_eq!(read_plain("postgresql_backup_days", " 5 "), Ok(Value::Number(5)));
        assert_eq!(read_plain("postgres_s3", "Yes"), Ok(Value::Bool(true)));
        assert_eq!(read_plain("backup_postgres", "off"), Ok(Value::Bool(false)));
        assert_eq!(read_plain("backup_postgres", "plain"), Ok(Value::text("plain")));
        assert_eq!(read_plain("postgres_snapshot_bucket", "~"), Ok(Value::Null));
    }

    #[test]
    fn what_loses_backups_is_refused() {
        let message = |name, text| read_plain(name, text).expect_err("refused");
        assert_eq!(
            message("postgresql_backup_days", "0"),
            "0 days would delete every backup as soon as it is made"
        );
        assert!(message("postgresql_backup_weeks", "-1").contains("-1 weeks"));
        assert!(message("postgresql_backup_hours", "1.5").contains("no number of hours"));
        assert!(message("postgresql_backup_days", "~").contains("a guess"));
        assert!(message("postgresql_backup_days", ".nan").contains("no number of days"));
        assert!(message("nadir_hour", "24").contains("from 0 to 23"));
        assert!(message("nadir_hour", "3:30").contains("the number 210"));
        assert!(message("backup_postgres", "true").contains("nothing would be backed up"));
    }

    #[test]
    fn paths_stay_what_they_say() {
        let path = |text| read_plain("postgresql_backup_dir", text);
        assert_eq!(path("/opt//data/./x/"), Ok(Value::text("/opt/data/x")));
        for text in
            ["backups", "/", "//", "/a/../b", "/a b", "/a;id", "/a%b", "/a$b", "/proc/x", "/a\nb", "~/x"]
        {
            assert!(path(text).is_err(), "{text}");
        }
    }

    #[test]
    fn endpoints_become_whole_urls() {
        let endpoint = |text| read_plain("aws_endpoint", text);
        assert_eq!(endpoint("s3.example.org"), Ok(Value::text("https://s3.example.org")));
        assert_eq!(endpoint("http://127.0.0.1:9000/"), Ok(Value::text("http://127.0.0.1:9000")));
        for text in ["ftp://x", "https://", "https://user:pass@x", "x y", "https://x:99999", "https://x/y z"]
        {
            assert!(endpoint(text).is_err(), "{text}");
        }
        assert!(!endpoint("https://user:pass@x").expect_err("refused").contains("pass@"));
    }

    #[test]
    fn addresses_are_addresses() {
        let addresses = |text| read_plain("check_s3_backups_email", text);
        assert_eq!(addresses("a+b@x.org, c@y.org"), Ok(Value::text("a+b@x.org,c@y.org")));
        for text in ["x@y; rm -rf /", "ops", "@x", "a@", "a@-x", "-f@x", "a b@x"] {
            assert!(addresses(text).is_err(), "{text}");
        }
    }

    proptest! {
        /// Whatever a key accepts can stand in a cron line without meaning anything to a shell.
        #[test]
        fn what_is_accepted_is_harmless(text in "\\PC{0,30}|[a-z/.@$;%'\" -]{0,20}") {
            for key in keys::KEYS {
                let scalar = Scalar { text: text.clone(), style: Style::Quoted };
                if let Ok(Value::Text(value)) = read(key, &scalar) {
                    prop_assert!(!value.contains(['$', ';', '%', '\'', '"', '`', '\n', '&', '|', '<', '>', '\\', '*', '?']), "{value}");
                }
            }
        }
    }
}
