//! The one table of checks: every kind of problem that settings can have, with its name, how grave it is, what it says,
//! and the function where it takes the whole settings to find it. The pages of docs/checks/, their index and the rules
//! of SARIF follow from it.
//!
//! An error cannot be carried out or loses data; a warning is doubtful, or does nothing. A name never changes.

use super::{Row, Run, access, hosts, places, previous, schedules, secrets, storage};
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
    UNREAD_FILE: Warning "unread-file", "a file is there that is not read";
    TOO_LARGE: Error "too-large", "a file holds more than any real environment does";
    NOT_UTF8: Error "not-utf8", "a file is not text in UTF-8";

    // YAML
    YAML_SYNTAX: Error "yaml-syntax", "a file is not YAML, or not of the shape that Ansible reads";
    DUPLICATE_KEY: Error "duplicate-key", "a key stands twice in one mapping";
    REPEATED_KEY: Warning "repeated-key", "a key of the inventory stands twice, and Ansible takes the last value";
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
    BAD_ACCOUNT: Error "bad-account", "an AWS account is not twelve digits";
    BAD_WINDOW: Error "bad-window", "a backup window of RDS is shorter than 30 minutes, or no time at all";
    BAD_SCHEDULE: Error "bad-schedule", "a schedule is not one that cron reads";
    NEVER_FIRES: Error "never-fires", "a schedule names a day that never comes";
    BAD_NETWORK: Error "bad-network", "a network is not an address with the number of its bits";
    BAD_PRINCIPAL: Error "bad-principal", "break-glass is not a role of IAM";
    BAD_IDENTITY: Error "bad-identity", "an identity is not one role or one user";
    NETWORK_WITHOUT_VPC: Error "network-without-vpc", "private networks are allowed without the VPC that they are in";
    MIXED_NETWORKS: Error "mixed-networks", "private and public networks are allowed together";
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
    SKIPPED_ENTRY: Warning "skipped-entry", "the inventory holds something that Ansible skips";
    BAD_CONNECTION: Error "bad-connection", "a host that backs something up cannot be connected to as it is written";
    UNUSABLE_HOST: Warning "unusable-host", "a host has a name or a connection that cannot be used, and Ansible takes it";
    CLOSED_FILE: Warning "closed-file", "an inventory or variables beside it are encrypted, and no password opens them";

    // Vault
    VAULT_PASSWORD: Error "vault-password", "the vault's password is wrong or cannot be had";
    VAULT_DAMAGED: Error "vault-damaged", "a vault is not as Ansible writes it";
    PLAIN_SECRET: Warning "plain-secret", "a secret of vault.yml is not encrypted";

    // Secrets
    SECRET_IN_SETTINGS: Warning "secret-in-settings", "public.yml holds a secret in plain text", secrets::secrets_in_public_yml;

    // What the settings come to
    NO_NAME: Error "no-name", "the environment has no name";
    NO_HOST: Warning "no-host", "backups are switched on, and no host makes them", hosts::backups_that_no_host_makes;
    UNKNOWN_HOST: Warning "unknown-host", "a word is no group and no host of the inventory", hosts::words_that_are_no_hosts;
    RETIRED_HOST: Warning "retired-host", "a host is to make backups, and is retired", hosts::retired_hosts_that_are_named;
    DECLARED_TWICE: Error "declared-twice", "a datastore is declared by its flat keys and below `backups:`", hosts::declared_in_both_layers;
    TWO_REPOSITORIES: Error "two-repositories", "Elasticsearch's snapshots go to a bucket and to a directory", hosts::both_elasticsearch_repositories;
    NOT_PREVIOUS: Error "not-previous", "the present name or bucket is called an earlier one", previous::present_names;
    DUPLICATE_NAME: Error "duplicate-name", "two things of one kind have one name";
    SHARED_DIRECTORY: Error "shared-directory", "two datastores have one backup directory on one host", places::directories_of_two_datastores;
    SHARED_COPY: Error "shared-copy", "hosts overwrite each other's copies on a second host", places::copies_in_one_place;
    DIRECTORY_IN_SOURCE: Warning "directory-in-source", "a backup directory lies in what is backed up", places::directories_inside_of_sources;
    SHORT_RETENTION: Warning "short-retention", "backups go sooner than the next one is made", schedules::kept_shorter_than_the_interval;
    CLOCK_CHANGE: Warning "clock-change", "a change of clocks skips a run or repeats it", schedules::clocks_that_change;
    SCHEDULE_ORDER: Warning "schedule-order", "a job runs before the snapshot that it needs", schedules::runs_before_its_snapshot;
    DATED_KEYS: Error "dated-keys", "several hosts upload under the same dated key", storage::dated_keys_of_several_hosts;
    NO_CREDENTIALS: Warning "no-credentials", "backups are uploaded without credentials", storage::upload_without_credentials;
    UNMANAGED_VERSIONS: Warning "unmanaged-versions", "undated keys in a bucket whose versioning is not seen to", storage::versions_of_an_unversioned_claim;
    UNPROVEN_VERSIONS: Warning "unproven-versions", "no tier is kept long enough for a broken backup to be noticed", storage::versions_shorter_than_their_proof;
    OBJECT_LOCK: Error "object-lock", "object lock on a bucket whose objects are deleted by their writer", storage::object_lock_below_elasticsearch;
    UNVERSIONED_LOCK: Error "unversioned-lock", "object lock on a bucket whose versioning is not seen to", storage::locks_without_versions;
    ACCOUNT_ELSEWHERE: Error "account-elsewhere", "an AWS account is named, and the store is not AWS's", storage::account_at_another_store;
    FOREIGN_ACCOUNT: Error "foreign-account", "break-glass is a role of another account", storage::break_glass_of_another_account;
    WRITER_BREAKS_GLASS: Error "writer-breaks-glass", "who writes backups may destroy them too", access::writers_that_break_the_glass;
    NOBODY_LIFTS: Warning "nobody-lifts", "a versioning lock is asked for, and nobody may lift it", access::locks_without_break_glass;
    SAME_REGION: Warning "same-region", "copies for the loss of a region stay in it", storage::copies_in_the_same_region;
    NO_TLS: Warning "no-tls", "backups travel unencrypted", storage::endpoint_without_tls;
}
