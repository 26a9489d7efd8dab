//! The outermost edge of the SDK: where a socket would be opened, the sandbox answers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http_body_util::BodyExt;

use super::caller::Callers;
use super::checksum::Algorithm;
use super::config::SandboxConfig;
use super::fault::{Fault, FaultKind, Faults, Seen};
use super::guard::{Guard, Origin, Parsed};
use super::http::{Answer, Call, Refusal};
use super::json::Parameters;
use super::protocol::Protocol;
use super::query::{Form, Service};
use super::receive::{Received, receive};
use super::s3::{Operation, S3, Target, access_denied};
use super::{iam, kms, sts};
use crate::clients::host::Moment;

/// What a process that crashes on purpose answers its parent: a fault of the sandbox, not of the program.
const CRASH_EXIT: i32 = 70;

/// The whole of the sandbox's AWS.
pub struct Cloud {
    pub s3: S3,
    pub callers: Callers,
    pub origin: Origin,
    parsed: Parsed,
    pub latency: Duration,
    /// Whether a crash ends the process, as it does for faults of `sandbox.yml`.
    pub exit_on_crash: bool,
    faults: Mutex<Faults>,
    counts: Mutex<BTreeMap<&'static str, u64>>,
    crashed: AtomicBool,
    /// A write to a host's file is under way after which the process ends.
    crash_due: AtomicBool,
}

/// The request after which nothing happens any more, in tests that crash the sandbox within one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sandbox crashed, as its faults say")]
pub struct Crash;

/// The connector that the SDK is given.
#[derive(Clone)]
pub struct Connector(Arc<Cloud>);

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connector({:?})", self.0.s3.store)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request that was understood.
enum Order {
    S3(&'static Operation, Target),
    Iam(&'static iam::Operation, Form),
    Sts(sts::Operation, Form),
    Kms(&'static kms::Operation, Parameters),
}

impl Cloud {
    pub fn new(s3: S3, callers: Callers, config: &SandboxConfig, exit_on_crash: bool) -> Self {
        let (latency, faults) = (config.latency(), config.faults.clone());
        Cloud {
            s3,
            callers,
            origin: config.origin(),
            parsed: Parsed::default(),
            latency,
            exit_on_crash,
            faults: Mutex::new(Faults::new(faults)),
            counts: Mutex::default(),
            crashed: AtomicBool::new(false),
            crash_due: AtomicBool::new(false),
        }
    }

    pub fn inject(&self, fault: Fault) {
        locked(&self.faults).add(fault);
    }

    pub fn crashed(&self) -> bool {
        self.crashed.load(Ordering::SeqCst)
    }

    /// Requests so far by operation, every attempt counted.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        locked(&self.counts).clone()
    }

    pub fn forget_counts(&self) {
        locked(&self.counts).clear();
    }

    async fn answer(self: Arc<Self>, mut request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        self.alive()?;
        let mut call = Call::read(&request);
        if !self.latency.is_zero() {
            tokio::time::sleep(self.latency).await;
        }
        let head = call.method == "HEAD";
        let protocol = Protocol::of_host(&call.host);
        let order = match protocol {
            Protocol::S3 => {
                let target = Target::read(&call);
                self.s3.operation(&call, &target).map(|operation| Order::S3(operation, target))
            }
            Protocol::Query(service) => {
                let body = request.take_body().collect().await.map_err(ConnectorError::io)?;
                let form = Form::read(&body.to_bytes());
                match service {
                    Service::Iam => iam::find(&form).map(|operation| Order::Iam(operation, form)),
                    Service::Sts => sts::Operation::find(&form).map(|operation| Order::Sts(operation, form)),
                }
            }
            Protocol::Json => {
                let body = request.take_body().collect().await.map_err(ConnectorError::io)?;
                kms::find(call.header("x-amz-target").unwrap_or_default(), &body.to_bytes())
                    .map(|(operation, parameters)| Order::Kms(operation, parameters))
            }
        };
        let order = match order {
            Ok(order) => order,
            Err(refusal) => return Ok(protocol.refused(refusal).into_response(head)),
        };
        let seen = order.seen();
        *locked(&self.counts).entry(order.name()).or_default() += 1;
        let fault = locked(&self.faults).judge(&seen);
        tracing::debug!(operation = seen.operation, bucket = seen.bucket, ?fault, "sandbox");
        let refuse = |refusal: Refusal| Ok(protocol.refused(refusal).into_response(head));
        match fault {
            Some(FaultKind::Throttle) => {
                return refuse(Refusal::new(503, "SlowDown", "Please reduce your request rate."));
            }
            Some(FaultKind::InternalError) => {
                let words = "We encountered an internal error. Please try again.";
                return refuse(Refusal::new(500, "InternalError", words));
            }
            Some(FaultKind::Denied) => return refuse(access_denied()),
            Some(FaultKind::NotImplemented) => return refuse(Refusal::not_implemented(seen.operation)),
            Some(FaultKind::Reset) => return Err(reset()),
            Some(FaultKind::Hang) => return std::future::pending().await,
            Some(FaultKind::LateError) => {
                let words = "We encountered an internal error. Please try again.";
                let mut late = protocol.refused(Refusal::new(500, "InternalError", words));
                late.status = 200;
                return Ok(late.into_response(head));
            }
            Some(FaultKind::Lost) => call.loses = true,
            Some(FaultKind::CrashBefore) => return Err(self.crash()),
            Some(FaultKind::IgnoreConditions) if seen.changes => call.forget_conditions(),
            Some(
                FaultKind::CrashAfter
                | FaultKind::WrongChecksum
                | FaultKind::LostAnswer
                | FaultKind::IgnoreConditions,
            )
            | None => {}
        }
        let mut answer = match order {
            Order::S3(operation, target) => Box::pin(self.serve(operation, target, call, request)).await?,
            order => Box::pin(self.serve_other(order, protocol, call)).await?,
        };
        match fault {
            Some(FaultKind::CrashAfter) => return Err(self.crash()),
            Some(FaultKind::LostAnswer) => return Err(reset()),
            Some(FaultKind::WrongChecksum) => falsify(&mut answer),
            _ => {}
        }
        Ok(answer.into_response(head))
    }

    /// Takes the body in without a lock, then answers under the bucket's: on a thread that may wait, if the store
    /// does.
    async fn serve(
        self: &Arc<Self>,
        operation: &'static Operation,
        target: Target,
        call: Call,
        mut request: HttpRequest,
    ) -> Result<Answer, ConnectorError> {
        let body = request.take_body();
        let received = match receive(operation.expects, &call, body, self.s3.store.as_ref()).await {
            Ok(received) => received,
            Err(refusal) => return Ok(refusal.into_s3()),
        };
        // Somebody else may have crashed the sandbox while the body came in.
        self.alive()?;
        if !self.s3.store.blocks() {
            return Ok(self.answer_s3(operation, &target, &call, received));
        }
        let cloud = self.clone();
        tokio::task::spawn_blocking(move || cloud.answer_s3(operation, &target, &call, received))
            .await
            .map_err(|error| ConnectorError::other(error.into(), None))
    }

    fn answer_s3(&self, operation: &Operation, target: &Target, call: &Call, received: Received) -> Answer {
        let caller = self.callers.of(call, Protocol::S3).and_then(|caller| {
            self.callers.note(call, "s3")?;
            Ok(caller)
        });
        let caller = match caller {
            Ok(caller) => caller,
            Err(refusal) => {
                self.s3.discard(&received);
                return refusal.into_s3();
            }
        };
        let (iam, region) = (&self.callers.iam, call.signed_region().unwrap_or_default());
        let guard = Guard::new(iam, &caller, &self.parsed, &self.origin, region, self.s3.clock.now());
        self.s3.serve(operation, target, call, received, &guard)
    }

    /// Answers a request to another service than S3, on a thread that may wait if the directories are folders.
    async fn serve_other(
        self: &Arc<Self>,
        order: Order,
        protocol: Protocol,
        call: Call,
    ) -> Result<Answer, ConnectorError> {
        self.alive()?;
        if !self.callers.iam.directory.blocks() {
            return Ok(self.answer_other(&order, protocol, &call));
        }
        let cloud = self.clone();
        tokio::task::spawn_blocking(move || cloud.answer_other(&order, protocol, &call))
            .await
            .map_err(|error| ConnectorError::other(error.into(), None))
    }

    fn answer_other(&self, order: &Order, protocol: Protocol, call: &Call) -> Answer {
        let iam = &self.callers.iam;
        let answer = || -> Result<Answer, Refusal> {
            let caller = self.callers.of(call, protocol)?;
            let region = call.signed_region().unwrap_or_default();
            let guard = Guard::new(iam, &caller, &self.parsed, &self.origin, region, iam.clock.now());
            Ok(match order {
                Order::Iam(operation, form) => {
                    self.callers.note(call, "iam")?;
                    iam::check(operation, form, &guard)?;
                    iam.serve(operation, form, caller.user())
                }
                Order::Sts(operation, form) => {
                    self.callers.note(call, "sts")?;
                    sts::serve(*operation, form, &guard)
                }
                Order::Kms(operation, parameters) => {
                    self.callers.note(call, "kms")?;
                    self.s3.kms.serve(operation, parameters, region, &guard)
                }
                Order::S3(operation, _) => return Err(Refusal::not_implemented(operation.name)),
            })
        };
        answer().unwrap_or_else(|refusal| protocol.refused(refusal))
    }

    /// What happens around a write to a file of a host: it counts, and crashes, like a request that changes something.
    pub fn host_write(&self, moment: Moment) -> Result<(), String> {
        let stopped = || Err(Crash.to_string());
        if self.crashed() {
            return stopped();
        }
        let seen = Seen { operation: "HostWrite", bucket: None, changes: true };
        let crash = match moment {
            Moment::Before => {
                *locked(&self.counts).entry(seen.operation).or_default() += 1;
                let fault = locked(&self.faults).judge(&seen);
                self.crash_due.store(fault == Some(FaultKind::CrashAfter), Ordering::SeqCst);
                fault == Some(FaultKind::CrashBefore)
            }
            Moment::After => self.crash_due.load(Ordering::SeqCst),
        };
        if crash {
            let _ = self.crash();
            return stopped();
        }
        Ok(())
    }

    fn alive(&self) -> Result<(), ConnectorError> {
        if self.crashed() { Err(crash_error()) } else { Ok(()) }
    }

    fn crash(&self) -> ConnectorError {
        if self.exit_on_crash {
            std::process::exit(CRASH_EXIT);
        }
        self.crashed.store(true, Ordering::SeqCst);
        crash_error()
    }
}

fn reset() -> ConnectorError {
    let reset = std::io::Error::new(std::io::ErrorKind::ConnectionReset, "connection reset by peer");
    ConnectorError::io(reset.into())
}

/// Not an error of input or output, so the SDK does not try again.
fn crash_error() -> ConnectorError {
    ConnectorError::other(Crash.into(), None)
}

/// Whether an error of the SDK comes from a crash on purpose.
pub fn is_crash(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| (*error).source()).any(|cause| cause.is::<Crash>())
}

impl Order {
    fn name(&self) -> &'static str {
        match self {
            Order::S3(operation, _) => operation.name,
            Order::Iam(operation, _) => operation.name,
            Order::Sts(operation, _) => operation.name(),
            Order::Kms(operation, _) => operation.name,
        }
    }

    fn seen(&self) -> Seen<'_> {
        let (bucket, changes) = match self {
            Order::S3(operation, target) => (target.bucket.as_deref(), operation.changes),
            Order::Iam(operation, _) => (None, operation.changes),
            Order::Sts(operation, _) => (None, operation.changes()),
            Order::Kms(operation, _) => (None, operation.changes),
        };
        Seen { operation: self.name(), bucket, changes }
    }
}

/// Another checksum of the same length in place of the right one.
fn falsify(answer: &mut Answer) {
    let is_checksum = |name: &str| Algorithm::ALL.iter().any(|algorithm| algorithm.header() == name);
    let other = |value: &str| -> String {
        let first = if value.starts_with('A') { 'B' } else { 'A' };
        value.char_indices().map(|(at, c)| if at == 0 { first } else { c }).collect()
    };
    for (_, value) in answer.headers.iter_mut().filter(|(name, _)| is_checksum(name)) {
        *value = other(value);
    }
    // Where there is a document, it is in that.
    let Some(text) = answer.body.bytes().and_then(|bytes| std::str::from_utf8(bytes).ok()) else { return };
    for algorithm in Algorithm::ALL {
        let (open, close) = (format!("<{}>", algorithm.element()), format!("</{}>", algorithm.element()));
        let found =
            text.split_once(&open).and_then(|(before, rest)| Some((before, rest.split_once(&close)?)));
        if let Some((before, (value, after))) = found {
            let false_text = format!("{before}{open}{}{close}{after}", other(value));
            answer.body = SdkBody::from(false_text);
            return;
        }
    }
}

impl Connector {
    pub fn new(cloud: Arc<Cloud>) -> Self {
        Connector(cloud)
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.0.clone().answer(request))
    }
}

impl HttpClient for Connector {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
