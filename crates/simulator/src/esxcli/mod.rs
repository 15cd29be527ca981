//! esxcli: the commands of a host, and what a host answers to them. What there is stands in `data/esxcli.txt`.

mod commands;
mod network;
mod table;
mod text;

pub(crate) use commands::{Answer, Asked, Failure, Record, changed_option, packages, run};
pub(crate) use table::{Command, NameSpace, name_spaces};
pub(crate) use text::{arguments, info, render, render_failure};
