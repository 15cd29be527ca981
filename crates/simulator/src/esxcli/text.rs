//! What goes over the wire as text inside a text: arguments, answers and descriptions of commands.
// Only `wire` knows XML; these few lines of it are content, not messages, and no table describes them.

use std::collections::BTreeMap;
use std::fmt::Write;

use vimsim_types::views::ReflectManagedMethodExecuterSoapArgument as Argument;

use super::commands::{Answer, Failure};
use super::table::{Command, NameSpace};

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn unescape(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
    text.replace("&amp;", "&")
}

/// The first value of each argument: `<type>tcp</type>`.
pub(crate) fn arguments<'a>(given: impl Iterator<Item = &'a Argument>) -> BTreeMap<String, String> {
    let value = |argument: &Argument| {
        let (_, after) = argument.val().split_once('>')?;
        let (value, _) = after.split_once("</")?;
        Some((argument.name().to_string(), unescape(value)))
    };
    given.filter_map(value).collect()
}

fn element(out: &mut String, name: &str, value: &str) {
    _ = write!(out, "<{name}>{}</{name}>", escape(value));
}

const NAME_SPACES: &str = "xmlns=\"urn:vim25\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" \
                           xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"";

/// What a command answers. `name` is the command's, such as `network.vm.list`.
pub(crate) fn render(name: &str, command: &Command, answer: &Answer) -> String {
    let mut out = String::new();
    match answer {
        Answer::Simple(value) => {
            _ = write!(out, "<obj {NAME_SPACES} xsi:type=\"xsd:{}\">{}</obj>", command.returns, escape(value));
        }
        Answer::Nothing => _ = write!(out, "<obj {NAME_SPACES} xsi:type=\"xsd:boolean\">true</obj>"),
        Answer::Records(records) => {
            let kind = format!("VimEsxCLI{}{}", name.replace('.', ""), command.record().unwrap_or_default());
            let is_list = command.returns.ends_with("[]");
            let outer = if is_list { "ArrayOfDataObject" } else { &kind };
            _ = write!(out, "<obj {NAME_SPACES} xsi:type=\"{outer}\">");
            for record in records {
                if is_list {
                    _ = write!(out, "<DataObject xsi:type=\"{kind}\">");
                }
                record.iter().for_each(|(name, value)| element(&mut out, name, value));
                out.push_str(if is_list { "</DataObject>" } else { "" });
            }
            out.push_str("</obj>");
        }
    }
    out
}

/// What is said of a command that failed.
pub(crate) fn render_failure(failure: &Failure) -> (&'static str, String) {
    let (message, kind) = match failure {
        Failure::Unknown => ("The object or item referred to could not be found.", "NotFound"),
        Failure::Command(_) => ("EsxCLI.CLIFault.summary", "VimEsxCLICLIFault"),
    };
    let mut detail = format!("<fault {NAME_SPACES} xsi:type=\"{kind}\">");
    if let Failure::Command(words) = failure {
        words.iter().for_each(|words| element(&mut detail, "errMsg", words));
    }
    detail.push_str("</fault>");
    (message, detail)
}

fn item(out: &mut String, name: &str, help: &str) {
    element(out, "name", name);
    element(out, "displayName", name);
    element(out, "help", help);
}

/// The description of a name space: `vim.CLIInfo.FetchCLIInfo`.
pub(crate) fn info(space: &NameSpace) -> String {
    let mut out = format!("<obj {NAME_SPACES} xsi:type=\"VimCLIInfoCommandInfo\">");
    item(&mut out, space.name, space.help);
    for command in &space.commands {
        out.push_str("<method>");
        item(&mut out, command.name, command.help);
        for parameter in &command.parameters {
            out.push_str("<param>");
            item(&mut out, parameter.name, parameter.help);
            parameter.aliases.iter().for_each(|alias| element(&mut out, "aliases", alias));
            element(&mut out, "flag", if parameter.is_flag { "true" } else { "false" });
            out.push_str("</param>");
        }
        let fields = command.record().map(|record| (format!("fields:{record}"), command.columns.join(",")));
        for (key, value) in fields.into_iter().chain([("formatter".to_string(), command.formatter.to_string())]) {
            out.push_str("<hints>");
            element(&mut out, "key", &key);
            element(&mut out, "value", &value);
            out.push_str("</hints>");
        }
        out.push_str("</method>");
    }
    out.push_str("</obj>");
    out
}
