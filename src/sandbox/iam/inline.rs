//! Inline policies: documents that belong to one user, group or role.

use super::documents::{self, check_identity};
use super::holder::{Holder, policy_name};
use super::names::{Kind, limit};
use super::page::Page;
use super::{Outcome, Request, no_such, nothing, result};

pub fn put(request: &Request<'_>, kind: Kind) -> Outcome {
    let mut holder = Holder::of(request, kind)?;
    let name = policy_name(request)?;
    let document = request.form.required("PolicyDocument")?;
    check_identity(document)?;
    holder.grants_mut().inline.insert(name.to_owned(), document.to_owned());
    let size: usize = holder.grants().inline.values().map(|document| documents::size(document)).sum();
    let most = holder.longest_inline();
    if size > most {
        return Err(limit(format!(
            "Maximum policy size of {most} bytes exceeded for {} {}",
            holder.kind().word(),
            holder.name()
        )));
    }
    holder.save(request)?;
    nothing()
}

pub fn get(request: &Request<'_>, kind: Kind) -> Outcome {
    let holder = Holder::of(request, kind)?;
    let name = policy_name(request)?;
    let document = holder.grants().inline.get(name).ok_or_else(|| absent(kind, name))?;
    result(|xml| {
        xml.text(kind.parameter(), holder.name()).text("PolicyName", name);
        xml.text("PolicyDocument", documents::encoded(document));
    })
}

pub fn list(request: &Request<'_>, kind: Kind) -> Outcome {
    let holder = Holder::of(request, kind)?;
    let names = holder.grants().inline.keys().map(|name| (name.clone(), name.clone())).collect();
    let page = Page::cut(request.form, names)?;
    result(|xml| {
        xml.element("PolicyNames", |list| {
            for name in &page.items {
                list.text("member", name);
            }
        });
        page.end(xml);
    })
}

pub fn delete(request: &Request<'_>, kind: Kind) -> Outcome {
    let mut holder = Holder::of(request, kind)?;
    let name = policy_name(request)?;
    holder.grants_mut().inline.remove(name).ok_or_else(|| absent(kind, name))?;
    holder.save(request)?;
    nothing()
}

fn absent(kind: Kind, name: &str) -> crate::sandbox::http::Refusal {
    no_such(format!("The {} policy with name {name} cannot be found.", kind.word()))
}
