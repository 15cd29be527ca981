//! Reads `wsdl/*.schema`. The format is described in `wsdl/extract.py`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// All namespaces, vim25 first.
pub(crate) const NAMESPACES: [&str; 8] = ["vim25", "pbm", "sms", "eam", "vslm", "vsan", "lookup", "sso"];

#[derive(Debug, Default)]
pub(crate) struct Schema {
    pub(crate) namespaces: Vec<Namespace>,
}

#[derive(Debug, Default)]
pub(crate) struct Namespace {
    pub(crate) name: String,
    pub(crate) urn: String,
    pub(crate) versions: Vec<String>,
    pub(crate) enums: BTreeMap<String, Enumeration>,
    pub(crate) data: BTreeMap<String, Class>,
    pub(crate) managed: BTreeMap<String, Class>,
}

#[derive(Debug)]
pub(crate) struct Enumeration {
    pub(crate) since: usize,
    pub(crate) values: Vec<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Class {
    pub(crate) base: Option<String>,
    pub(crate) since: usize,
    pub(crate) props: Vec<Field>,
    pub(crate) methods: Vec<Method>,
}

#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) ty: TypeRef,
    pub(crate) since: usize,
    pub(crate) optional: bool,
    pub(crate) secret: bool,
    pub(crate) privilege: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Method {
    pub(crate) name: String,
    pub(crate) since: usize,
    /// `Folder.createVm`
    pub(crate) vmodl: String,
    pub(crate) returns: TypeRef,
    pub(crate) optional: bool,
    pub(crate) task: Option<TypeRef>,
    pub(crate) privilege: Option<String>,
    pub(crate) faults: Vec<String>,
    pub(crate) params: Vec<Field>,
    /// Not in pyVmomi's tables, so not in our WSDL.
    pub(crate) internal: bool,
}

/// `ns:Name`, `&Name`, `Name[]` taken apart.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TypeRef {
    pub(crate) name: String,
    pub(crate) moref: bool,
    pub(crate) list: bool,
}

impl TypeRef {
    fn parse(text: &str) -> Self {
        let (text, list) = text.strip_suffix("[]").map_or((text, false), |text| (text, true));
        let (name, moref) = text.strip_prefix('&').map_or((text, false), |text| (text, true));
        Self { name: name.into(), moref, list }
    }
}

impl Namespace {
    fn class(&mut self, (data, name): &(bool, String)) -> Option<&mut Class> {
        if *data { self.data.get_mut(name) } else { self.managed.get_mut(name) }
    }
}

impl Schema {
    pub(crate) fn load(folder: &Path) -> Result<Self> {
        let mut schema = Schema::default();
        for name in NAMESPACES {
            schema.read(&folder.join(format!("{name}.schema")), false)?;
        }
        schema.read(&folder.join("extra.schema"), true)?;
        Ok(schema)
    }

    fn read(&mut self, path: &Path, internal: bool) -> Result<()> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut current = 0;
        // The class that props and methods belong to: whether it is a data object, and its name.
        let mut class = (true, String::new());
        for (number, line) in text.lines().enumerate() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let place = || format!("{}:{}", path.display(), number + 1);
            let Some(keyword) = words.first().filter(|word| !word.starts_with('#')) else { continue };
            match (*keyword, &words[1..]) {
                ("namespace", [name, urn]) => {
                    current = match self.namespaces.iter().position(|namespace| namespace.name == *name) {
                        Some(known) => known,
                        None => {
                            let (name, urn) = (name.to_string(), urn.to_string());
                            self.namespaces.push(Namespace { name, urn, ..Namespace::default() });
                            self.namespaces.len() - 1
                        }
                    };
                }
                ("version", [id, _vmodl]) => self.namespaces[current].versions.push(id.to_string()),
                ("enum", [name, since, values @ ..]) => {
                    let namespace = &mut self.namespaces[current];
                    let since = ordinal(&namespace.versions, since).with_context(place)?;
                    let values = values.iter().map(ToString::to_string).collect();
                    namespace.enums.insert(name.to_string(), Enumeration { since, values });
                }
                (kind @ ("data" | "managed"), [name, base, since]) => {
                    let namespace = &mut self.namespaces[current];
                    let since = ordinal(&namespace.versions, since).with_context(place)?;
                    let base = (*base != "-").then(|| base.to_string());
                    let classes = if kind == "data" { &mut namespace.data } else { &mut namespace.managed };
                    classes.entry(name.to_string()).or_insert(Class { base, since, ..Class::default() });
                    class = (kind == "data", name.to_string());
                }
                ("prop", rest) => {
                    let namespace = &mut self.namespaces[current];
                    let field = field(&namespace.versions, rest).with_context(place)?;
                    namespace.class(&class).with_context(place)?.props.push(field);
                }
                ("method", rest) => {
                    let namespace = &mut self.namespaces[current];
                    let method = method(&namespace.versions, rest, internal).with_context(place)?;
                    namespace.class(&class).with_context(place)?.methods.push(method);
                }
                ("param", rest) => {
                    let namespace = &mut self.namespaces[current];
                    let field = field(&namespace.versions, rest).with_context(place)?;
                    let method = namespace.class(&class).and_then(|class| class.methods.last_mut());
                    method.with_context(place)?.params.push(field);
                }
                _ => bail!("{}: not understood: {line}", place()),
            }
        }
        Ok(())
    }
}

fn ordinal(versions: &[String], id: &str) -> Result<usize> {
    versions.iter().position(|version| version == id).with_context(|| format!("no version {id}"))
}

fn field(versions: &[String], words: &[&str]) -> Result<Field> {
    let [name, ty, since, flags @ ..] = words else { bail!("a field needs name, type and version") };
    Ok(Field {
        name: name.to_string(),
        ty: TypeRef::parse(ty),
        since: ordinal(versions, since)?,
        optional: flags.contains(&"optional"),
        secret: flags.contains(&"secret"),
        privilege: attribute(flags, "priv=").map(str::to_string),
    })
}

fn method(versions: &[String], words: &[&str], internal: bool) -> Result<Method> {
    let [name, since, flags @ ..] = words else { bail!("a method needs name and version") };
    let faults = attribute(flags, "faults=").map(|faults| faults.split(',').map(str::to_string).collect());
    Ok(Method {
        name: name.to_string(),
        since: ordinal(versions, since)?,
        vmodl: attribute(flags, "vmodl=").context("a method needs vmodl=")?.into(),
        returns: TypeRef::parse(attribute(flags, "returns=").context("a method needs returns=")?),
        optional: flags.contains(&"optional"),
        task: attribute(flags, "task=").map(TypeRef::parse),
        privilege: attribute(flags, "priv=").map(str::to_string),
        faults: faults.unwrap_or_default(),
        params: Vec::new(),
        internal,
    })
}

fn attribute<'a>(flags: &[&'a str], prefix: &str) -> Option<&'a str> {
    flags.iter().find_map(|flag| flag.strip_prefix(prefix))
}
