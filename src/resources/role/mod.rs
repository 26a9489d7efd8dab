//! A role of IAM that writes backups: who may assume it, and what it may do.
//!
//! Pure: the normal form, its fields and their risks. `live.rs` reads and writes it. Policies that others gave it stay,
//! and are shown with what they add. Must never be removed: a job that still uses it would stop.

pub mod live;
mod trust;

use std::collections::BTreeSet;

pub use trust::Trust;

use super::identity::{self, Holder, InlinePolicy, Others, field, path_of, powers};
use super::{Field, Judgement};
use crate::vocab::{Environment, Risk, Value};

/// A role in its normal form. In a desired role `None` leaves a field as it is; an observed one has every field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// The environment whose mark it carries; `Some(None)` is a role without any mark.
    pub owner: Option<Option<Environment>>,
    /// Where it lives. A role never moves, so that an adopted one stays.
    pub path: Option<String>,
    pub trust: Option<Trust>,
    /// Our one inline policy.
    pub policy: Option<InlinePolicy>,
    /// Managed policies that others attached.
    pub attached: Option<Others>,
    /// Inline policies that others wrote.
    pub other_policies: Option<Others>,
    /// The permissions boundary, where there is one.
    pub boundary: Option<Others>,
    /// Instance profiles that hold it: what an instance of EC2 is given.
    pub instance_profiles: Option<BTreeSet<String>>,
    /// Whether somebody has used it within the time that AWS remembers, some 400 days. No setting.
    pub in_use: bool,
}

/// The service whose instances take roles through instance profiles.
pub const EC2: &str = "ec2";

pub const TRUST: &str = "trust";
pub const INSTANCE_PROFILES: &str = "instance_profiles";

impl Role {
    /// What settings ask for: the role of `environment`, assumed by a service where they say so. A role of EC2 has an
    /// instance profile of its own name.
    pub fn wanted(
        environment: &Environment,
        name: &str,
        assumed_by: Option<&str>,
        policy: InlinePolicy,
    ) -> Self {
        let trust = assumed_by.map(Trust::of_service);
        let of_ec2 = trust.as_ref().is_some_and(|trust| trust.services.contains(EC2));
        Role {
            owner: Some(Some(environment.clone())),
            path: Some(path_of(environment)),
            trust,
            policy: Some(policy),
            attached: None,
            other_policies: None,
            boundary: None,
            instance_profiles: of_ec2.then(|| BTreeSet::from([name.to_owned()])),
            in_use: false,
        }
    }

    pub fn fields(&self) -> Vec<Field> {
        let Role {
            owner,
            path,
            trust,
            policy,
            attached,
            other_policies,
            boundary,
            instance_profiles,
            in_use: _,
        } = self;
        let owner = owner.as_ref().map(|owner| Value::or_null(owner.as_ref().map(Environment::as_str)));
        let boundary = boundary.as_ref().map(|one| Value::or_null(one.keys().next().map(String::as_str)));
        vec![
            Field::managed(field::OWNER, owner),
            Field::managed(field::PATH, path.as_deref()),
            Field::managed(TRUST, trust.as_ref()),
            Field::managed(field::POLICY, policy.as_ref()),
            Field::managed(field::ATTACHED, attached.as_ref().map(|others| identity::names(others.keys()))),
            Field::managed(
                field::OTHER_POLICIES,
                other_policies.as_ref().map(|others| identity::names(others.keys())),
            ),
            Field::managed(field::BOUNDARY, boundary),
            Field::managed(INSTANCE_PROFILES, instance_profiles.as_ref().map(identity::names)),
        ]
    }

    /// What settings ask of the role that is there: it stays where it is; one that this program did not make keeps those
    /// who assume it besides, and any instance profile does.
    pub fn fitted(&self, present: &Role) -> Role {
        let ours = self.path.is_some() && present.path == self.path;
        let trust = match (&self.trust, &present.trust) {
            (Some(wanted), Some(present)) if !ours => Some(wanted.and(present)),
            (wanted, _) => wanted.clone(),
        };
        let profiles = match (&self.instance_profiles, &present.instance_profiles) {
            (Some(_), Some(present)) if !present.is_empty() => Some(present.clone()),
            (wanted, _) => wanted.clone(),
        };
        let path = present.path.clone().or_else(|| self.path.clone());
        Role { path, trust, instance_profiles: profiles, ..self.clone() }
    }

    /// What others gave the role of this name.
    pub fn holder<'a>(&'a self, name: &'a str) -> Holder<'a> {
        let mut policies = powers::policies("", self.attached.as_ref());
        policies.extend(powers::policies("", self.other_policies.as_ref()));
        Holder {
            kind: "role",
            name,
            path: self.path.as_deref().unwrap_or("/"),
            policies,
            boundary: self.boundary.as_ref().and_then(|one| one.values().next()).map(String::as_str),
        }
    }

    /// This desired role on top of what is there.
    pub fn over(&self, present: Option<&Role>) -> Role {
        let newborn = Role::newborn();
        let fitted = present.map_or_else(|| self.clone(), |present| self.fitted(present));
        let present = present.unwrap_or(&newborn).clone();
        Role {
            owner: fitted.owner.or(present.owner),
            path: fitted.path.or(present.path),
            trust: fitted.trust.or(present.trust),
            policy: fitted.policy.or(present.policy),
            attached: fitted.attached.or(present.attached),
            other_policies: fitted.other_policies.or(present.other_policies),
            boundary: fitted.boundary.or(present.boundary),
            instance_profiles: fitted.instance_profiles.or(present.instance_profiles),
            in_use: present.in_use,
        }
    }

    /// What IAM gives to a role that was just made.
    pub fn newborn() -> Role {
        Role {
            owner: Some(None),
            path: Some("/".to_owned()),
            trust: Some(Trust::default()),
            policy: Some(InlinePolicy::None),
            attached: Some(Others::new()),
            other_policies: Some(Others::new()),
            boundary: Some(Others::new()),
            instance_profiles: Some(BTreeSet::new()),
            in_use: false,
        }
    }

    /// Why it cannot be made, where it is not there.
    pub fn unborn(&self) -> Option<&'static str> {
        self.trust
            .is_none()
            .then_some("nothing says who assumes it: write assumed_by, such as ec2, or make the role by hand")
    }
}

/// The risk of one field of an existing role changing; that of its policy is judged by the policies themselves.
pub fn risk(name: &str, from: &Value, to: &Value) -> Judgement {
    match name {
        TRUST => Judgement {
            risk: if identity::is_more(from, to) { Risk::Widening } else { Risk::Routine },
            may_break: if identity::is_more(to, from) { vec!["whoever assumes it now"] } else { Vec::new() },
        },
        field::BOUNDARY => identity::boundary_judgement(to),
        field::ATTACHED | field::OTHER_POLICIES if identity::is_more(from, to) => Risk::Widening.into(),
        _ => Risk::Routine.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        "production".parse().expect("valid")
    }

    fn wanted() -> Role {
        Role::wanted(&environment(), "writer", Some("ec2"), InlinePolicy::None)
    }

    fn trusting(list: &[&str]) -> Trust {
        list.iter().map(|name| Trust::of_service(name)).fold(Trust::default(), |all, one| all.and(&one))
    }

    #[test]
    fn an_adopted_role_keeps_its_place_its_friends_and_its_profile() {
        let present = Role {
            path: Some("/".to_owned()),
            trust: Some(trusting(&["lambda"])),
            instance_profiles: Some(BTreeSet::from(["by-hand".to_owned()])),
            ..Role::newborn()
        };
        let fitted = wanted().fitted(&present);
        assert_eq!(fitted.path.as_deref(), Some("/"));
        assert_eq!(fitted.trust, Some(trusting(&["ec2", "lambda"])));
        assert_eq!(fitted.instance_profiles, present.instance_profiles);
    }

    #[test]
    fn who_crept_into_a_role_of_ours_is_put_out() {
        let present = Role { trust: Some(trusting(&["ec2", "lambda"])), ..wanted().over(None) };
        assert_eq!(wanted().fitted(&present).trust, Some(trusting(&["ec2"])));
    }

    #[test]
    fn more_who_may_assume_it_widen_and_fewer_may_break() {
        let value = |list| Value::from(&trusting(list));
        assert_eq!(risk(TRUST, &value(&["ec2"]), &value(&["ec2", "lambda"])).risk, Risk::Widening);
        let fewer = risk(TRUST, &value(&["ec2", "lambda"]), &value(&["ec2"]));
        assert_eq!((fewer.risk, fewer.may_break.len()), (Risk::Routine, 1));
        assert_eq!(risk(field::BOUNDARY, &"policy/most".into(), &Value::Null).risk, Risk::Widening);
        assert_eq!(risk(field::BOUNDARY, &Value::Null, &"policy/most".into()).risk, Risk::Routine);
    }

    #[test]
    fn nobody_can_make_a_role_that_nobody_assumes() {
        assert!(Role::wanted(&environment(), "writer", None, InlinePolicy::None).unborn().is_some());
        assert!(wanted().unborn().is_none());
    }
}
