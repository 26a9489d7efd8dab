//! A storage that is far away, as a backup sees it: it takes every byte and answers as S3 does. What a storage does with
//! them, hashing and writing, is work of other machines, and would take the cores from what is measured; so it does
//! nothing of the kind, and says of each object what its writer said.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use http_body::Body;

/// Size and checksum of an object, as its writer told them.
type Objects = Arc<Mutex<HashMap<String, (u64, String)>>>;

/// A client of a storage that is empty.
pub fn far() -> SharedHttpClient {
    let objects = Objects::default();
    http_client_fn(move |_, _| SharedHttpConnector::new(Far(objects.clone())))
}

#[derive(Clone, Debug)]
struct Far(Objects);

impl HttpConnector for Far {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let objects = self.0.clone();
        HttpConnectorFuture::new(async move {
            answer(request, &objects).await.map_err(|error| ConnectorError::other(error, None))
        })
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn answer(mut request: HttpRequest, objects: &Objects) -> Result<HttpResponse, Failure> {
    let received = receive(request.take_body()).await?;
    let uri = request.uri().to_owned();
    let (path, query) = uri.split_once('?').unwrap_or((&uri, ""));
    let header = |name: &str| request.headers().get(name).map(str::to_owned);
    let checksum = header("x-amz-checksum-crc64nvme").unwrap_or_default();
    let keep = |size| objects.lock().expect("whole").insert(path.to_owned(), (size, checksum.clone()));
    let asks = |name: &str| query.split('&').any(|word| word.split('=').next() == Some(name));
    let mut body = "";
    match request.method() {
        "GET" if asks("versioning") => {
            body = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
        }
        "GET" => body = "<ListMultipartUploadsResult></ListMultipartUploadsResult>",
        "POST" if asks("uploads") => {
            body = "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>";
        }
        "POST" => {
            keep(header("x-amz-mp-object-size").unwrap_or_default().parse()?);
            body = "<CompleteMultipartUploadResult></CompleteMultipartUploadResult>";
        }
        "PUT" if !asks("partNumber") => drop(keep(received)),
        _ => {}
    }
    let mut response = HttpResponse::new(200.try_into()?, SdkBody::from(body));
    let headers = response.headers_mut();
    headers.insert("etag", "\"1\"");
    headers.insert("x-amz-version-id", "1");
    if request.method() == "HEAD" {
        let (size, checksum) = objects.lock().expect("whole").get(path).cloned().ok_or("no such object")?;
        headers.insert("content-length", size.to_string());
        headers.insert("x-amz-checksum-crc64nvme", checksum);
    }
    Ok(response)
}

/// Takes all of a body; how many bytes it had.
async fn receive(body: SdkBody) -> Result<u64, Failure> {
    let mut body = pin!(body);
    let mut bytes = 0;
    while let Some(frame) = poll_fn(|context| body.as_mut().poll_frame(context)).await {
        bytes += frame?.data_ref().map_or(0, |data| data.len() as u64);
    }
    Ok(bytes)
}
