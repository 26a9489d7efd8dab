//! The one table of checks: every kind of problem that settings can have, with its name, how grave it is, what it says,
//! and the function where it takes the whole settings to find it. The pages of docs/checks/, their index and the rules
//! of SARIF follow from it.
//!
//! An error cannot be carried out or loses data; a warning is doubtful, or does nothing. A name never changes.

use super::{Row, Run, other, storage};
use crate::vocab::{Check, Severity};

/// Makes a constant and a row of each line, so that no check is without its row.
macro_rules! table {
    ($($constant:ident: $severity:ident $name:literal, $meaning:literal $(, $run:path)?;)*) => {
        $(pub const $constant: Check =
            Check { name: $name, severity: Severity::$severity, meaning: $meaning };)*

        /// Every check, in the order of the documentation.
        pub static TABLE: &[Row] = &[$(Row { check: $constant, run: table!(@run $($run)?) }),*];
    };
    (@run $run:path) => { Some($run as Run) };
    (@run) => { None };
}

table! {
    // Files
    NO_SETTINGS: Error "no-settings", "the environment has no public.yml";
    UNREADABLE_FILE: Error "unreadable-file", "a file cannot be opened, or is none";
    UNREAD_FILE: Warning "unread-file", "a file is there that this version does not read";
    TOO_LARGE: Error "too-large", "a file holds more than any real environment does";
    NOT_UTF8: Error "not-utf8", "a file is not text in UTF-8";

    // YAML
    YAML_SYNTAX: Error "yaml-syntax", "a file is not YAML, or not of the shape that Ansible reads";
    DUPLICATE_KEY: Error "duplicate-key", "a key stands twice in one mapping";
    UNKNOWN_TAG: Error "unknown-tag", "a value has a tag that Ansible does not read";

    // Keys
    UNKNOWN_KEY: Error "unknown-key", "there is no such setting below `backups:`";
    MISSING_KEY: Error "missing-key", "a setting without a default is left out";
    NEAR_MISS: Warning "near-miss", "a key is nearly one that is read, and nothing reads it";
    UNREAD_KEY: Warning "unread-key", "a key that older documents name, and that nothing reads";
    OLD_SPELLING: Warning "old-spelling", "a key is written in an old spelling";
    HOSTS_DIFFER: Warning "hosts-differ", "hosts of one group have different values for one setting";

    // Values
    WRONG_TYPE: Error "wrong-type", "a value is of another kind than its key takes";
    BAD_VALUE: Error "bad-value", "a value is none of those that its key takes";
    OUT_OF_RANGE: Error "out-of-range", "a number is smaller or larger than what can be carried out";
    BAD_RETENTION: Error "bad-retention", "backups would be kept for no time, or for an impossible one";
    BAD_HOUR: Error "bad-hour", "an hour or a step of hours that no clock has";
    BAD_PATH: Error "bad-path", "a path is relative, leads upwards, or holds what a shell would read";
    BAD_NAME: Error "bad-name", "a name has characters that cannot stand where it is used";
    BAD_BUCKET_NAME: Error "bad-bucket-name", "a bucket's name is against the rules of S3";
    BAD_REGION: Error "bad-region", "a region's name cannot be one";
    UNKNOWN_REGION: Warning "unknown-region", "a region does not look like one of AWS", storage::region_that_aws_does_not_have;
    BAD_ADDRESS: Error "bad-address", "a mail address is none";
    BAD_ENDPOINT: Error "bad-endpoint", "an endpoint is no host and no URL, or holds a password";
    BAD_TEMPLATE: Error "bad-template", "a template has no value in this environment";
    ENCRYPTED_SETTING: Error "encrypted-setting", "a setting is encrypted that every plan has to show";
    UNQUOTED_TIME: Error "unquoted-time", "a time without quotes is another number";
    UNQUOTED_NUMBER: Warning "unquoted-number", "a number without quotes loses or changes digits";

    // Inventory
    INVENTORY_SYNTAX: Error "inventory-syntax", "a line of the inventory is none that Ansible reads";
    UNKNOWN_GROUP: Error "unknown-group", "the inventory names a group that it does not define";
    GROUP_CYCLE: Error "group-cycle", "a group of the inventory holds itself";

    // Vault
    VAULT_PASSWORD: Error "vault-password", "the vault's password is wrong or cannot be had";
    VAULT_DAMAGED: Error "vault-damaged", "a vault is not as Ansible writes it";
    PLAIN_SECRET: Warning "plain-secret", "a secret of vault.yml is not encrypted";

    // What the settings come to
    NO_NAME: Error "no-name", "the environment has no name";
    NO_HOST: Warning "no-host", "backups are switched on, and no host makes them", other::backups_that_no_host_makes;
    DATED_KEYS: Error "dated-keys", "several hosts upload under the same dated key", storage::dated_keys_of_several_hosts;
    NO_CREDENTIALS: Warning "no-credentials", "backups are uploaded without credentials", storage::upload_without_credentials;
    UNMANAGED_VERSIONS: Warning "unmanaged-versions", "undated keys in a bucket whose versioning is not seen to", storage::versions_of_an_unversioned_claim;
    ACCOUNT_ELSEWHERE: Error "account-elsewhere", "an AWS account is named, and the store is not AWS's", storage::account_at_another_store;
    NO_TLS: Warning "no-tls", "backups travel unencrypted", storage::endpoint_without_tls;
    TWO_REPOSITORIES: Error "two-repositories", "Elasticsearch's snapshots go to a bucket and to a directory", other::both_elasticsearch_repositories;
    SHORT_RETENTION: Warning "short-retention", "backups go sooner than the next one is made", other::hourly_backups_that_go_at_once;
}
