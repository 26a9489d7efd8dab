//! What reading and writing roles and users have in common: one call within the bound, documents, marks, and the patience
//! that IAM asks for.

use std::time::Duration;

use aws_sdk_iam::Client;
use aws_sdk_iam::types::{AttachedPermissionsBoundary, AttachedPolicy, Tag};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use futures_util::future::try_join_all;
use tokio::sync::Semaphore;

use super::{Grants, InlinePolicy, MARK, Others, POLICY, Realm};
use crate::clients::aws_error::{CallError, aws_error};
use crate::policy::Document;
use crate::vocab::Environment;

/// An identity to talk about.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    pub iam: &'a Client,
    pub name: &'a str,
    /// Partition and account, for ARNs.
    pub realm: &'a Realm,
    /// Bounds the requests under way at once.
    pub gate: &'a Semaphore,
}

/// What IAM made a moment ago it may not find yet: it is asked again this often, each time after twice the time before
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency>).
const TRIES: u32 = 6;
const FIRST_WAIT: Duration = Duration::from_millis(250);

impl Target<'_> {
    /// One call within the bound on requests.
    pub async fn call<T, E>(
        &self,
        action: &'static str,
        call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, CallError>
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        // The gate is never closed; without a permit the call would still be right.
        let _permit = self.gate.acquire().await.ok();
        Box::pin(call).await.map_err(|error| CallError { action, error: aws_error(&error) })
    }

    /// A call about something that may have been made a moment ago.
    pub async fn patiently<T, F>(&self, call: impl Fn() -> F) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let mut wait = FIRST_WAIT;
        for _ in 1..TRIES {
            match Box::pin(call()).await {
                Err(error) if error.error.is_not_found() => tokio::time::sleep(wait).await,
                answer => return answer,
            }
            wait *= 2;
        }
        Box::pin(call()).await
    }

    /// The texts of managed policies that are attached to something.
    pub async fn attached(&self, attached: &[AttachedPolicy]) -> Result<Others, CallError> {
        let one = |policy: &AttachedPolicy| {
            let arn = policy.policy_arn().unwrap_or_default().to_owned();
            async move { Ok((self.policy_name(&arn), self.managed(&arn).await?)) }
        };
        Ok(try_join_all(attached.iter().map(one)).await?.into_iter().collect())
    }

    /// The version of a managed policy that holds.
    async fn managed(&self, arn: &str) -> Result<String, CallError> {
        let policy = self.call("iam:GetPolicy", self.iam.get_policy().policy_arn(arn).send()).await?;
        let version = policy.policy().and_then(|policy| policy.default_version_id()).unwrap_or("v1");
        let call = self.iam.get_policy_version().policy_arn(arn).version_id(version).send();
        let answer = self.call("iam:GetPolicyVersion", call).await?;
        let document = answer.policy_version().and_then(|version| version.document()).unwrap_or_default();
        Ok(text(document))
    }

    /// A managed policy without partition and account: `policy/NAME`, and `aws:policy/NAME` of AWS's own.
    pub fn policy_name(&self, arn: &str) -> String {
        let mut parts = arn.splitn(6, ':').skip(4);
        match (parts.next(), parts.next()) {
            (Some("aws"), Some(name)) => format!("aws:{name}"),
            (Some(account), Some(name)) if account == self.realm.account => name.to_owned(),
            _ => arn.to_owned(),
        }
    }

    /// The permissions boundary, with its text.
    pub async fn boundary(
        &self,
        boundary: Option<&AttachedPermissionsBoundary>,
    ) -> Result<Others, CallError> {
        match boundary.and_then(|boundary| boundary.permissions_boundary_arn()) {
            Some(arn) => Ok(Others::from([(self.policy_name(arn), self.managed(arn).await?)])),
            None => Ok(Others::new()),
        }
    }

    /// The inline policies of these names, whose documents are asked for: our own as it is read, and those of others.
    pub async fn inline<F>(
        &self,
        names: Vec<String>,
        document: impl Fn(String) -> F,
    ) -> Result<(InlinePolicy, Others), CallError>
    where
        F: Future<Output = Result<String, CallError>>,
    {
        let documents = try_join_all(names.iter().cloned().map(document)).await?;
        let (mut ours, mut others) = (InlinePolicy::None, Others::new());
        for (name, document) in names.into_iter().zip(documents) {
            match name == POLICY {
                true => ours = self.ours(&document),
                false => _ = others.insert(name, text(&document)),
            }
        }
        Ok((ours, others))
    }

    /// Our own inline policy as it is read.
    fn ours(&self, document: &str) -> InlinePolicy {
        let grants =
            Document::parse(&decoded(document)).ok().and_then(|read| Grants::of_document(&read, self.realm));
        match grants {
            Some(grants) => InlinePolicy::Grants(grants),
            None => InlinePolicy::Unrecognised(text(document)),
        }
    }
}

/// A policy of others in one spelling; one that cannot be read keeps its own.
pub fn text(document: &str) -> String {
    let text = decoded(document);
    match Document::parse(&text) {
        Ok(document) => document.to_json().to_string(),
        Err(_) => text,
    }
}

/// IAM answers with documents that are encoded as parts of URLs
/// (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRolePolicy.html>).
pub fn decoded(document: &str) -> String {
    percent_encoding::percent_decode_str(document).decode_utf8_lossy().into_owned()
}

/// The environment that the tags say. A mark that names none is somebody's all the same, and must not be taken for none.
pub fn mark(action: &'static str, tags: &[Tag]) -> Result<Option<Environment>, CallError> {
    let Some(tag) = tags.iter().find(|tag| tag.key() == MARK) else { return Ok(None) };
    tag.value().parse().map(Some).map_err(|why| {
        let message = format!("its tag {MARK} says `{}`: {why}; correct or remove the tag", tag.value());
        CallError::unusable(action, message)
    })
}

/// Our mark.
pub fn marked(action: &'static str, owner: &Environment) -> Result<Tag, CallError> {
    let tag = Tag::builder().key(MARK).value(owner.as_str()).build();
    tag.map_err(|error| CallError::unusable(action, error.to_string()))
}

/// `Ok(None)` where the thing asked for does not exist.
pub fn absent_is_none<T>(result: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads every page of a list; `next` is asked with the marker of the one before.
macro_rules! pages {
    ($target:expr, $action:literal, $request:expr, $items:ident) => {{
        let (mut items, mut marker) = (Vec::new(), None::<String>);
        loop {
            let page = $target.call($action, $request.set_marker(marker.take()).send()).await?;
            items.extend(page.$items);
            match page.marker {
                Some(next) if page.is_truncated => marker = Some(next),
                _ => break items,
            }
        }
    }};
}
pub(crate) use pages;
