//! Freshness as metrics: Prometheus' exposition format
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>), the same from a host and from afar.

use std::fmt::Write;

use super::{Freshness, Place, State};

/// Labels that say what a metric is of.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub environment: &'a str,
    pub host: &'a str,
    pub datastore: &'a str,
}

impl Subject<'_> {
    fn labels(&self) -> String {
        let Subject { environment, host, datastore } = self;
        format!("environment=\"{environment}\",host=\"{host}\",datastore=\"{datastore}\"")
    }
}

/// Metrics in the order in which they were first added.
#[derive(Debug, Default)]
pub struct Metrics(Vec<Metric>);

#[derive(Debug)]
struct Metric {
    name: &'static str,
    /// What it means.
    help: &'static str,
    /// Labels and value.
    samples: Vec<(String, String)>,
}

impl Metrics {
    /// Every metric stands once, whoever adds to it (the exposition format wants its samples together).
    fn add(&mut self, name: &'static str, help: &'static str, labels: String, value: impl ToString) {
        let at = self.0.iter().position(|metric| metric.name == name).unwrap_or_else(|| {
            self.0.push(Metric { name, help, samples: Vec::new() });
            self.0.len() - 1
        });
        self.0[at].samples.push((labels, value.to_string()));
    }

    /// What a check found.
    pub fn freshness(&mut self, subject: Subject<'_>, freshness: &Freshness) {
        for tier in &freshness.tiers {
            for at in &tier.places {
                let place = match at.place {
                    Place::Here => "here",
                    Place::Remote => "remote",
                };
                let labels = format!("{},tier=\"{}\",place=\"{place}\"", subject.labels(), tier.tier);
                self.add(
                    "reconcile_backup_good",
                    "Whether the newest backup is as it should be.",
                    labels.clone(),
                    u8::from(at.state.is_good()),
                );
                if let Some(newest) = &at.newest {
                    let (ended, bytes) = (newest.ended.timestamp(), newest.bytes);
                    // What was cut is not whole any more, and must not make an age look good.
                    if !matches!(at.state, State::Cut { .. }) {
                        let help = "When the newest backup was whole.";
                        self.add("reconcile_backup_timestamp_seconds", help, labels.clone(), ended);
                    }
                    self.add("reconcile_backup_bytes", "The size of the newest backup.", labels, bytes);
                }
            }
            if let Some(limit) = tier.limit {
                self.add(
                    "reconcile_backup_next_missed_timestamp_seconds",
                    "When the next backup will be missed.",
                    format!("{},tier=\"{}\"", subject.labels(), tier.tier),
                    limit.timestamp(),
                );
            }
        }
    }

    /// Whether something is wrong that people were, or should have been, told of.
    pub fn incident(&mut self, subject: Subject<'_>, incident: bool, waiting: usize) {
        let labels = subject.labels();
        let help = "Whether something is wrong with the backups.";
        self.add("reconcile_incident", help, labels.clone(), u8::from(incident));
        self.add("reconcile_alerts_waiting", "Letters that nobody has taken.", labels, waiting);
    }

    /// Whether nothing is wrong with what was last restored and checked, and when a backup was last found good.
    pub fn proofs(&mut self, subject: Subject<'_>, good: bool, proven: Option<i64>) {
        let help = "Whether the last backup that was restored and checked is what it should be.";
        self.add("reconcile_proofs_good", help, subject.labels(), u8::from(good));
        if let Some(at) = proven {
            let help = "When a backup was last restored and found good.";
            self.add("reconcile_proven_timestamp_seconds", help, subject.labels(), at);
        }
    }

    /// Whether all of it could be looked at.
    pub fn seen(&mut self, subject: Subject<'_>, seen: bool) {
        let help = "Whether the backups could be looked at in full.";
        self.add("reconcile_seen", help, subject.labels(), u8::from(seen));
    }

    /// When the host last checked by itself.
    pub fn checked(&mut self, subject: Subject<'_>, at: i64) {
        self.add("reconcile_check_timestamp_seconds", "When the host last checked.", subject.labels(), at);
    }

    /// The exposition format.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for Metric { name, help, samples } in &self.0 {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
            for (labels, value) in samples {
                let _ = writeln!(text, "{name}{{{labels}}} {value}");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_metric_stands_once_with_all_its_samples() {
        let mut metrics = Metrics::default();
        for host in ["db1", "db2"] {
            let subject = Subject { environment: "production", host, datastore: "postgresql" };
            metrics.incident(subject, host == "db2", 0);
        }
        assert_eq!(
            metrics.text(),
            "# HELP reconcile_incident Whether something is wrong with the backups.\n\
             # TYPE reconcile_incident gauge\n\
             reconcile_incident{environment=\"production\",host=\"db1\",datastore=\"postgresql\"} 0\n\
             reconcile_incident{environment=\"production\",host=\"db2\",datastore=\"postgresql\"} 1\n\
             # HELP reconcile_alerts_waiting Letters that nobody has taken.\n\
             # TYPE reconcile_alerts_waiting gauge\n\
             reconcile_alerts_waiting{environment=\"production\",host=\"db1\",datastore=\"postgresql\"} 0\n\
             reconcile_alerts_waiting{environment=\"production\",host=\"db2\",datastore=\"postgresql\"} 0\n"
        );
    }
}
