//! Amazon's query protocol, which IAM and STS speak: a form comes in, XML goes out
//! (<https://smithy.io/2.0/aws/protocols/aws-query-protocol.html>).

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

use super::http::{Answer, Refusal};
use super::records::fresh_id;
use super::xml::Xml;

/// Which service a form is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    Iam,
    Sts,
}

impl Service {
    fn namespace(self) -> &'static str {
        match self {
            Service::Iam => "https://iam.amazonaws.com/doc/2010-05-08/",
            Service::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
        }
    }

    /// The answer of an operation: what stands in its result, if it has one.
    pub fn answer(self, operation: &str, result: Option<String>) -> Answer {
        Answer::xml(Xml::namespaced(&format!("{operation}Response"), self.namespace(), |response| {
            if let Some(result) = result {
                response.element(&format!("{operation}Result"), |element| {
                    element.raw(&result);
                });
            }
            response.element("ResponseMetadata", |metadata| {
                metadata.text("RequestId", fresh_id());
            });
        }))
    }

    /// A refusal in the protocol's form.
    pub fn refused(self, refusal: Refusal) -> Answer {
        let kind = if refusal.status < 500 { "Sender" } else { "Receiver" };
        let document = Xml::namespaced("ErrorResponse", self.namespace(), |response| {
            response.element("Error", |error| {
                error.text("Type", kind).text("Code", refusal.code).text("Message", &refusal.message);
            });
        });
        let mut answer = Answer::xml(document);
        answer.status = refusal.status;
        answer
    }
}

/// The parameters of a request by name: `RoleName`, `Tags.member.1.Key`.
#[derive(Clone, Default)]
pub struct Form(BTreeMap<String, String>);

/// Values may be a new password or a policy; names tell enough.
impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

impl Form {
    pub fn read(body: &[u8]) -> Self {
        let decode =
            |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        let body = String::from_utf8_lossy(body);
        let pairs = body.split('&').filter_map(|pair| pair.split_once('='));
        Form(pairs.map(|(name, value)| (decode(name), decode(value))).collect())
    }

    pub fn action(&self) -> &str {
        self.get("Action").unwrap_or_default()
    }

    /// Refuses a parameter that is not in the list: nothing that was never tried may seem to work.
    pub fn expect_only(&self, known: &[&str]) -> Result<(), Refusal> {
        let root = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
        let unknown =
            self.0.keys().map(|name| root(name)).find(|root| {
                !["Action", "Version"].contains(&root.as_str()) && !known.contains(&root.as_str())
            });
        match unknown {
            Some(name) => Err(Refusal::not_implemented(format!("the parameter {name} of {}", self.action()))),
            None => Ok(()),
        }
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The form with the value of one parameter under another name, to be held to that one's rules.
    pub fn renamed(&self, from: &str, to: &str) -> Form {
        Form(self.get(from).map(|value| (to.to_owned(), value.to_owned())).into_iter().collect())
    }

    pub fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name).filter(|value| !value.is_empty()).ok_or_else(|| {
            validation(format!(
                "Value at '{}' failed to satisfy constraint: Member must not be null",
                lower(name)
            ))
        })
    }

    /// `NAME.member.1`, `NAME.member.2`, ..
    pub fn list(&self, name: &str) -> Vec<&str> {
        (1..).map_while(|number| self.get(&format!("{name}.member.{number}"))).collect()
    }

    /// `NAME.member.1.FIRST` with `NAME.member.1.SECOND`, and so on.
    pub fn pairs(&self, name: &str, first: &str, second: &str) -> Vec<(&str, &str)> {
        (1..)
            .map_while(|number| {
                let first = self.get(&format!("{name}.member.{number}.{first}"))?;
                Some((first, self.get(&format!("{name}.member.{number}.{second}")).unwrap_or_default()))
            })
            .collect()
    }

    pub fn number(&self, name: &str) -> Result<Option<u32>, Refusal> {
        let parse = |text: &str| {
            text.parse().map_err(|_| validation(format!("Value '{text}' at '{}' is no number", lower(name))))
        };
        self.get(name).map(parse).transpose()
    }

    pub fn flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(text) => {
                Err(validation(format!("Value '{text}' at '{}' is neither true nor false", lower(name))))
            }
        }
    }
}

/// The services name parameters in their messages with a small first letter.
pub fn lower(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// 400: a value that breaks a rule of its own, whatever else there is.
pub fn validation(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "ValidationError", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read() {
        let form = Form::read(
            b"Action=TagRole&Version=2010-05-08&RoleName=a%2Bb+c&Tags.member.1.Key=k&Tags.member.1.Value=v%3D1\
              &Tags.member.2.Key=empty&Tags.member.2.Value=",
        );
        assert_eq!((form.action(), form.get("RoleName")), ("TagRole", Some("a+b c")));
        assert_eq!(form.pairs("Tags", "Key", "Value"), [("k", "v=1"), ("empty", "")]);
        assert!(form.expect_only(&["RoleName", "Tags"]).is_ok());
        assert_eq!(form.expect_only(&["Tags"]).map_err(|refusal| refusal.code), Err("NotImplemented"));
        assert!(!format!("{form:?}").contains("v=1"));
    }
}
