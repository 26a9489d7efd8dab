//! What the datastores of commcare-cloud call their keys, for the checks that treat them alike.

/// What the four datastores of commcare-cloud call their keys.
pub(super) struct Names {
    pub name: &'static str,
    pub whose: &'static str,
    pub group: &'static str,
    pub switch: &'static str,
    pub s3: &'static str,
    pub dir: &'static str,
    pub source: &'static str,
    pub hours: &'static str,
    pub hourly: &'static str,
}

/// In the order of [`crate::settings::Settings::datastores`].
pub(super) static NAMES: [&Names; 4] = [
    &Names {
        name: "postgresql",
        whose: "PostgreSQL's",
        group: "pg_backup",
        switch: "backup_postgres",
        s3: "postgres_s3",
        dir: "postgresql_backup_dir",
        source: "",
        hours: "postgresql_backup_hours",
        hourly: "postgres_backup_hourly",
    },
    &Names {
        name: "couchdb",
        whose: "CouchDB's",
        group: "couchdb2",
        switch: "backup_couch",
        s3: "couch_s3",
        dir: "couch_backup_dir",
        source: "couch_data_dir",
        hours: "couchdb_backup_hours",
        hourly: "couch_backup_hourly",
    },
    &Names {
        name: "blobdb",
        whose: "the blob database's",
        group: "shared_dir_host",
        switch: "backup_blobdb",
        s3: "blobdb_s3",
        dir: "blobdb_backup_dir",
        source: "blobdb_dir_path",
        hours: "blobdb_backup_hours",
        hourly: "blobdb_backup_hourly",
    },
    &Names {
        name: "elasticsearch",
        whose: "Elasticsearch's",
        group: "elasticsearch",
        switch: "backup_es_s3",
        s3: "backup_es_s3",
        dir: "",
        source: "",
        hours: "",
        hourly: "",
    },
];
