//! The live world over a sandbox with one host.

use reconcile::clients::aws::Aws;
use reconcile::clients::host::{Folder, Host, ProgramFile};
use reconcile::sandbox::{Sandbox, SandboxConfig};
use reconcile::state::HostFacts;
use reconcile::vocab::{Clock, HostName};
use reconcile::world::{Hosts, LiveWorld, Reach};
use sha2::{Digest, Sha256};

use crate::support::desired::environment;

/// The role that every sandbox begins with, and a session of it that applies.
pub(super) const BREAK_GLASS: &str = "arn:aws:iam::123456789012:role/OrganizationAccountAccessRole";
const CALLER: &str = "arn:aws:sts::123456789012:assumed-role/OrganizationAccountAccessRole/laws";

pub(super) fn sandbox() -> Sandbox {
    let clock = Clock::fixed("2026-11-21T12:00:00Z".parse().expect("an instant"));
    let config = SandboxConfig { caller: Some(CALLER.to_owned()), ..SandboxConfig::default() };
    Sandbox::memory(config, clock).expect("a sandbox")
}

pub(super) async fn live(sandbox: &Sandbox) -> LiveWorld {
    let facts = HostFacts::played(chrono_tz::UTC);
    let name: HostName = "db1".parse().expect("valid");
    let folder = Folder::new(sandbox.host_dir(&name), Some(sandbox.tripwire()));
    let host = Host::Folder(folder.served_by(sandbox.elasticsearch(&name).network()));
    let hosts = Hosts::from([(name, Reach::Played(host, Box::new(facts)))]);
    let aws = Aws::load(sandbox.aws_settings()).await;
    LiveWorld::connect(environment(), aws, hosts, [], 8, sandbox.clock()).await.with_programs([program()])
}

/// What hosts get as this program.
pub(crate) fn program() -> ProgramFile {
    let banner = concat!("reconcile ", env!("CARGO_PKG_VERSION")).to_owned();
    let bytes = format!("#!/bin/sh\n# {banner}\n").into_bytes();
    ProgramFile { sha256: hex::encode(Sha256::digest(&bytes)), bytes: bytes.into(), banner }
}
