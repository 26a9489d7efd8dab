//! What holds for every policy and request.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use reconcile::policy::{Context, Document, Named, Policies, Principal, Request, Resource, Verdict, decide};
use serde_json::{Value, json};

const PRINCIPALS: [&str; 7] = [
    "arn:aws:iam::111122223333:root",
    "arn:aws:iam::111122223333:user/dev",
    "arn:aws:iam::111122223333:role/ops",
    "arn:aws:sts::111122223333:assumed-role/ops/sess",
    "arn:aws:iam::444455556666:user/ext",
    "backup.amazonaws.com",
    "*",
];

/// Keys that do not follow from the principal, with the values that requests have.
const KEYS: [(&str, [&str; 2]); 5] = [
    ("aws:SourceIp", ["203.0.113.7", "2001:db8::1"]),
    ("aws:PrincipalTag/team", ["ops", "dev"]),
    ("aws:MultiFactorAuthAge", ["60", "never"]),
    ("aws:CurrentTime", ["2026-06-01T00:00:00Z", "1767225600"]),
    ("aws:SecureTransport", ["true", "false"]),
];

fn condition() -> impl Strategy<Value = Value> {
    let operators = vec![
        ("StringEquals", "ops"),
        ("StringNotEquals", "${aws:username, 'ops'}"),
        ("StringEqualsIgnoreCase", "OPS"),
        ("StringLike", "${aws:PrincipalTag/team}*"),
        ("StringNotLike", "o?s"),
        ("NumericLessThan", "3600"),
        ("NumericNotEquals", "60"),
        ("DateGreaterThan", "2026-03-01"),
        ("DateNotEquals", "2026"),
        ("Bool", "true"),
        ("IpAddress", "203.0.113.0/24"),
        ("NotIpAddress", "203.0.113.0/24"),
        ("ArnLike", "arn:aws:iam::*:role/*"),
        ("ArnNotEquals", "arn:aws:iam::111122223333:user/dev"),
        ("Null", "true"),
        ("BinaryEquals", "b3Bz"),
        ("StringResembles", "ops"),
    ];
    let keys: Vec<&str> =
        KEYS.iter().map(|(key, _)| *key).chain(["aws:PrincipalArn", "aws:username"]).collect();
    (select(operators), select(keys), select(vec!["", "ForAllValues:", "ForAnyValue:"]), any::<bool>())
        .prop_map(|((operator, value), key, set, if_exists)| {
            let ending = if if_exists && operator != "Null" { "IfExists" } else { "" };
            json!({format!("{set}{operator}{ending}"): {key: value}})
        })
}

/// A statement, of a resource's policy or of an identity's.
fn statement(of_resource: bool) -> impl Strategy<Value = Value> {
    let actions = vec!["s3:GetObject", "S3:get*", "s3:*", "*", "s3:PutObject", "sts:AssumeRole"];
    let resources = vec![
        "*",
        "arn:aws:s3:::b/*",
        "arn:aws:s3:::b/${aws:username}/*",
        "arn:aws:s3:::b/pg/?",
        "arn:aws:s3:::c",
    ];
    let principals = subsequence(
        vec![
            "arn:aws:iam::111122223333:root",
            "111122223333",
            "arn:aws:iam::111122223333:user/dev",
            "arn:aws:iam::111122223333:role/ops",
            "arn:aws:sts::111122223333:assumed-role/ops/sess",
            "arn:aws:iam::444455556666:user/ext",
            "*",
        ],
        0..4,
    );
    let not = || prop::bool::weighted(0.2);
    (
        (select(vec!["Allow", "Deny"]), not(), not(), not()),
        subsequence(actions, 1..4),
        subsequence(resources, 1..4),
        principals,
        prop::option::of(condition()),
    )
        .prop_map(
            move |((effect, not_action, not_resource, not_principal), actions, resources, who, condition)| {
                let name = |not: bool, name: &str| if not { format!("Not{name}") } else { name.to_owned() };
                let mut statement = json!({"Effect": effect});
                statement[name(not_action, "Action")] = json!(actions);
                statement[name(not_resource, "Resource")] = json!(resources);
                if of_resource {
                    statement[name(not_principal, "Principal")] = json!({"AWS": who});
                }
                if let Some(condition) = condition {
                    statement["Condition"] = condition;
                }
                statement
            },
        )
}

fn document(of_resource: bool) -> impl Strategy<Value = Value> {
    let version = select(vec!["2012-10-17", "2008-10-17"]);
    (version, prop::collection::vec(statement(of_resource), 0..4))
        .prop_map(|(version, statements)| json!({"Version": version, "Statement": statements}))
}

/// All policies of a request, as JSON.
#[derive(Clone, Debug)]
struct Setting {
    identity: Vec<Value>,
    boundary: Option<Value>,
    session: Option<Value>,
    scps: Vec<Value>,
    resource: Option<Value>,
}

fn setting() -> impl Strategy<Value = Setting> {
    (
        prop::collection::vec(document(false), 0..3),
        prop::option::weighted(0.3, document(false)),
        prop::option::weighted(0.2, document(false)),
        prop::collection::vec(document(false), 0..2),
        prop::option::weighted(0.7, document(true)),
    )
        .prop_map(|(identity, boundary, session, scps, resource)| Setting {
            identity,
            boundary,
            session,
            scps,
            resource,
        })
}

#[derive(Clone, Debug)]
struct Asked {
    principal: &'static str,
    action: &'static str,
    resource: &'static str,
    /// Each key's values, and whether the open context knows them too.
    keys: Vec<(Vec<String>, bool)>,
}

fn asked() -> impl Strategy<Value = Asked> {
    let keys: Vec<_> = KEYS
        .iter()
        .map(|(_, values)| {
            let values = subsequence(values.to_vec(), 0..=2);
            (values, any::<bool>()).prop_map(|(values, is_known)| {
                (values.into_iter().map(str::to_owned).collect::<Vec<_>>(), is_known)
            })
        })
        .collect();
    (
        select(PRINCIPALS.to_vec()),
        select(vec!["s3:GetObject", "s3:PutObject", "sts:AssumeRole"]),
        select(vec!["arn:aws:s3:::b/pg/x", "arn:aws:s3:::b/dev/x", "arn:aws:s3:::c"]),
        keys,
    )
        .prop_map(|(principal, action, resource, keys)| Asked { principal, action, resource, keys })
}

fn named(json: &Value) -> Named {
    Named::new("policy", Arc::new(Document::read(json).expect("a document")))
}

impl Setting {
    fn decide(&self, asked: &Asked, context: &Context) -> Verdict {
        let principal = Principal::parse(asked.principal)
            .expect("a principal")
            .of_role("arn:aws:iam::111122223333:role/ops");
        let identity: Vec<Named> = self.identity.iter().map(named).collect();
        let (boundary, session) = (self.boundary.as_ref().map(named), self.session.as_ref().map(named));
        let scps: Vec<Vec<Named>> = self.scps.iter().map(|scp| vec![named(scp)]).collect();
        let resource = self.resource.as_ref().map(named);
        let request = Request {
            principal: &principal,
            action: asked.action,
            resource: Resource::Exact(asked.resource),
            resource_account: Some("111122223333"),
            context,
        };
        let policies = Policies {
            identity: &identity,
            boundary: boundary.as_ref(),
            session: session.as_ref(),
            scps: &scps,
            resource: resource.as_ref(),
        };
        let decision = decide(&request, &policies);
        let denied = decision.verdict == Verdict::Denied;
        assert_eq!(decision.missing.is_some(), denied && decision.path.is_empty(), "{decision:?}");
        assert_eq!(decision.verdict, reconcile::policy::verdict(&request, &policies));
        decision.verdict
    }

    /// The documents of identities, boundaries and the like.
    fn documents(&mut self) -> impl Iterator<Item = &mut Value> {
        let single = self.boundary.iter_mut().chain(&mut self.session).chain(&mut self.resource);
        self.identity.iter_mut().chain(single).chain(&mut self.scps)
    }
}

impl Asked {
    fn closed(&self) -> Context {
        let keys = KEYS.iter().zip(&self.keys).map(|((key, _), (values, _))| (*key, values.clone()));
        Context::closed(keys).derived()
    }

    fn open(&self) -> Context {
        let known = KEYS.iter().zip(&self.keys).filter(|(_, (_, is_known))| *is_known);
        Context::open(known.map(|((key, _), (values, _))| (*key, values.clone())))
    }
}

fn add(setting: &Setting, at: usize, effect: &str, more: &Value) -> Setting {
    let mut changed = setting.clone();
    let mut more = more.clone();
    more["Effect"] = effect.into();
    let count = changed.documents().count();
    if let Some(document) = changed.documents().nth(at % count.max(1)) {
        document["Statement"].as_array_mut().expect("statements").push(more);
    }
    changed
}

/// Every list in another order and with a duplicate, every action in capitals, every statement and policy renamed.
fn respelled(json: &Value, name: &str) -> Value {
    match json {
        Value::Array(list) => {
            let mut list: Vec<Value> = list.iter().rev().map(|item| respelled(item, name)).collect();
            if name != "Statement" {
                list.extend(list.last().cloned());
            }
            list.into()
        }
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| (name.clone(), respelled(value, name));
            let mut members: serde_json::Map<String, Value> = members.iter().rev().map(member).collect();
            if members.contains_key("Effect") {
                members.insert("Sid".to_owned(), "Renamed".into());
            }
            members.into()
        }
        Value::String(text) if name.ends_with("Action") => text.to_uppercase().into(),
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(700))]

    #[test]
    fn adding_a_deny_never_allows(setting in setting(), asked in asked(), more in statement(false), at in 0..9usize) {
        for context in [asked.closed(), asked.open()] {
            let (before, after) = (setting.decide(&asked, &context), add(&setting, at, "Deny", &more).decide(&asked, &context));
            prop_assert!(after <= before, "{before} became {after}");
        }
    }

    #[test]
    fn adding_an_allow_never_denies(setting in setting(), asked in asked(), more in statement(true), at in 0..9usize) {
        for context in [asked.closed(), asked.open()] {
            let (before, after) = (setting.decide(&asked, &context), add(&setting, at, "Allow", &more).decide(&asked, &context));
            prop_assert!(after >= before, "{before} became {after}");
        }
    }

    #[test]
    fn renaming_and_order_never_matter(setting in setting(), asked in asked()) {
        let mut other = setting.clone();
        other.documents().for_each(|document| *document = respelled(document, ""));
        other.identity.reverse();
        for context in [asked.closed(), asked.open()] {
            prop_assert_eq!(setting.decide(&asked, &context), other.decide(&asked, &context));
        }
    }

    #[test]
    fn an_open_context_promises_nothing_that_a_closed_one_breaks(setting in setting(), asked in asked()) {
        let (closed, open) = (setting.decide(&asked, &asked.closed()), setting.decide(&asked, &asked.open()));
        prop_assert!(closed != Verdict::Conditional, "everything is known");
        prop_assert!(!(open == Verdict::Denied && closed == Verdict::Allowed));
        prop_assert!(!(open == Verdict::Allowed && closed == Verdict::Denied));
    }

    #[test]
    fn a_document_is_what_it_is_written_as(json in document(true)) {
        let document = Document::read(&json).expect("a document");
        prop_assert_eq!(&Document::read(&document.to_json()).expect("read again"), &document);
        prop_assert_eq!(&Document::parse(&document.to_json().to_string()).expect("parsed again"), &document);
        let mut again = respelled(&json, "");
        let statements = again["Statement"].as_array_mut().expect("statements");
        statements.reverse();
        let mut respelled = Document::read(&again).expect("respelled");
        respelled.statements.iter_mut().for_each(|statement| statement.sid = None);
        prop_assert_eq!(&respelled, &document);
    }

    #[test]
    fn a_narrowed_document_decides_alike(setting in setting(), asked in asked()) {
        let narrowed = |json: &Value| {
            let document = Document::read(json).expect("a document");
            let narrow = document.narrowed(&[asked.action]);
            let number = |statement: &reconcile::policy::Statement| document.statements[statement.number as usize - 1].sid == statement.sid;
            assert!(narrow.statements.iter().all(number));
            narrow.statements.iter().map(|statement| statement.to_json()).collect::<Vec<_>>()
        };
        let mut other = setting.clone();
        other.documents().for_each(|document| document["Statement"] = narrowed(document).into());
        prop_assert_eq!(setting.decide(&asked, &asked.closed()), other.decide(&asked, &asked.closed()));
    }
}
