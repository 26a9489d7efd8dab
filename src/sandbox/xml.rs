//! XML as AWS writes it: elements and text, no attributes but the namespace.

use std::fmt::{Display, Write};

use quick_xml::escape::escape;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::http::Refusal;

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";
const PROLOGUE: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// An element being written.
pub struct Xml(String);

impl Xml {
    /// A document whose root has no namespace, as errors do.
    pub fn document(root: &str, build: impl FnOnce(&mut Xml)) -> String {
        let mut xml = Xml(PROLOGUE.to_owned());
        xml.element(root, build);
        xml.0
    }

    /// A document in S3's namespace.
    pub fn s3(root: &str, build: impl FnOnce(&mut Xml)) -> String {
        Xml::namespaced(root, NAMESPACE, build)
    }

    pub fn namespaced(root: &str, namespace: &str, build: impl FnOnce(&mut Xml)) -> String {
        let mut xml = Xml(format!("{PROLOGUE}<{root} xmlns=\"{namespace}\">"));
        build(&mut xml);
        let _ = write!(xml.0, "</{root}>");
        xml.0
    }

    /// Elements without a root, to be put into a document with [`Xml::raw`].
    pub fn fragment(build: impl FnOnce(&mut Xml)) -> String {
        let mut xml = Xml(String::new());
        build(&mut xml);
        xml.0
    }

    pub fn raw(&mut self, fragment: &str) -> &mut Self {
        self.0.push_str(fragment);
        self
    }

    pub fn element(&mut self, name: &str, build: impl FnOnce(&mut Xml)) -> &mut Self {
        let _ = write!(self.0, "<{name}>");
        build(self);
        let _ = write!(self.0, "</{name}>");
        self
    }

    pub fn text(&mut self, name: &str, value: impl Display) -> &mut Self {
        let value = value.to_string();
        // A carriage return would come back as a newline (XML 1.0, 2.11).
        let _ = write!(self.0, "<{name}>{}</{name}>", escape(value.as_str()).replace('\r', "&#13;"));
        self
    }

    pub fn text_if(&mut self, name: &str, value: Option<impl Display>) -> &mut Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }
}

/// Reads a document of the request. Anything that S3's schema does not know is malformed.
pub fn parse<T: DeserializeOwned>(document: &[u8]) -> Result<T, Refusal> {
    let malformed = |detail: String| {
        Refusal::new(
            400,
            "MalformedXML",
            format!(
                "The XML you provided was not well-formed or did not validate against our published schema: {detail}"
            ),
        )
    };
    let text = std::str::from_utf8(document).map_err(|error| malformed(error.to_string()))?;
    quick_xml::de::from_str(text).map_err(|error| malformed(error.to_string()))
}

/// Writes a setting the way a later GET answers it.
pub fn render<T: Serialize>(root: &str, setting: &T) -> Result<String, Refusal> {
    quick_xml::se::to_string_with_root(root, setting)
        .map(|text| format!("{PROLOGUE}{text}"))
        .map_err(|error| Refusal::new(500, "InternalError", error.to_string()))
}
