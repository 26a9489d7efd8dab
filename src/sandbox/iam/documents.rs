//! What IAM looks at when a policy is written: its form, its size, and that whom it names exists. The language itself
//! is `policy`'s; what it does not model IAM refuses, and so does this.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Iam, Kind};
use crate::policy::{Document, Effect, Principals, Statement, Who};
use crate::sandbox::http::Refusal;

/// What IAM leaves of a document that it answers (RFC 3986, 2.3).
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A document as IAM answers it.
pub fn encoded(document: &str) -> String {
    utf8_percent_encode(document, PLAIN).to_string()
}

/// How large a document is for a quota: its characters, white space aside
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>).
pub fn size(document: &str) -> usize {
    document.chars().filter(|c| !c.is_whitespace()).count()
}

fn malformed(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "MalformedPolicyDocument", message)
}

fn parse(text: &str) -> Result<Document, Refusal> {
    let document =
        Document::parse(text).map_err(|error| malformed(format!("Syntax errors in policy. ({error})")))?;
    let mut sids = std::collections::BTreeSet::new();
    for statement in &document.statements {
        if let Some(element) = statement.unmodelled.keys().next() {
            return Err(malformed(format!("Syntax errors in policy. (unknown element {element})")));
        }
        if let Some(operator) = statement.unmodelled_operator() {
            return Err(malformed(format!("Invalid Condition type : {operator}.")));
        }
        if let Some(sid) = &statement.sid {
            if !sid.chars().all(|c| c.is_ascii_alphanumeric()) {
                return Err(malformed(format!(
                    "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]* (Sid \"{sid}\")"
                )));
            }
            if !sids.insert(sid) {
                return Err(malformed(format!(
                    "Statement IDs (SID) in a single policy must be unique. (Sid \"{sid}\")"
                )));
            }
        }
    }
    Ok(document)
}

/// Holds a document to what policies of identities must be.
pub fn check_identity(text: &str) -> Result<Document, Refusal> {
    let document = parse(text)?;
    for statement in &document.statements {
        if statement.principals.is_some() {
            return Err(malformed("Policy document should not specify a principal."));
        }
        let Some(resources) = &statement.resources else {
            return Err(malformed("Policy statement must contain resources."));
        };
        check_actions(statement)?;
        for resource in resources.patterns.iter().map(|pattern| pattern.as_str()) {
            let arn = resource.starts_with("arn:") && resource.split(':').count() >= 6;
            if resource != "*" && !arn {
                return Err(malformed(format!("Resource {resource} must be in ARN format or \"*\".")));
            }
        }
    }
    Ok(document)
}

fn check_actions(statement: &Statement) -> Result<(), Refusal> {
    for action in statement.actions.patterns.iter().map(|pattern| pattern.as_str()) {
        let vendor =
            action.split_once(':').is_some_and(|(vendor, name)| !vendor.is_empty() && !name.is_empty());
        if action != "*" && !vendor {
            return Err(malformed(
                "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
            ));
        }
    }
    Ok(())
}

/// Holds a document to what the trust policy of a role must be
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html>).
pub fn check_trust(iam: &Iam, text: &str) -> Result<Document, Refusal> {
    let document = parse(text)?;
    for statement in &document.statements {
        if statement.resources.is_some() {
            return Err(malformed("Has prohibited field Resource"));
        }
        let Some(principals) = statement.principals.as_ref() else {
            return Err(malformed("Missing required field Principal"));
        };
        if principals.negated && statement.effect == Effect::Allow {
            return Err(malformed("Allow with NotPrincipal is not allowed."));
        }
        check_actions(statement)?;
        let sts = |action: &str| action == "*" || action.to_ascii_lowercase().starts_with("sts:");
        if statement.actions.negated || !statement.actions.patterns.iter().all(|action| sts(action.as_str()))
        {
            return Err(malformed("AssumeRole policy may only specify STS AssumeRole actions."));
        }
        if principals.who.iter().any(|who| matches!(who, Who::CanonicalUser(_))) {
            return Err(malformed("Invalid principal in policy: CanonicalUser"));
        }
        check_principals(iam, principals)?.map_err(|who| {
            malformed(format!("Invalid principal in policy: \"{}\":\"{who}\"", who.kind().to_uppercase()))
        })?;
    }
    Ok(document)
}

/// Looks whether everybody that a statement names can exist: those of this account must, of others and of services the
/// name must have its shape. The first that does not is the inner error.
pub fn check_principals<'a>(iam: &Iam, principals: &'a Principals) -> Result<Result<(), &'a Who>, Refusal> {
    for who in &principals.who {
        let good = match who {
            Who::Everyone | Who::Account { .. } => true,
            Who::Arn(arn) => exists(iam, arn)?,
            Who::Removed(_) => false,
            Who::Service(name) => {
                name.ends_with(".amazonaws.com")
                    || name.ends_with(".amazonaws.com.cn")
                    || name.ends_with(".aws.internal")
            }
            Who::Federated(name) => {
                name.contains(":saml-provider/") || name.contains(":oidc-provider/") || name.contains('.')
            }
            Who::CanonicalUser(id) => id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
        };
        if !good {
            return Ok(Err(who));
        }
    }
    Ok(Ok(()))
}

fn exists(iam: &Iam, arn: &str) -> Result<bool, Refusal> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", partition, service @ ("iam" | "sts"), "", account, resource] = parts[..] else {
        return Ok(false);
    };
    if partition != iam.account.partition || resource.contains(['*', '?']) {
        return Ok(false);
    }
    let (kind, path) = resource.split_once('/').unwrap_or((resource, ""));
    if path.is_empty() {
        return Ok(false);
    }
    let name = path.rsplit('/').next().unwrap_or_default();
    let own = account == iam.account.id;
    Ok(match (service, kind) {
        ("iam", "user" | "role") if !own => true,
        ("iam", "user") => iam
            .directory
            .users
            .get(name)?
            .is_some_and(|user| iam.account.arn(Kind::User, &user.path, &user.name) == arn),
        ("iam", "role") => iam
            .directory
            .roles
            .get(name)?
            .is_some_and(|role| iam.account.arn(Kind::Role, &role.path, &role.name) == arn),
        ("sts", "assumed-role") => match path.split_once('/') {
            Some((role, _)) if own => iam.directory.roles.get(role)?.is_some_and(|known| known.name == role),
            Some(_) => true,
            None => false,
        },
        ("sts", "federated-user") => true,
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::iam::testing;

    fn identity(statement: &str) -> Result<(), String> {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
        check_identity(&text).map(drop).map_err(|refusal| refusal.code.to_owned())
    }

    #[test]
    fn policies_of_identities_have_their_form() {
        let good = r#"{"Sid":"A1","Effect":"Allow","Action":"s3:*","Resource":["arn:aws:s3:::b","*"]}"#;
        assert_eq!(identity(good), Ok(()));
        let malformed = Err("MalformedPolicyDocument".to_owned());
        for bad in [
            r#"{"Effect":"Allow","Action":"s3:*"}"#,
            r#"{"Effect":"Allow","Action":"getobject","Resource":"*"}"#,
            r#"{"Effect":"Allow","Action":"s3:*","Resource":"bucket"}"#,
            r#"{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}"#,
            r#"{"Sid":"a b","Effect":"Allow","Action":"s3:*","Resource":"*"}"#,
            r#"{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringSounds":{"a:b":"c"}}}"#,
            r#"{"Effect":"Allow","Action":"s3:*","Resource":"*","Comment":"x"}"#,
        ] {
            assert_eq!(identity(bad), malformed, "{bad}");
        }
        let twice = r#"{"Sid":"a","Effect":"Allow","Action":"s3:*","Resource":"*"}"#;
        assert_eq!(identity(&format!("{twice},{twice}")), malformed);
    }

    #[test]
    fn trust_names_somebody_who_exists() {
        let iam = testing::iam();
        testing::ask(&iam, "Action=CreateUser&UserName=known&Path=/team/").expect("made");
        let trust = |principal: &str, action: &str| {
            let text = format!(
                r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{principal},"Action":"{action}"}}}}"#
            );
            check_trust(&iam, &text).map(drop).map_err(|refusal| refusal.message)
        };
        for good in [
            r#"{"Service":"ec2.amazonaws.com"}"#,
            r#"{"AWS":"arn:aws:iam::123456789012:root"}"#,
            r#"{"AWS":["123456789012","999999999999"]}"#,
            r#"{"AWS":"arn:aws:iam::123456789012:user/team/known"}"#,
            r#"{"AWS":"arn:aws:iam::999999999999:role/theirs"}"#,
            r#"{"Federated":"arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"}"#,
        ] {
            assert_eq!(trust(good, "sts:AssumeRole"), Ok(()), "{good}");
        }
        for bad in [
            r#"{"AWS":"arn:aws:iam::123456789012:user/known"}"#,
            r#"{"AWS":"arn:aws:iam::123456789012:role/absent"}"#,
            r#"{"AWS":"arn:aws:iam::123456789012:user/*"}"#,
            r#"{"AWS":"arn:aws:iam::123456789012:group/g"}"#,
            r#"{"AWS":"AIDAJQABLZS4A3QDU576Q"}"#,
            r#"{"Service":"ec2"}"#,
        ] {
            assert!(
                trust(bad, "sts:AssumeRole").is_err_and(|message| message.contains("Invalid principal")),
                "{bad}"
            );
        }
        assert!(trust(r#"{"AWS":"*"}"#, "s3:GetObject").is_err());
    }

    #[test]
    fn white_space_does_not_count() {
        assert_eq!(size("{ \"a\":\n\t[ 1 ] }"), 9);
        assert_eq!(encoded("{\"a\": \"b/*\"}"), "%7B%22a%22%3A%20%22b%2F%2A%22%7D");
    }
}
