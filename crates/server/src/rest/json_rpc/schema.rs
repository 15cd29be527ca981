//! What there is to call: the services, operations and structures of `wsdl/vapi.schema`, whose format
//! `wsdl/vapi_extract.py` describes. Of it only an index by name is made, once; what is asked for is read from the text.

use std::collections::HashMap;
use std::sync::LazyLock;

static TEXT: &str = include_str!("../../../../../wsdl/vapi.schema");

/// The lines of services and structures, by their names as they are in the text.
static SCHEMA: LazyLock<Schema> = LazyLock::new(Schema::read);

/// Where names begin that are written short.
const PREFIX: &str = "com.vmware";

pub(super) struct Schema {
    services: HashMap<&'static str, &'static str>,
    structures: HashMap<&'static str, &'static str>,
}

/// An operation, and what is below it.
pub(super) struct Operation {
    pub(super) method: &'static str,
    /// The path and what follows `?` in it.
    pub(super) path: &'static str,
    pub(super) result: &'static str,
    /// The parameter that is the whole body.
    pub(super) body: Option<&'static str>,
    pub(super) parameters: Vec<Parameter>,
}

/// A parameter of an operation.
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    /// What it is called behind `?`, if it goes there.
    pub(super) query: Option<&'static str>,
}

impl Schema {
    pub(super) fn get() -> &'static Self {
        &SCHEMA
    }

    fn read() -> Self {
        let (mut services, mut structures) = (HashMap::new(), HashMap::new());
        let mut rest = TEXT;
        while !rest.is_empty() {
            let (head, below) = rest.split_once('\n').unwrap_or((rest, ""));
            let end = ["\nservice ", "\nstructure "].iter().filter_map(|it| below.find(it)).min();
            // Of what has nothing below it, the next begins at once.
            let is_empty = !below.starts_with(' ');
            let end = if is_empty { 0 } else { end.map_or(below.len(), |end| end + 1) };
            match head.split_once(' ') {
                Some(("service", name)) => services.insert(name, &below[..end]),
                Some(("structure", name)) => structures.insert(name, &below[..end]),
                _ => None,
            };
            rest = &below[end..];
        }
        Self { services, structures }
    }

    /// The operation of a service; `None` if there is none.
    pub(super) fn operation(&self, service: &str, operation: &str) -> Option<Operation> {
        let text = self.services.get(short(service))?;
        let mut lines = text.lines().skip_while(|line| {
            let name = line.strip_prefix(' ').and_then(|line| line.split(' ').next());
            name != Some(operation)
        });
        let mut words = lines.next()?.split_ascii_whitespace().skip(1);
        let (method, path, result) = (words.next()?, words.next()?, words.next()?);
        let body = words.next().and_then(|word| word.strip_prefix("body="));
        let parameters = lines.map_while(|line| line.strip_prefix("  ")).filter_map(|line| {
            let mut words = line.split(' ');
            let (name, kind) = (words.next()?, words.next()?);
            Some(Parameter { name, kind, query: words.next().and_then(|word| word.strip_prefix("query=")) })
        });
        Some(Operation { method, path, result, body, parameters: parameters.collect() })
    }

    /// The fields of a structure with their types.
    pub(super) fn fields(&self, structure: &str) -> Option<impl Iterator<Item = (&'static str, &'static str)> + use<>> {
        let text: &'static str = self.structures.get(short(structure)).copied()?;
        Some(text.lines().filter_map(|line| line.trim_start().split_once(' ')))
    }
}

/// A name as the text has it.
fn short(name: &str) -> &str {
    name.strip_prefix(PREFIX).unwrap_or(name)
}

/// A name as the wire has it.
pub(super) fn full(name: &str) -> String {
    if name.starts_with('.') { format!("{PREFIX}{name}") } else { name.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_can_be_read() {
        let schema = Schema::get();
        let mut types: Vec<&str> = Vec::new();
        for (service, text) in &schema.services {
            for line in text.lines().filter(|line| !line.starts_with("  ")) {
                let name = line.trim().split(' ').next().unwrap();
                let operation = schema.operation(&full(service), name).unwrap();
                assert!(operation.path.starts_with('/'), "{service}.{name}");
                types.push(operation.result);
                types.extend(operation.parameters.iter().map(|parameter| parameter.kind));
                let is_known = |body: &str| operation.parameters.iter().any(|parameter| parameter.name == body);
                assert!(operation.body.is_none_or(is_known), "{service}.{name}");
            }
        }
        assert!(schema.services.len() > 60 && schema.structures.len() > 200);
        for structure in schema.structures.keys() {
            types.extend(schema.fields(structure).unwrap().map(|(_, kind)| kind));
        }
        for kind in types {
            let kind = kind.rsplit(['?', '*', '>', '<']).next().unwrap();
            let plain = ["void", "string", "long", "double", "boolean", "time", "secret", "binary", "any", "error"]
                .contains(&kind);
            assert!(plain || schema.structures.contains_key(kind), "{kind}");
        }
    }
}
