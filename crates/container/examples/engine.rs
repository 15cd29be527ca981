//! What `cargo xtask` asks of an engine: which one there is, to build an image from a folder, or to see whether one runs.
//!
//! ```console
//! $ cargo run -p vimsim-container --example engine
//! $ cargo run -p vimsim-container --example engine -- build IMAGE FOLDER
//! $ cargo run -p vimsim-container --example engine -- try IMAGE WORD...
//! ```

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use vimsim_container::{ContainerRuntime, ContainerSpec, Engine, Removal, Status};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let engine = Engine::from_environment(|name| std::env::var(name).ok());
    let result = match arguments.as_slice() {
        [] => say(&engine).await,
        ["build", image, folder] => build(&engine, image, folder).await,
        ["try", image, command @ ..] => run(&engine, image, command).await,
        _ => Err("either nothing, or build IMAGE FOLDER, or try IMAGE WORD...".into()),
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

/// Runs a command that ends by itself in a container of the image, which must end well.
async fn run(engine: &Engine, image: &str, command: &[&str]) -> Result<(), Box<dyn Error>> {
    let spec = ContainerSpec {
        name: format!("try-{}", std::process::id()),
        image: image.into(),
        command: command.iter().map(ToString::to_string).collect(),
        ..ContainerSpec::default()
    };
    let container = engine.create_container(&spec).await?;
    let ended = end(engine, &container).await;
    engine.remove_container(&container, Removal::ALL).await?;
    match ended? {
        0 => Ok(()),
        code => Err(format!("{} in {image} ends with {code}", command.join(" ")).into()),
    }
}

/// Starts the container and waits for its end. Returns with what it ended.
async fn end(engine: &Engine, container: &str) -> Result<i64, Box<dyn Error>> {
    engine.start_container(container).await?;
    loop {
        let found = engine.inspect_container(container).await?;
        if !matches!(found.state.status, Status::Created | Status::Running) {
            return Ok(found.state.exit_code.unwrap_or(-1));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
