//! The copy in the bucket over a real connection, to a storage that others wrote.

use reconcile::datastores::postgresql::settings::Method;
use reconcile::jobs;
use reconcile::vocab::Tier;

use super::dump::{End, Made};
use super::host::Host;
use crate::support::moto::{self, Moto};

const BUCKET: &str = "dimagi-production-postgres-backups";

fn client(moto: &Moto) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(aws_sdk_s3::config::BehaviorVersion::v2026_01_12())
        .endpoint_url(moto.url())
        .force_path_style(true)
        .region(aws_sdk_s3::config::Region::new("us-east-1"))
        .credentials_provider(aws_sdk_s3::config::Credentials::new("testing", "testing", None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http());
    aws_sdk_s3::Client::from_conf(config.build())
}

#[tokio::test]
async fn backups_arrive_and_are_listed() {
    let Some(moto) = moto::start() else { return };
    let client = client(&moto);
    let mut host = Host::new(Method::Plain);
    // moto answers GetBucketVersioning and CompleteMultipartUpload with documents that the SDK cannot read: so dated keys,
    // and nothing that needs parts.
    host.upload_to(&client, BUCKET, false).await;
    for (tier, bytes) in [(Tier::Daily, 1 << 20), (Tier::Weekly, 3 << 20)] {
        let report =
            jobs::backup_with(&host.context, tier, Made::open(bytes, End::Whole)).await.expect("a backup");
        assert_eq!(report.warnings, Vec::<String>::new());
        let remote = report.manifest.remote.expect("a copy");
        assert_eq!((&remote.key, remote.proven), (&report.manifest.name, true));
        assert!(remote.version_id.is_some());
        let object = client.get_object().bucket(BUCKET).key(&remote.key).send().await.expect("object");
        let body = object.body.collect().await.expect("a body").into_bytes();
        assert!(body == std::fs::read(host.path(&report.manifest.name)).expect("file"));
    }
    let listing = jobs::list(&host.context, &[]).await.expect("a list");
    assert_eq!(listing.unseen, Vec::<String>::new());
    assert!(listing.backups.iter().all(|row| row.here.is_some() && row.remote.is_some()), "{listing:?}");
    assert_eq!(listing.backups.len(), 2);
}
