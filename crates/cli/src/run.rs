//! The service, from start to stop.

use std::collections::BTreeSet;
use std::io::Write;
use std::process;

use anyhow::Context;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::runtime;
use tracing::{info, warn};
use vimsim_server::{Sdk, Server, ServerBuilder, read_saved};
use vimsim_simulator::Service;

use crate::options::Options;
use crate::progress::Bar;
use crate::signals::StopRequests;
use crate::{environment, logging, memory};

/// Requests to stop that come within this time of the first are the same one.
const SAME_REQUEST: Duration = Duration::from_millis(500);

/// Serves until somebody asks us to stop.
pub(crate) fn run(options: Options) -> anyhow::Result<()> {
    logging::start(&options.diagnosis)?;
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        warn!(%error, "cannot raise the limit of open files");
    }
    memory::return_what_is_free();
    let runtime = runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(serve(options));
    // What still blocks, such as opening a FIFO that nobody reads, ends with the process.
    runtime.shutdown_background();
    result
}

async fn serve(options: Options) -> anyhow::Result<()> {
    let mut stop = StopRequests::listen()?;
    let stdin_exit = options.service.stdin_exit;
    let known = OnceLock::new();
    let started = tokio::select! {
        started = start(options, &known) => Some(started),
        () = stop.next() => None,
    };
    let (server, service) = match started {
        Some(Ok(started)) => started,
        early => {
            // Containers may have been made already.
            if let Some(service) = known.get() {
                end(service).await;
            }
            return early.map_or(Ok(()), |started| started.map(drop));
        }
    };
    if stdin_exit {
        writeln!(std::io::stdout(), "Press any key to exit")?;
        stop.listen_to_stdin();
    }
    stop.next().await;
    info!("stopping");
    let stopped = async {
        end(&service).await;
        server.stop().await;
    };
    tokio::select! {
        () = stopped => Ok(()),
        () = asked_again(&mut stop) => process::exit(130),
    }
}

/// Waits until somebody asks once more, who does not want to wait. What comes with the first request is that one again:
/// `timeout`, for one, sends its signal to its child and to its whole group.
async fn asked_again(stop: &mut StopRequests) {
    let begun = Instant::now();
    loop {
        stop.next().await;
        if begun.elapsed() >= SAME_REQUEST {
            return;
        }
    }
}

/// Ends everything that waits, and removes the containers.
async fn end(service: &Service) {
    service.stop();
    service.end_containers().await;
}

/// Starts the service and says so.
async fn start(options: Options, known: &OnceLock<Arc<Service>>) -> anyhow::Result<(Server, Arc<Service>)> {
    let credentials = options.credentials()?;
    let (trace, delay) = (options.trace()?, Arc::new(options.delay()));
    let builder = ServerBuilder::bind(options.server()).await?;
    let mut config = options.simulator(builder.endpoint().address, credentials.as_ref())?;
    let saved = options.model.load.clone();
    config.unique_host_ports = environment::unique_host_ports();
    config.certificate = builder.endpoint().certificate.as_ref().map(|certificate| certificate.to_vec());
    // A large inventory takes its time, and somebody may ask us to stop meanwhile.
    let service = tokio::task::spawn_blocking(move || {
        config.saved = saved.as_deref().map(read_saved).transpose()?;
        Ok::<_, anyhow::Error>(Service::start(config)?)
    })
    .await??;
    known.get_or_init(|| service.clone());
    let mut bar = Bar::default();
    service.begin_containers(|progress| bar.show(&progress)).await?;
    drop(bar);
    let sdk = Sdk {
        service: service.clone(),
        trace,
        delay,
        metrics: builder.metrics().clone(),
        body_limit: options.service.body_limit,
        secure_cookies: environment::secure_cookies(),
    };
    let about = service.clone();
    let server = builder.about(move || about_page(&about)).start(sdk.routes());

    let line = environment::ready_line(server.endpoint(), credentials.as_ref(), process::id());
    let path = options.service.environment;
    tokio::task::spawn_blocking(move || {
        environment::write(&path, &line).with_context(|| format!("cannot write `{}`", path.display()))
    })
    .await??;
    Ok((server, service))
}

/// What `/about` shows: the methods that are simulated and the types that have some, as vcsim lists its own.
fn about_page(service: &Service) -> serde_json::Value {
    let written = Service::written_methods();
    let methods: BTreeSet<&str> = written.iter().map(|(_, method)| method.name).collect();
    let types: BTreeSet<&str> = written.iter().map(|(kind, _)| kind.name()).collect();
    serde_json::json!({ "methods": methods, "types": types, "version": service.snapshot().version() })
}
