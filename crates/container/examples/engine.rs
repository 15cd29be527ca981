//! What `cargo xtask` asks of an engine: which one there is, or to build an image from a folder.
//!
//! ```console
//! $ cargo run -p vimsim-container --example engine
//! $ cargo run -p vimsim-container --example engine -- build IMAGE FOLDER
//! ```

use std::error::Error;
use std::process::ExitCode;

use vimsim_container::{ContainerRuntime, Engine};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let engine = Engine::from_environment(|name| std::env::var(name).ok());
    let result = match arguments.as_slice() {
        [] => say(&engine).await,
        ["build", image, folder] => build(&engine, image, folder).await,
        _ => Err("either nothing, or build IMAGE FOLDER".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn say(engine: &Engine) -> Result<(), Box<dyn Error>> {
    let version = engine.version().await?;
    eprintln!("{} {}, API {}", version.name, version.version, version.api_version);
    Ok(())
}

async fn build(engine: &Engine, image: &str, folder: &str) -> Result<(), Box<dyn Error>> {
    let mut context = tar::Builder::new(Vec::new());
    context.append_dir_all(".", folder)?;
    engine.build_image(image, context.into_inner()?).await?;
    eprintln!("built {image}");
    Ok(())
}
