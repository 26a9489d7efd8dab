//! `alerts`: addresses, mail server, paths.

use super::read::Reader;
use super::{Alerts, Smtp, Tls};
use crate::settings::backups;
use crate::settings::checks::table;

pub(super) fn alerts(reader: &mut Reader<'_>, file: &backups::Alerts) -> Alerts {
    let path = file.prometheus_textfile.as_deref();
    Alerts {
        email: file
            .email
            .as_deref()
            .map_or_else(Vec::new, |email| reader.addresses(&["alerts", "email"], email)),
        smtp: file.smtp.as_ref().and_then(|file| smtp(reader, file)),
        sendmail: file.sendmail.unwrap_or(false),
        prometheus_textfile: path.and_then(|path| reader.path(&["alerts", "prometheus_textfile"], path)),
    }
}

fn smtp(reader: &mut Reader<'_>, file: &backups::Smtp) -> Option<Smtp> {
    let host = reader.name(table::BAD_NAME, &["alerts", "smtp", "host"], &file.host);
    let from = file.from.as_deref().map(|from| reader.addresses(&["alerts", "smtp", "from"], from));
    Some(Smtp {
        host: host?,
        port: file.port.and_then(|port| u16::try_from(port).ok()),
        from: from.and_then(|addresses| addresses.into_iter().next()),
        tls: match file.tls {
            Some(backups::Tls::Off) => Tls::Off,
            Some(backups::Tls::FromTheStart) => Tls::FromTheStart,
            Some(backups::Tls::Upgraded) | None => Tls::Upgraded,
        },
    })
}
