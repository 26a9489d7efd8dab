//! What a call to the storage says of its failure, for people.

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

/// What a call says of its failure, in one line: the storage's code and words, or where the network broke.
pub fn explain<E: ProvideErrorMetadata + std::error::Error + 'static>(error: &SdkError<E>) -> String {
    match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        (None, _) => match error.raw_response().filter(|response| !response.status().is_success()) {
            // HEAD has no body to say more.
            Some(response) => match response.status().as_u16() {
                403 => "403: access denied, or another account's bucket".to_owned(),
                404 => "404: not found".to_owned(),
                status => format!("status {status}"),
            },
            None => causes(error),
        },
    }
}

/// An error and what lies under it, each once: never the response itself, which may hold more than its words.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(under) = cause {
        let words = under.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = under.source();
    }
    text
}
