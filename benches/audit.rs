//! How long it takes to judge an account, in how much memory, and how many requests reading it takes.
//!
//! The account is made up, always the same: 1,000 roles, 500 users, 300 managed policies, 50 buckets of backups, half of
//! them locked. What counts is the processor time of the judgement and the growth of the process's peak while it lasts,
//! after the account was read. Then 100 buckets on moto are audited by `reconcile audit` and by Cloud Custodian
//! (`custodian run` with filters on versioning, encryption, policy, access lists and the public access block), which
//! judges no identities: the processor time of both children. What is neither in `$RECONCILE_VENV/bin` nor on the path
//! is said and left out. With `RECONCILE_BENCH_STRICT=1` a missed goal is exit code 1.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

mod ratio;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use ratio::{Goals, median, rounds};
use reconcile::audit::bucket::BucketFacts;
use reconcile::audit::raw::AuthorizationDetails;
use reconcile::audit::{Account, BucketTerms, Evidence, Fact, Terms, judge};
use reconcile::clients::aws::Aws;
use reconcile::policy::Document;
use reconcile::resources::bucket::{BucketObjectLock, PublicAccess};
use reconcile::sandbox::{Sandbox, SandboxConfig};
use reconcile::vocab::{BucketName, Clock, Encryption, Secret, Versioning};
use reconcile::world::{Hosts, LiveWorld};
use serde_json::{Value as Json, json};

const ACCOUNT: &str = "123456789012";
const BREAK_GLASS: &str = "arn:aws:iam::123456789012:role/OrganizationAdmin";
const ROLES: usize = 1_000;
const USERS: usize = 500;
const MANAGED: usize = 300;
const BUCKETS: usize = 50;

/// Seconds, MiB, requests a bucket.
const MOST_CPU: f64 = 2.0;
const MOST_MEMORY: f64 = 150.0;
const MOST_REQUESTS: f64 = 10.0;

fn main() -> ExitCode {
    // `cargo test --benches` only wants to know that this builds.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let mut goals = Goals::default();
    judging(&mut goals);
    reading(&mut goals);
    beside_custodian();
    goals.exit()
}

fn policy(statements: Json) -> Json {
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn allow(action: Json, resource: String) -> Json {
    json!({"Effect": "Allow", "Action": action, "Resource": resource})
}

/// What people attach: much that reads, some that writes to one bucket, few that do everything.
fn statements(seed: usize) -> Json {
    let bucket = format!("arn:aws:s3:::backups-{}", seed % BUCKETS);
    let role = format!("arn:aws:iam::{ACCOUNT}:role/role-{}", (seed * 7 + 3) % ROLES);
    match seed % 20 {
        0 => json!([allow(json!(["s3:*"]), format!("{bucket}*"))]),
        1 => json!([allow(json!("sts:AssumeRole"), role)]),
        2 => {
            json!([allow(json!(["lambda:*", "logs:*"]), "*".to_owned()), allow(json!("iam:PassRole"), role)])
        }
        3 => json!([allow(json!(["s3:PutObject", "s3:DeleteObject"]), format!("{bucket}/*"))]),
        4 => json!([allow(json!(["ec2:*"]), "*".to_owned()),
            {"Effect": "Deny", "Action": "ec2:*", "Resource": "*",
             "Condition": {"StringNotEquals": {"aws:RequestedRegion": "eu-west-2"}}}]),
        5 if seed % 200 == 5 => json!([allow(json!("*"), "*".to_owned())]),
        6 if seed % 100 == 6 => json!([allow(json!("iam:*"), "*".to_owned())]),
        _ => json!([allow(json!(["s3:Get*", "s3:List*", "ec2:Describe*", "rds:Describe*"]), "*".to_owned())]),
    }
}

fn details() -> Json {
    let managed = |seed: usize| format!("arn:aws:iam::{ACCOUNT}:policy/managed-{}", seed % MANAGED);
    let attached = |seed: usize| {
        json!([{"PolicyName": format!("managed-{}", seed % MANAGED), "PolicyArn": managed(seed)},
               {"PolicyName": format!("managed-{}", (seed + 11) % MANAGED), "PolicyArn": managed(seed + 11)}])
    };
    let users: Vec<Json> = (0..USERS)
        .map(|seed| {
            json!({"UserName": format!("user-{seed}"), "Arn": format!("arn:aws:iam::{ACCOUNT}:user/user-{seed}"),
                   "GroupList": [format!("group-{}", seed % 20)], "AttachedManagedPolicies": attached(seed * 3)})
        })
        .collect();
    let groups: Vec<Json> = (0..20)
        .map(|seed| {
            json!({"GroupName": format!("group-{seed}"), "Arn": format!("arn:aws:iam::{ACCOUNT}:group/group-{seed}"),
                   "GroupPolicyList": [{"PolicyName": "own", "PolicyDocument": policy(statements(seed * 31 + 7))}]})
        })
        .collect();
    let mut roles: Vec<Json> = (0..ROLES)
        .map(|seed| {
            let trusts = match seed % 4 {
                0 => json!({"Service": "lambda.amazonaws.com"}),
                1 => json!({"Service": "ec2.amazonaws.com"}),
                2 => json!({"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}),
                _ => json!({"AWS": format!("arn:aws:iam::{ACCOUNT}:role/role-{}", (seed + 1) % ROLES)}),
            };
            json!({"RoleName": format!("role-{seed}"), "Arn": format!("arn:aws:iam::{ACCOUNT}:role/role-{seed}"),
                   "AssumeRolePolicyDocument":
                       policy(json!([{"Effect": "Allow", "Principal": trusts, "Action": "sts:AssumeRole"}])),
                   "RolePolicyList": [{"PolicyName": "own", "PolicyDocument": policy(statements(seed))}],
                   "AttachedManagedPolicies": attached(seed)})
        })
        .collect();
    roles.push(json!({"RoleName": "OrganizationAdmin", "Arn": BREAK_GLASS,
        "AssumeRolePolicyDocument": policy(json!([{"Effect": "Allow", "Action": "sts:AssumeRole",
            "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:user/user-0")}}])),
        "RolePolicyList": [{"PolicyName": "own", "PolicyDocument": policy(json!([allow(json!("*"), "*".to_owned())]))}]}));
    let policies: Vec<Json> = (0..MANAGED)
        .map(|seed| {
            // Mostly harmless: what reads and writes elsewhere.
            let text = policy(json!([
                allow(json!(["s3:GetObject", "s3:PutObject"]), format!("arn:aws:s3:::app-{seed}/*")),
                allow(json!(["logs:*", "cloudwatch:*", "sqs:SendMessage", "sns:Publish"]), "*".to_owned()),
                allow(
                    json!(["dynamodb:GetItem", "dynamodb:PutItem"]),
                    format!("arn:aws:dynamodb:*:*:table/t-{seed}")
                ),
            ]));
            json!({"PolicyName": format!("managed-{seed}"), "Arn": managed(seed), "PolicyVersionList":
                [{"VersionId": "v1", "IsDefaultVersion": true, "Document": text}]})
        })
        .collect();
    json!({"UserDetailList": users, "GroupDetailList": groups, "RoleDetailList": roles, "Policies": policies})
}

fn names() -> impl Iterator<Item = BucketName> {
    (0..BUCKETS).map(|index| format!("backups-{index}").parse().expect("a name"))
}

/// Half of them deny everything that destroys.
fn bucket(index: usize, name: &BucketName) -> BucketFacts {
    let arn = format!("arn:aws:s3:::{name}");
    let lock = policy(
        json!([{"Effect": "Deny", "Principal": "*", "NotAction": ["s3:Get*", "s3:List*", "s3:PutObject"],
        "Resource": [arn, format!("{arn}/*")], "Condition": {"ArnNotLike": {"aws:PrincipalArn": BREAK_GLASS}}}]),
    );
    let document = index.is_multiple_of(2).then(|| Arc::new(Document::read(&lock).expect("a policy")));
    BucketFacts {
        region: Some("eu-west-2".parse().expect("a region")),
        mark: Fact::Known(Some("prod".parse().expect("a name"))),
        versioning: Fact::Known(Versioning::Enabled),
        policy: Fact::Known(document),
        lifecycle: Fact::Known(Vec::new()),
        object_lock: Fact::Known(BucketObjectLock::None),
        oldest_is_held: Fact::NotAsked,
        public_access: Fact::Known(PublicAccess::BLOCKED),
        acls_off: Fact::Known(true),
        grants: Fact::Known(Vec::new()),
        replication: Fact::Known(Vec::new()),
        encryption: Fact::Known(Encryption::Aes256),
    }
}

fn terms() -> Terms {
    let declared = BucketTerms { versioned: true, lock: Some(true), ..BucketTerms::default() };
    Terms {
        root_writes: false,
        earlier: Default::default(),
        previous: Default::default(),
        environment: "prod".parse().expect("a name"),
        account: Some(ACCOUNT.parse().expect("an account")),
        buckets: names().map(|name| (name, declared.clone())).collect(),
        break_glass: BTreeSet::from([BREAK_GLASS.to_owned()]),
        writers: BTreeSet::new(),
        databases: BTreeSet::new(),
        region: None,
        copied: BTreeSet::new(),
        without_host: BTreeMap::new(),
        named: names().map(|name| name.to_string()).collect(),
    }
}

fn judging(goals: &mut Goals) {
    let details: AuthorizationDetails = serde_json::from_str(&details().to_string()).expect("details");
    let evidence = Evidence {
        account: Some(ACCOUNT.parse().expect("an account")),
        identities: Fact::Known(Account::of(details)),
        buckets: names().enumerate().map(|(index, name)| (name.clone(), bucket(index, &name))).collect(),
        ..Evidence::default()
    };
    let terms = terms();
    std::fs::write("/proc/self/clear_refs", "5").expect("the peak begins anew");
    let before = resident("VmRSS");
    let timed = || {
        let before = processor(UsageWho::RUSAGE_SELF);
        let audit = judge(&evidence, &terms);
        (Duration::from_secs_f64(processor(UsageWho::RUSAGE_SELF) - before), audit)
    };
    let (first, audit) = timed();
    let grown = resident("VmHWM").saturating_sub(before);
    let peak = resident("VmHWM");
    let times = std::iter::once(first).chain((1..rounds(5)).map(|_| timed().0)).collect();
    let cpu = median(times).as_secs_f64();
    println!(
        "{ROLES} roles, {USERS} users, {MANAGED} managed policies, {BUCKETS} buckets: {} abilities, {} findings",
        audit.abilities.len(),
        audit.findings.len()
    );
    goals.at_most("seconds of processor time to judge the account", cpu, MOST_CPU);
    goals.at_most("MiB at the peak, the account itself included", peak as f64 / 1024.0, MOST_MEMORY);
    println!("       of it {:.1} MiB grown while judging", grown as f64 / 1024.0);
}

fn reading(goals: &mut Goals) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let clock = Clock::fixed("2026-11-21T12:00:00Z".parse().expect("an instant"));
        let sandbox = Sandbox::memory(SandboxConfig::default(), clock).expect("a sandbox");
        let aws = Aws::load(sandbox.aws_settings()).await;
        for name in names() {
            aws.s3(None).create_bucket().bucket(name.as_str()).send().await.expect("a bucket");
        }
        sandbox.forget_requests();
        let (terms, clock) = (terms(), sandbox.clock());
        let environment = terms.environment.clone();
        let world =
            LiveWorld::connect(environment, aws, Hosts::default(), Vec::<Secret>::new(), 32, clock).await;
        let evidence = world.evidence(&terms).await;
        assert!(evidence.unseen().is_empty(), "{:?}", evidence.unseen());
        let requests = sandbox.requests();
        let general = ["GetCallerIdentity", "ListBuckets", "GetAccountAuthorizationDetails"];
        let of_buckets: u64 =
            requests.iter().filter(|(name, _)| !general.contains(name)).map(|(_, count)| count).sum();
        goals.at_most("requests a bucket", of_buckets as f64 / BUCKETS as f64, MOST_REQUESTS);
    });
}

/// KiB, as the kernel tells them.
fn resident(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("the kernel tells");
    let line = status.lines().find(|line| line.starts_with(what)).expect("a line");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}

fn processor(who: UsageWho) -> f64 {
    let usage = getrusage(who).expect("the kernel tells");
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    seconds(usage.user_time()) + seconds(usage.system_time())
}

/// A program of `$RECONCILE_VENV/bin`, or of the path.
fn tool(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let venv = std::env::var_os("RECONCILE_VENV").map_or_else(|| root.join(".venv"), PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(venv.join("bin")).chain(std::env::split_paths(&path).collect::<Vec<_>>());
    folders.map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// A server that ends with its owner.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn beside_custodian() {
    let (Some(moto), Some(custodian)) = (tool("moto_server"), tool("custodian")) else {
        println!("skipped: beside Cloud Custodian, for moto_server and custodian are not both there");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let server = Command::new(moto)
        .args(["-H", "127.0.0.1", "-p", "0"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("moto starts");
    let mut server = Server(server);
    let mut lines = BufReader::new(server.0.stderr.take().expect("its log")).lines();
    let endpoint = lines
        .find_map(|line| line.ok()?.split("Running on ").nth(1).map(|url| url.trim().to_owned()))
        .expect("moto tells its address");
    std::thread::spawn(move || lines.for_each(drop));
    let environment = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "testing"),
        ("AWS_SECRET_ACCESS_KEY", "testing"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_REGION", "us-east-1"),
    ];
    let mut settings = "deploy_env: prod\nbackups:\n  buckets:\n".to_owned();
    for index in 0..100 {
        settings.push_str(&format!("    measured-{index}: {{region: us-east-1, versioning_lock: false}}\n"));
    }
    std::fs::write(folder.path().join("public.yml"), settings).expect("written");
    let filters = "policies:\n- name: backups\n  resource: s3\n  filters:\n  - or:\n    - {type: bucket-encryption, state: \
                   false}\n    - {type: value, key: Versioning.Status, value: Enabled, op: ne}\n    - {type: \
                   global-grants}\n    - {type: cross-account}\n    - {type: check-public-block}\n";
    std::fs::write(folder.path().join("custodian.yml"), filters).expect("written");
    let ours = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reconcile"));
        command.arg("-e").arg(folder.path()).args(arguments).envs(environment);
        command
    };
    assert!(ours(&["apply", "--auto-approve"]).stdout(Stdio::null()).status().expect("it runs").success());
    let mut theirs = Command::new(custodian);
    theirs.args(["run", "--cache-period", "0", "-s"]).arg(folder.path().join("out"));
    theirs.arg(folder.path().join("custodian.yml")).envs(environment);
    let measure = |name: &str, command: &mut Command| {
        let before = processor(UsageWho::RUSAGE_CHILDREN);
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("it runs");
        let cpu = processor(UsageWho::RUSAGE_CHILDREN) - before;
        println!("  {name:<26} {cpu:>7.2} s of processor time, exit {}", status.code().unwrap_or(-1));
        cpu
    };
    println!("100 buckets on moto:");
    let ours = measure("reconcile audit", &mut ours(&["audit", "--output", "json"]));
    let theirs = measure("custodian run", &mut theirs);
    println!("  {:.1} times less", theirs / ours);
}
