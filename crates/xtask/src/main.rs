//! The project's chores: `cargo xtask --help`.

mod codegen;
mod kinds;
mod schema;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "The project's chores")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make the tables and views of crates/types from wsdl/*.schema.
    Codegen {
        /// Write nothing; fail if a generated file is not current.
        #[arg(long)]
        check: bool,
    },
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Codegen { check } => codegen(check),
    }
}

/// The top of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("crates/xtask is two levels down").into()
}

fn codegen(check: bool) -> Result<()> {
    let schema = schema::Schema::load(&root().join("wsdl"))?;
    let folder = root().join("crates/types/src/generated");
    let mut stale = Vec::new();
    let objects = root().join("crates/simulator/src/objects");
    let generated = codegen::generate(&schema)?.into_iter().map(|(name, text)| (folder.join(name), text));
    for (path, text) in generated.chain([(objects.join("mod.rs"), kinds::generate(&objects)?)]) {
        if std::fs::read_to_string(&path).ok().as_ref() != Some(&text) {
            stale.push(path.display().to_string());
            if !check {
                std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            }
        }
    }
    if check && !stale.is_empty() {
        bail!("not current: {}; run `cargo xtask codegen`", stale.join(", "));
    }
    Ok(())
}
