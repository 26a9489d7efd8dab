//! A storage below the real SDK client: as much of S3 as a job uses, in memory, strict about checksums, and able to
//! misbehave on request.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use crc_fast::CrcAlgorithm::Crc64Nvme;
use http_body_util::BodyExt;

/// How the storage misbehaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    #[default]
    None,
    /// This part is refused, whatever the retries.
    Part(u32),
    /// HeadObject answers with another checksum.
    Checksum,
    /// The object stands, but the answer to the write that made it is an error.
    LostAnswer,
    /// Every call is denied.
    Denied,
}

pub struct Object {
    pub key: String,
    pub version: Option<String>,
    pub body: Vec<u8>,
    pub metadata: BTreeMap<String, String>,
}

#[derive(Default)]
pub struct State {
    pub versioned: bool,
    pub fault: Fault,
    /// Oldest first.
    pub objects: Vec<Object>,
    /// Manifests, by their keys.
    pub manifests: BTreeMap<String, Vec<u8>>,
    /// Uploads that are neither completed nor aborted, by id.
    pub uploads: BTreeMap<String, Upload>,
    /// `METHOD key?query` of each request.
    pub requests: Vec<String>,
    /// Requests that did not name the expected owner.
    pub without_owner: usize,
    next: usize,
}

#[derive(Default)]
pub struct Upload {
    pub key: String,
    pub parts: BTreeMap<u32, Vec<u8>>,
    pub metadata: BTreeMap<String, String>,
}

#[derive(Clone, Debug)]
pub struct Storage(Arc<Mutex<State>>);

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.requests).finish()
    }
}

impl Storage {
    pub fn new(versioned: bool) -> Self {
        Storage(Arc::new(Mutex::new(State { versioned, ..State::default() })))
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("state")
    }

    pub fn client(&self) -> aws_sdk_s3::Client {
        let retries = aws_sdk_s3::config::retry::RetryConfig::standard()
            .with_initial_backoff(std::time::Duration::from_millis(1));
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-2"))
            .credentials_provider(Credentials::new("AKIACANARY", "canary", None, None, "test"))
            .endpoint_url("https://storage.invalid")
            .force_path_style(true)
            .retry_config(retries)
            .http_client(self.clone());
        aws_sdk_s3::Client::from_conf(config.build())
    }
}

impl HttpClient for Storage {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Storage {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let storage = self.clone();
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x().expect("a request");
            let (head, body) = request.into_parts();
            let body = body.collect().await.expect("a body").to_bytes().to_vec();
            let answer = storage.state().answer(&head, body);
            Ok(HttpResponse::try_from(answer).expect("an answer"))
        })
    }
}

fn crc(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(crc_fast::checksum(Crc64Nvme, bytes).to_be_bytes())
}

fn answer(status: u16, body: String) -> http::Response<SdkBody> {
    http::Response::builder().status(status).body(SdkBody::from(body)).expect("an answer")
}

fn refuse(status: u16, code: &str) -> http::Response<SdkBody> {
    answer(status, format!("<Error><Code>{code}</Code><Message>because of the test</Message></Error>"))
}

impl State {
    fn answer(&mut self, head: &http::request::Parts, body: Vec<u8>) -> http::Response<SdkBody> {
        let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        let path = head.uri.path().trim_start_matches('/');
        let key = path.split_once('/').map_or("", |(_, key)| key).to_owned();
        let query: BTreeMap<&str, &str> = head
            .uri
            .query()
            .unwrap_or_default()
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .collect();
        self.requests.push(format!("{} {key}?{}", head.method, head.uri.query().unwrap_or_default()));
        self.without_owner += usize::from(header("x-amz-expected-bucket-owner").is_none());
        if self.fault == Fault::Denied {
            return refuse(403, "AccessDenied");
        }
        if !body.is_empty() && query.get("x-id") != Some(&"CompleteMultipartUpload") && head.method == "PUT" {
            assert_eq!(
                header("x-amz-checksum-crc64nvme"),
                Some(crc(&body).as_str()),
                "the checksum of a body"
            );
            assert_eq!(header("content-length"), Some(body.len().to_string().as_str()));
        }
        let metadata: BTreeMap<String, String> = head
            .headers
            .iter()
            .filter_map(|(name, value)| {
                let name = name.as_str().strip_prefix("x-amz-meta-")?;
                Some((name.to_owned(), value.to_str().ok()?.to_owned()))
            })
            .collect();
        let has = |name: &str| query.contains_key(name);
        match head.method.as_str() {
            "GET" if has("versioning") => {
                let status = if self.versioned { "<Status>Enabled</Status>" } else { "" };
                answer(200, format!("<VersioningConfiguration>{status}</VersioningConfiguration>"))
            }
            "GET" if has("uploads") => {
                let uploads: String = self
                    .uploads
                    .iter()
                    .map(|(id, upload)| {
                        format!("<Upload><Key>{}</Key><UploadId>{id}</UploadId></Upload>", upload.key)
                    })
                    .collect();
                answer(200, format!("<ListMultipartUploadsResult>{uploads}</ListMultipartUploadsResult>"))
            }
            "GET" if has("versions") => self.versions(query.get("key-marker").copied()),
            "POST" if has("uploads") => {
                let id = self.id("upload");
                self.uploads.insert(id.clone(), Upload { key, metadata, ..Upload::default() });
                answer(
                    200,
                    format!(
                        "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
                    ),
                )
            }
            "PUT" if has("partNumber") => {
                let number = query["partNumber"].parse().expect("a number");
                if self.fault == Fault::Part(number) {
                    return refuse(500, "InternalError");
                }
                let Some(upload) = self.uploads.get_mut(query["uploadId"]) else {
                    return refuse(404, "NoSuchUpload");
                };
                upload.parts.insert(number, body);
                let mut answer = answer(200, String::new());
                answer.headers_mut().insert("etag", format!("\"{number}\"").parse().expect("a header"));
                answer
            }
            "POST" => {
                let taken = self.objects.iter().any(|object| object.key == key);
                if header("if-none-match").is_some() && taken {
                    return refuse(412, "PreconditionFailed");
                }
                let Some(upload) = self.uploads.remove(query["uploadId"]) else {
                    return refuse(404, "NoSuchUpload");
                };
                let body = upload.parts.into_values().collect::<Vec<_>>().concat();
                assert_eq!(
                    header("x-amz-checksum-crc64nvme"),
                    Some(crc(&body).as_str()),
                    "the object's checksum"
                );
                assert_eq!(header("x-amz-checksum-type"), Some("FULL_OBJECT"));
                let version = self.write(key, body, upload.metadata);
                if self.fault == Fault::LostAnswer {
                    return refuse(500, "InternalError");
                }
                let xml = "<CompleteMultipartUploadResult></CompleteMultipartUploadResult>";
                with_version(answer(200, xml.to_owned()), version)
            }
            "PUT" if key.ends_with(".manifest.json") => {
                self.manifests.insert(key, body);
                answer(200, String::new())
            }
            "PUT" => {
                let taken = self.objects.iter().any(|object| object.key == key);
                if header("if-none-match").is_some() && taken {
                    return refuse(412, "PreconditionFailed");
                }
                let version = self.write(key, body, metadata);
                if self.fault == Fault::LostAnswer {
                    return refuse(500, "InternalError");
                }
                with_version(answer(200, String::new()), version)
            }
            "DELETE" => {
                self.uploads.remove(query["uploadId"]);
                answer(204, String::new())
            }
            "HEAD" => {
                let asked = query.get("versionId").map(|id| (*id).to_owned());
                let same =
                    |object: &&Object| object.key == key && (asked.is_none() || object.version == asked);
                let Some(object) = self.objects.iter().rev().find(same) else {
                    return answer(404, String::new());
                };
                let checksum = if self.fault == Fault::Checksum { crc(b"other") } else { crc(&object.body) };
                let mut answer = with_version(answer(200, String::new()), object.version.clone());
                let headers = answer.headers_mut();
                headers.insert("content-length", object.body.len().into());
                headers.insert("x-amz-checksum-crc64nvme", checksum.parse().expect("a header"));
                headers.insert("x-amz-checksum-type", "FULL_OBJECT".parse().expect("a header"));
                answer
            }
            other => panic!("a job has no business with {other} {path}"),
        }
    }

    fn write(&mut self, key: String, body: Vec<u8>, metadata: BTreeMap<String, String>) -> Option<String> {
        let version = self.versioned.then(|| self.id("version"));
        if !self.versioned {
            self.objects.retain(|object| object.key != key);
        }
        self.objects.push(Object { key, version: version.clone(), body, metadata });
        version
    }

    /// One version a page, newest first: a job that stops at the first page is found out.
    fn versions(&self, marker: Option<&str>) -> http::Response<SdkBody> {
        let start: usize = marker.map_or(0, |marker| marker.parse().expect("the marker given"));
        let mut newest_first = self.objects.iter().rev().enumerate().skip(start);
        let mut xml = String::new();
        if let Some((_, object)) = newest_first.next() {
            let latest = !self.objects.iter().rev().take(start).any(|newer| newer.key == object.key);
            xml = format!(
                "<Version><Key>{}</Key><VersionId>{}</VersionId><IsLatest>{latest}</IsLatest><Size>{}</Size>\
                 <LastModified>2026-11-20T00:00:00.000Z</LastModified></Version>",
                object.key,
                object.version.as_deref().unwrap_or("null"),
                object.body.len()
            );
        }
        if newest_first.next().is_some() {
            xml.push_str(&format!(
                "<IsTruncated>true</IsTruncated><NextKeyMarker>{}</NextKeyMarker>",
                start + 1
            ));
        }
        answer(200, format!("<ListVersionsResult>{xml}</ListVersionsResult>"))
    }

    fn id(&mut self, kind: &str) -> String {
        self.next += 1;
        format!("{kind}-{}", self.next)
    }
}

fn with_version(mut answer: http::Response<SdkBody>, version: Option<String>) -> http::Response<SdkBody> {
    if let Some(version) = version {
        answer.headers_mut().insert("x-amz-version-id", version.parse().expect("a header"));
    }
    answer
}
