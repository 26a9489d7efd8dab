//! The one constructor of AWS clients.
//!
//! Place on the data's path: below everything that talks to AWS or to an S3-compatible store. The standard chain of
//! credentials, profiles, `AWS_ENDPOINT_URL*` and regions holds, except over a given HTTP client (the sandbox):
//! there nothing of the machine is looked at, so that no test and no demonstration ever reaches a real account.

mod credentials;
mod endpoint;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::TimeSource;
use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::service_config::ServiceConfigKey;

use self::credentials::ElseVault;
use self::endpoint::{amazon, normal_endpoint, region_of_endpoint};
use crate::vocab::{Clock, RegionName, Secret};

/// The region of calls that need one and are told none: the one S3 and STS themselves fall back to.
const FALLBACK_REGION: &str = "us-east-1";

/// The access key that the sandbox takes for its caller's own.
pub const SANDBOX_KEY: &str = "AKIASANDBOXSANDBOX00";

/// Attempts of one call, the first included.
const ATTEMPTS: u32 = 5;

/// An access key and its secret, and when they are used.
#[derive(Clone, Debug)]
pub enum Keys {
    /// Only where the standard chain finds nothing.
    Fallback { access: Secret, secret: Secret },
    /// These and no others.
    Forced { access: Secret, secret: Secret },
    /// The temporary ones of a role that was assumed, and no others.
    Session { access: Secret, secret: Secret, token: Secret },
}

/// Which checksums go with a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksums {
    /// Always: what AWS advises, and what a bucket with object lock demands.
    #[default]
    WhenSupported,
    /// Only where the operation demands one: for older S3-compatible stores that refuse the newer headers.
    WhenRequired,
}

/// What the clients are built from.
#[derive(Clone, Debug)]
pub struct AwsSettings {
    /// Where S3 answers, for S3 alone: a URL, or a host name to be reached over HTTPS. An endpoint of AWS's own
    /// only says the region.
    pub endpoint: Option<String>,
    pub region: Option<RegionName>,
    pub keys: Option<Keys>,
    pub checksums: Checksums,
    /// The sandbox in place of the network; then the machine's AWS configuration is not looked at.
    pub http: Option<SharedHttpClient>,
    /// What time signatures say.
    pub clock: Clock,
}

impl AwsSettings {
    /// The machine's own configuration.
    pub fn new(clock: Clock) -> Self {
        AwsSettings {
            endpoint: None,
            region: None,
            keys: None,
            checksums: Checksums::default(),
            http: None,
            clock,
        }
    }

    /// The sandbox behind `http`.
    pub fn sandboxed(http: SharedHttpClient, clock: Clock) -> Self {
        AwsSettings { http: Some(http), ..AwsSettings::new(clock) }
    }
}

/// What a client of S3 is for: the two need different limits of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Use {
    Control,
    Transfer,
}

/// Clients of AWS, one per region, sharing connections and credentials.
pub struct Aws {
    config: SdkConfig,
    endpoint: Option<String>,
    s3_alone: bool,
    s3: Mutex<HashMap<(Use, Region), aws_sdk_s3::Client>>,
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aws")
            .field("region", &self.config.region())
            .field("endpoint", &self.endpoint)
            .finish()
    }
}

impl Aws {
    /// Reads the standard configuration; calls nothing but what the chain of credentials itself asks. Certificates
    /// are read when the first client is made.
    pub async fn load(settings: AwsSettings) -> Aws {
        let own = settings.endpoint.as_deref().map(normal_endpoint);
        let (own, told_region) = match own {
            Some(endpoint) if amazon(&endpoint) => (None, region_of_endpoint(&endpoint)),
            other => (other, None),
        };
        let region = settings.region.as_ref().map(|name| Region::new(name.to_string())).or(told_region);
        let config = match &settings.http {
            Some(http) => sandbox_config(http.clone(), region, &settings),
            None => machine_config(region, &settings).await,
        };
        let s3_alone = own.is_some() || s3_endpoint(&config).is_some();
        let endpoint = own
            .or_else(|| s3_endpoint(&config))
            .or_else(|| config.endpoint_url().map(str::to_owned))
            .filter(|endpoint| !amazon(endpoint));
        Aws { config, s3_alone: s3_alone && endpoint.is_some(), endpoint, s3: Mutex::default() }
    }

    /// Where S3 answers, if not at AWS's own address.
    pub fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }

    /// Whether S3 and STS are of one cloud: AWS, or something that stands in for all of it (the sandbox, an
    /// emulator behind `AWS_ENDPOINT_URL`). False where an endpoint is given for S3 alone; such a store has no
    /// accounts, and no expected owner is sent to it.
    pub fn is_aws(&self) -> bool {
        !self.s3_alone
    }

    /// The region that settings or the standard chain name.
    pub fn region(&self) -> Option<RegionName> {
        self.config.region().and_then(|region| region.as_ref().parse().ok())
    }

    /// The client for buckets and their settings, and for small objects: an attempt may take a minute.
    pub fn s3(&self, region: Option<&RegionName>) -> aws_sdk_s3::Client {
        self.s3_for(Use::Control, region)
    }

    /// The client for the bodies of large objects: slow lines are waited for, stalled ones are not.
    pub fn s3_transfer(&self, region: Option<&RegionName>) -> aws_sdk_s3::Client {
        self.s3_for(Use::Transfer, region)
    }

    /// The client that says who we are. Meaningless where `is_aws` is false.
    pub fn sts(&self) -> aws_sdk_sts::Client {
        let config = aws_sdk_sts::config::Builder::from(&self.config).region(self.some_region());
        aws_sdk_sts::Client::from_conf(config.build())
    }

    /// The client for roles, users and policies. IAM has one address in each partition; the region only says which
    /// partition it is. Meaningless where `is_aws` is false.
    pub fn iam(&self) -> aws_sdk_iam::Client {
        let config = aws_sdk_iam::config::Builder::from(&self.config).region(self.some_region());
        aws_sdk_iam::Client::from_conf(config.build())
    }

    /// The client for the keys of KMS in a region. Meaningless where `is_aws` is false.
    pub fn kms(&self, region: Option<&RegionName>) -> aws_sdk_kms::Client {
        let region = region.map_or_else(|| self.some_region(), |name| Region::new(name.to_string()));
        aws_sdk_kms::Client::from_conf(
            aws_sdk_kms::config::Builder::from(&self.config).region(region).build(),
        )
    }

    /// The same clients with other keys: to ask whose they are, or to act as a role that was assumed.
    pub fn with_keys(&self, keys: &Keys) -> Aws {
        let provider = SharedCredentialsProvider::new(keys.credentials());
        Aws {
            config: self.config.clone().into_builder().credentials_provider(provider).build(),
            endpoint: self.endpoint.clone(),
            s3_alone: self.s3_alone,
            s3: Mutex::default(),
        }
    }

    fn some_region(&self) -> Region {
        self.config.region().cloned().unwrap_or(Region::from_static(FALLBACK_REGION))
    }

    fn s3_for(&self, purpose: Use, region: Option<&RegionName>) -> aws_sdk_s3::Client {
        let region = region.map_or_else(|| self.some_region(), |name| Region::new(name.to_string()));
        let mut clients = self.s3.lock().unwrap_or_else(PoisonError::into_inner);
        clients
            .entry((purpose, region.clone()))
            .or_insert_with(|| {
                let mut config = aws_sdk_s3::config::Builder::from(&self.config)
                    .region(region)
                    .timeout_config(limits(purpose));
                if let Some(endpoint) = &self.endpoint {
                    // A store behind one host name seldom answers at BUCKET.HOST.
                    config = config.endpoint_url(endpoint).force_path_style(true);
                }
                aws_sdk_s3::Client::from_conf(config.build())
            })
            .clone()
    }
}

/// Limits of one attempt. The SDK counts the sending of the body into the time to the first byte, so a transfer is
/// watched by stalled stream protection instead.
fn limits(purpose: Use) -> TimeoutConfig {
    let limits = TimeoutConfig::builder().connect_timeout(Duration::from_secs(5));
    match purpose {
        Use::Control => {
            limits.read_timeout(Duration::from_secs(30)).operation_attempt_timeout(Duration::from_secs(60))
        }
        // What sends much says itself how long it may take.
        Use::Transfer => limits.operation_attempt_timeout(Duration::from_secs(120)),
    }
    .build()
}

/// Twenty seconds without a byte end an attempt, in either direction.
fn stalled_streams() -> StalledStreamProtectionConfig {
    StalledStreamProtectionConfig::enabled().grace_period(Duration::from_secs(20)).build()
}

/// Standard mode: adaptive would slow every bucket because one is throttled.
fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(ATTEMPTS)
}

fn behavior() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

/// The configuration of the machine: environment, profiles, instance metadata.
async fn machine_config(region: Option<Region>, settings: &AwsSettings) -> SdkConfig {
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https();
    let mut loader = aws_config::defaults(behavior())
        .http_client(http)
        .sleep_impl(TokioSleep::new())
        .time_source(ClockSource(settings.clock.clone()))
        .retry_config(retries())
        .timeout_config(limits(Use::Control))
        .stalled_stream_protection(stalled_streams());
    if let Some(region) = region {
        loader = loader.region(region);
    }
    if settings.checksums == Checksums::WhenRequired {
        loader = loader
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    }
    if let Some(keys @ (Keys::Forced { .. } | Keys::Session { .. })) = &settings.keys {
        loader = loader.credentials_provider(keys.credentials());
    }
    let config = loader.load().await;
    match (&settings.keys, config.credentials_provider()) {
        (Some(keys @ Keys::Fallback { .. }), Some(chain)) => {
            let chain = ElseVault { chain, vault: keys.credentials() };
            config.into_builder().credentials_provider(SharedCredentialsProvider::new(chain)).build()
        }
        _ => config,
    }
}

/// The configuration of the sandbox: nothing of the machine, and retries that do not wait, for nobody is overloaded.
/// Its own key stands for the caller of `sandbox.yml`; the standard chain, so to speak.
fn sandbox_config(http: SharedHttpClient, region: Option<Region>, settings: &AwsSettings) -> SdkConfig {
    let credentials = match &settings.keys {
        Some(keys @ (Keys::Forced { .. } | Keys::Session { .. })) => keys.credentials(),
        Some(Keys::Fallback { .. }) | None => {
            Credentials::new(SANDBOX_KEY, "sandbox", None, None, "reconcile")
        }
    };
    SdkConfig::builder()
        .behavior_version(behavior())
        .http_client(http)
        .sleep_impl(aws_smithy_async::rt::sleep::SharedAsyncSleep::new(TokioSleep::new()))
        .time_source(ClockSource(settings.clock.clone()))
        .retry_config(retries().with_initial_backoff(Duration::from_millis(1)))
        .timeout_config(limits(Use::Control))
        .stalled_stream_protection(stalled_streams())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .region(region.unwrap_or(Region::from_static(FALLBACK_REGION)))
        .build()
}

impl Keys {
    fn credentials(&self) -> Credentials {
        let (access, secret, token) = match self {
            Keys::Fallback { access, secret } | Keys::Forced { access, secret } => (access, secret, None),
            Keys::Session { access, secret, token } => (access, secret, Some(token.expose().to_owned())),
        };
        Credentials::new(access.expose(), secret.expose(), token, None, "reconcile")
    }
}

/// The program's clock as the SDK asks for it.
#[derive(Debug)]
struct ClockSource(Clock);

impl TimeSource for ClockSource {
    fn now(&self) -> SystemTime {
        self.0.now().into()
    }
}

/// `AWS_ENDPOINT_URL_S3`, or `endpoint_url` of a profile's `services` section.
fn s3_endpoint(config: &SdkConfig) -> Option<String> {
    let key = ServiceConfigKey::builder().service_id("S3").profile("endpoint_url").env("AWS_ENDPOINT_URL");
    let specific = config.service_config()?.load_config(key.build().ok()?)?;
    // The lookup answers with the general endpoint too; that one is not S3's alone.
    (Some(specific.as_str()) != config.endpoint_url()).then_some(specific)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aws_smithy_runtime_api::client::http::{
        HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
    };
    use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
    use aws_smithy_runtime_api::client::result::ConnectorError;

    use super::*;

    #[test]
    fn no_secret_is_shown() {
        let canary = || Secret::new("CANARY");
        let keys = Keys::Session { access: canary(), secret: canary(), token: canary() };
        let settings = AwsSettings { keys: Some(keys), ..AwsSettings::new(Clock::fixed(Default::default())) };
        assert!(!format!("{settings:?}").to_lowercase().contains("canary"));
    }

    /// A network that answers nothing and remembers who was called, signed how.
    fn deaf(heard: Arc<Mutex<Vec<(String, String)>>>) -> SharedHttpClient {
        let connector = move |request: &HttpRequest| {
            let authorization = request.headers().get("authorization").unwrap_or_default().to_owned();
            heard.lock().expect("whole").push((request.uri().to_owned(), authorization));
        };
        http_client_fn(move |_, _| {
            let connector = connector.clone();
            SharedHttpConnector::new(Deaf(Arc::new(connector)))
        })
    }

    #[derive(Clone)]
    struct Deaf(Arc<dyn Fn(&HttpRequest) + Send + Sync>);

    impl fmt::Debug for Deaf {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Deaf")
        }
    }

    impl HttpConnector for Deaf {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            (self.0)(&request);
            HttpConnectorFuture::ready(Err(ConnectorError::user("nobody there".into())))
        }
    }

    /// <https://docs.aws.amazon.com/general/latest/gr/iam-service.html>
    #[tokio::test]
    async fn each_partition_has_one_iam() {
        for (region, address, signed) in [
            ("eu-west-2", "https://iam.amazonaws.com/", "us-east-1/iam"),
            ("cn-northwest-1", "https://iam.cn-north-1.amazonaws.com.cn/", "cn-north-1/iam"),
            ("us-gov-east-1", "https://iam.us-gov.amazonaws.com/", "us-gov-west-1/iam"),
        ] {
            let heard = Arc::default();
            let settings = AwsSettings {
                region: region.parse().ok(),
                ..AwsSettings::sandboxed(deaf(Arc::clone(&heard)), Clock::fixed(Default::default()))
            };
            let _ = Aws::load(settings).await.iam().list_users().send().await;
            let heard = heard.lock().expect("whole");
            let (uri, authorization) = heard.first().expect("a call");
            assert_eq!(uri, address);
            assert!(authorization.contains(signed), "{authorization}");
        }
    }

    #[tokio::test]
    async fn the_same_clients_may_have_other_keys() {
        let heard = Arc::default();
        let settings = AwsSettings::sandboxed(deaf(Arc::clone(&heard)), Clock::fixed(Default::default()));
        let aws = Aws::load(settings).await;
        let keys = Keys::Forced { access: Secret::new("AKIAOTHER"), secret: Secret::new("x") };
        let _ = aws.with_keys(&keys).sts().get_caller_identity().send().await;
        let _ = aws.sts().get_caller_identity().send().await;
        let heard = heard.lock().expect("whole");
        let keys = heard.iter().map(|(_, authorization)| {
            authorization.split_once("Credential=").and_then(|(_, rest)| rest.split('/').next())
        });
        assert_eq!(keys.collect::<Vec<_>>(), [Some("AKIAOTHER"), Some(SANDBOX_KEY)]);
    }
}
