//! What commands there are.

use std::sync::LazyLock;

/// A parameter of a command.
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    /// The letter, and the long name.
    pub(crate) aliases: Vec<String>,
    pub(crate) is_flag: bool,
    pub(crate) kind: &'static str,
    pub(crate) help: &'static str,
}

/// A command.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    /// `string`, `void`, or the name of a record; `[]` for many.
    pub(crate) returns: &'static str,
    pub(crate) formatter: &'static str,
    pub(crate) help: &'static str,
    /// The columns of the record.
    pub(crate) columns: Vec<&'static str>,
    pub(crate) parameters: Vec<Parameter>,
}

impl Command {
    /// The name of the record that it returns; `None` for something simple.
    pub(crate) fn record(&self) -> Option<&'static str> {
        let name = self.returns.trim_end_matches("[]");
        name.starts_with(|c: char| c.is_ascii_uppercase()).then_some(name)
    }
}

/// Commands about one thing.
pub(crate) struct NameSpace {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) commands: Vec<Command>,
}

static NAME_SPACES: LazyLock<Vec<NameSpace>> = LazyLock::new(|| {
    let mut all: Vec<NameSpace> = Vec::new();
    for line in include_str!("../../data/esxcli.txt").lines() {
        let parts: Vec<&'static str> = line.split('|').collect();
        let command = all.last_mut().map(|space| &mut space.commands);
        match (&parts[..], command) {
            (["N", name, help], _) => all.push(NameSpace { name, help, commands: Vec::new() }),
            (["M", name, returns, formatter, help], Some(commands)) => {
                let (columns, parameters) = (Vec::new(), Vec::new());
                commands.push(Command { name, returns, formatter, help, columns, parameters });
            }
            (["F", columns], Some(commands)) => {
                if let Some(command) = commands.last_mut() {
                    command.columns = columns.split(',').collect();
                }
            }
            (["P", name, aliases, flag, kind, help], Some(commands)) => {
                let dashed = |alias: &str| if alias.len() == 1 { format!("-{alias}") } else { format!("--{alias}") };
                let aliases = aliases.split(',').map(dashed).collect();
                let parameter = Parameter { name, aliases, is_flag: *flag == "flag", kind, help };
                if let Some(command) = commands.last_mut() {
                    command.parameters.push(parameter);
                }
            }
            _ => {}
        }
    }
    all
});

/// All name spaces, by name.
pub(crate) fn name_spaces() -> &'static [NameSpace] {
    &NAME_SPACES
}

/// The command of this name, such as `network.vm.list`.
pub(crate) fn find(name: &str) -> Option<&'static Command> {
    let (space, name) = name.rsplit_once('.')?;
    let space = name_spaces().iter().find(|known| known.name == space)?;
    space.commands.iter().find(|command| command.name == name)
}
