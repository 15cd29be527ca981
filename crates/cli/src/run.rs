//! The service, from start to stop.

use std::io::Write;
use std::process;

use anyhow::Context;
use axum::Router;
use tokio::runtime;
use tracing::{info, warn};
use vimsim_server::{Server, ServerBuilder};

use crate::options::Options;
use crate::signals::StopRequests;
use crate::{environment, logging};

/// Serves until somebody asks us to stop.
pub(crate) fn run(options: Options) -> anyhow::Result<()> {
    logging::start(&options.diagnosis)?;
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        warn!(%error, "cannot raise the limit of open files");
    }
    let runtime = runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(serve(options));
    // What still blocks, such as opening a FIFO that nobody reads, ends with the process.
    runtime.shutdown_background();
    result
}

async fn serve(options: Options) -> anyhow::Result<()> {
    let mut stop = StopRequests::listen()?;
    let stdin_exit = options.service.stdin_exit;
    let server = tokio::select! {
        server = start(options) => server?,
        () = stop.next() => return Ok(()),
    };
    if stdin_exit {
        writeln!(std::io::stdout(), "Press any key to exit")?;
        stop.listen_to_stdin();
    }
    stop.next().await;
    info!("stopping");
    tokio::select! {
        () = server.stop() => Ok(()),
        () = stop.next() => process::exit(130),
    }
}

/// Starts the service and says so.
async fn start(options: Options) -> anyhow::Result<Server> {
    let credentials = options.credentials()?;
    // For the routes of the simulated service, which plug in here.
    let (_trace, _delay) = (options.trace()?, options.delay());
    let builder = ServerBuilder::bind(options.server()).await?;
    let server = builder.start(Router::new());

    let line = environment::ready_line(server.endpoint(), credentials.as_ref(), process::id());
    let path = options.service.environment;
    tokio::task::spawn_blocking(move || {
        environment::write(&path, &line).with_context(|| format!("cannot write `{}`", path.display()))
    })
    .await??;
    Ok(server)
}
