//! Who is told of the backups, and what they are held to: settings and vault -> what job files say.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use crate::datastores::job_file::{self, Alerts, Objectives, Smtp, SmtpTls};
use crate::datastores::watch::Watching;
use crate::settings::declared::{self, Tls};
use crate::settings::{Secrets, Settings, Vault};
use crate::vocab::{Secret, SecretDigest, Value};

/// The same for every datastore, but for objectives of its own.
pub(super) fn watching(settings: &Settings) -> Watching {
    let declared = &settings.backups.declared;
    let own = [
        ("postgresql", declared.postgresql.as_ref().map(|one| &one.objectives)),
        ("couchdb", declared.couchdb.as_ref().map(|one| &one.objectives)),
        ("blobdb", declared.blobdb.as_ref().map(|one| &one.objectives)),
        ("elasticsearch", declared.elasticsearch.as_ref().map(|one| &one.objectives)),
    ];
    let own = own.into_iter().filter_map(|(name, own)| Some((name.to_owned(), objectives(own?))));
    let files = declared.files.iter().map(|one| (format!("files-{}", one.name), objectives(&one.objectives)));
    Watching {
        alerts: alerts(settings),
        objectives: objectives(&declared.objectives),
        own_objectives: own.chain(files).collect(),
        secrets: secrets(&settings.vault),
    }
}

fn alerts(settings: &Settings) -> Alerts {
    let declared = settings.backups.declared.alerts.as_ref();
    // What commcare-cloud's checks were mailed to hears of ours, and whoever is named besides.
    let flat = settings.flat.get("check_s3_backups_email").map(|one| &one.value);
    let flat = flat.and_then(Value::as_text).unwrap_or_default();
    let mut email: Vec<String> = Vec::new();
    let named = declared.map(|alerts| alerts.email.as_slice()).unwrap_or_default();
    for address in flat.split(',').map(str::trim).chain(named.iter().map(String::as_str)) {
        if !address.is_empty() && !email.iter().any(|known| known == address) {
            email.push(address.to_owned());
        }
    }
    Alerts {
        email,
        smtp: declared.filter(|alerts| !alerts.sendmail).and_then(|alerts| alerts.smtp.as_ref()).map(smtp),
        prometheus_textfile: declared.and_then(|alerts| alerts.prometheus_textfile.clone()),
    }
}

fn smtp(declared: &declared::Smtp) -> Smtp {
    let (tls, usual) = match declared.tls {
        Tls::Off => (SmtpTls::None, 25),
        Tls::Upgraded => (SmtpTls::Starttls, 587),
        Tls::FromTheStart => (SmtpTls::Tls, 465),
    };
    Smtp {
        host: declared.host.clone(),
        port: declared.port.unwrap_or(usual),
        tls,
        from: declared.from.clone(),
    }
}

fn objectives(declared: &declared::Objectives) -> Objectives {
    Objectives {
        recovery_point: declared.recovery_point.map(|span: TimeDelta| span.num_seconds()),
        verified_within: declared.verified_within.map(|span| span.num_seconds()),
    }
}

/// Digests of what goes into job files for alerts.
fn secrets(vault: &Vault) -> BTreeMap<String, SecretDigest> {
    let Vault::Open { secrets: Secrets { smtp, pings, .. }, .. } = vault else { return BTreeMap::new() };
    let named = [
        (job_file::SECRET_SMTP_USERNAME, smtp.as_ref().map(|login| &login.username)),
        (job_file::SECRET_SMTP_PASSWORD, smtp.as_ref().map(|login| &login.password)),
        (job_file::SECRET_PING_SUCCESS, pings.success.as_ref()),
        (job_file::SECRET_PING_FAILURE, pings.failure.as_ref()),
    ];
    let digest = |(name, secret): (&str, Option<&Secret>)| Some((name.to_owned(), secret?.digest()));
    named.into_iter().filter_map(digest).collect()
}
