//! Lists, page by page: `MaxItems`, `Marker`, `IsTruncated`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::sandbox::http::Refusal;
use crate::sandbox::query::{Form, validation};
use crate::sandbox::xml::Xml;

/// Entries of a page where nothing else is asked
/// (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html>).
const PAGE: usize = 100;
const LARGEST_PAGE: u32 = 1000;

/// A stretch of a list.
pub struct Page<T> {
    pub items: Vec<T>,
    /// The key of the last entry, where more follow.
    last: Option<String>,
}

impl<T> Page<T> {
    /// The page that the request asks for, of entries with keys that tell them apart.
    pub fn cut(form: &Form, items: Vec<(String, T)>) -> Result<Self, Refusal> {
        let most = match form.number("MaxItems")? {
            None => PAGE,
            Some(most @ 1..=LARGEST_PAGE) => most as usize,
            Some(other) => {
                return Err(validation(format!(
                    "1 validation error detected: Value '{other}' at 'maxItems' failed to satisfy constraint: Member \
                     must have value between 1 and 1000"
                )));
            }
        };
        let after = form.get("Marker").map(|marker| {
            let bytes = URL_SAFE_NO_PAD.decode(marker).ok();
            bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(|| validation("Invalid Marker."))
        });
        let after = after.transpose()?;
        let mut items: Vec<(String, T)> =
            items.into_iter().filter(|(key, _)| after.as_ref().is_none_or(|after| key > after)).collect();
        items.sort_by(|(one, _), (other, _)| one.cmp(other));
        let more = items.len() > most;
        items.truncate(most);
        let last = if more { items.last().map(|(key, _)| key.clone()) } else { None };
        Ok(Page { items: items.into_iter().map(|(_, item)| item).collect(), last })
    }

    /// What stands behind the list.
    pub fn end(&self, xml: &mut Xml) {
        xml.text("IsTruncated", self.last.is_some());
        xml.text_if("Marker", self.last.as_ref().map(|key| URL_SAFE_NO_PAD.encode(key)));
    }

    /// The list under its name, each entry a `member`.
    pub fn write(&self, xml: &mut Xml, list: &str, write: impl Fn(&mut Xml, &T)) {
        xml.element(list, |list| {
            for item in &self.items {
                list.element("member", |member| write(member, item));
            }
        });
        self.end(xml);
    }
}
