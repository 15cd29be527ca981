//! Folders as pages for a browser.

use std::fmt::Write;

use axum::response::{Html, IntoResponse, Response};
use vimsim_simulator::{FolderEntry, FolderRequest};

/// A page of links: what each says, where it leads, and what stands beside it.
fn page(title: &str, links: &[(String, String, String)]) -> Response {
    let mut text = format!(
        "<!DOCTYPE html>\n<html><head><title>Index of {0}</title></head>\n<body><h1>Index of {0}</h1>\n<table>\n\
         <tr><th>Name</th><th>Last modified</th></tr>\n",
        escaped(title)
    );
    for (name, target, beside) in links {
        let _ = writeln!(text, "<tr><td><a href=\"{}\">{}</a></td>{beside}</tr>", escaped(target), escaped(name));
    }
    text += "</table></body></html>\n";
    Html(text).into_response()
}

/// The datacenters.
pub(super) fn datacenters(all: &[(String, Vec<String>)]) -> Response {
    let link = |path: &String| (path.clone(), format!("/folder?dcPath={}", quoted(path)), String::new());
    page("datacenters", &all.iter().map(|(path, _)| link(path)).collect::<Vec<_>>())
}

/// The datastores of a datacenter.
pub(super) fn datastores(path: &str, names: &[String]) -> Response {
    let target = |name: &str| format!("/folder?dcPath={}&dsName={}", quoted(path), quoted(name));
    page(path, &names.iter().map(|name| (name.clone(), target(name), String::new())).collect::<Vec<_>>())
}

/// What is in a folder.
pub(super) fn folder(request: &FolderRequest, entries: &[FolderEntry]) -> Response {
    let mut query: Vec<String> = Vec::new();
    query.extend(request.datacenter.iter().map(|path| format!("dcPath={}", quoted(path))));
    query.extend(request.datastore.iter().map(|name| format!("dsName={}", quoted(name))));
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    let base: String = request.path.split('/').filter(|part| !part.is_empty()).fold(String::new(), |mut base, part| {
        base.push_str(&quoted(part));
        base.push('/');
        base
    });
    let link = |entry: &FolderEntry| {
        let slash = if entry.is_folder { "/" } else { "" };
        let size = if entry.is_folder { "-".into() } else { entry.size.to_string() };
        let beside = format!("<td>{}</td><td align=\"right\">{size}</td>", entry.modified);
        let target = format!("/folder/{base}{}{slash}{query}", quoted(&entry.name));
        (format!("{}{slash}", entry.name), target, beside)
    };
    let title = format!("[{}] {}", request.datastore.as_deref().unwrap_or_default(), request.path);
    page(&title, &entries.iter().map(link).collect::<Vec<_>>())
}

/// Text in HTML.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    out
}

/// Text in a part of a URL.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            byte => _ = write!(out, "%{byte:02X}"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_no_markup() {
        assert_eq!(super::escaped("<a href=\"x\">&"), "&lt;a href=&quot;x&quot;&gt;&amp;");
        assert_eq!(super::quoted("a b/ä"), "a%20b%2F%C3%A4");
    }
}
