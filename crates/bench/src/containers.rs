//! Hosts with containers behind them, made at once, beside as many bare `docker run`s.

use std::fmt::Write;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::time::{sleep, timeout};

use crate::client::Connection;
use crate::figure::Figure;
use crate::server::{Binary, Clock, Server, Started};
use crate::soap::{self, Content, Moref};
use crate::work::NAME;

/// An image of this machine's static busybox, which needs no registry.
const IMAGE: &str = "vimsim-busybox:test";
/// So many bare containers are made at once, as vimsim does.
const AT_ONCE: usize = 16;
/// How long everything may take.
const LIMIT: Duration = Duration::from_secs(300);
/// The virtual machines whose names are read meanwhile.
const MACHINES: usize = 1_000;

/// Measures it, and returns the rows of a table in Markdown.
pub(crate) async fn measure(binary: &Binary, hosts: usize) -> Result<String> {
    make_image()?;
    let bare = bare(hosts)?;
    let flags = ["-host", &hosts.to_string(), "-standalone-host", "0", "-vm", &MACHINES.to_string()];
    let flags: Vec<String> = flags.map(str::to_owned).into();
    let Started::Ready(server) = Server::start(binary, &flags, Clock::Wall, LIMIT)? else {
        bail!("the server did not start");
    };
    let idle = read(&server, async {
        sleep(Duration::from_secs(2)).await;
        Ok(Duration::ZERO)
    })
    .await?
    .1;
    let (taken, busy) = timeout(LIMIT, read(&server, back(&server, hosts))).await.context("it takes too long")??;
    let mut rows = String::new();
    writeln!(rows, "| {hosts} containers, each with 4 volumes and a network | |")?;
    writeln!(rows, "| --- | --- |")?;
    writeln!(rows, "| `docker run`, {AT_ONCE} at once | {} |", Figure::times([bare]))?;
    writeln!(
        rows,
        "| {}: `RUN.container` set on all hosts at once, until all have their addresses | {} |",
        binary.label,
        { Figure::times([taken]) }
    )?;
    writeln!(
        rows,
        "| names of {MACHINES} VMs meanwhile, best (median), worst | {}, {} |",
        figure(&busy),
        worst(&busy)
    )?;
    writeln!(rows, "| the same before | {}, {} |", figure(&idle), worst(&idle))?;
    Ok(rows)
}

fn figure(times: &[Duration]) -> Figure {
    Figure::times(times.iter().copied())
}

fn worst(times: &[Duration]) -> Figure {
    Figure::times(times.iter().max().copied())
}

fn docker(arguments: &[&str]) -> Result<Output> {
    let output = Command::new("docker").args(arguments).stdin(Stdio::null()).output().context("no docker")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "docker {}: {complaint}", arguments.join(" "));
    Ok(output)
}

/// Makes the image, if no test has made it.
fn make_image() -> Result<()> {
    if docker(&["images", "-q", IMAGE])?.stdout.is_empty() {
        bail!("there is no image {IMAGE}: `cargo test -p vimsim-container` makes it");
    }
    Ok(())
}

/// The time that as many `docker run`s take.
fn bare(number: usize) -> Result<Duration> {
    let mark = format!("vimsim-bench-{}", std::process::id());
    docker(&["network", "create", &mark])?;
    let next = AtomicUsize::new(0);
    let begun = Instant::now();
    let made: Result<Vec<()>> = std::thread::scope(|scope| {
        let work = || {
            loop {
                let number = match next.fetch_add(1, Ordering::Relaxed) {
                    taken if taken < number => taken,
                    _ => return Ok(()),
                };
                let name = format!("{mark}-{number}");
                let volumes: Vec<String> = (0..4).map(|at| format!("{name}-{at}:/vmfs/volumes/{at}")).collect();
                let mut arguments = vec!["run", "-d", "--name", &name, "--network", &mark];
                volumes.iter().for_each(|volume| arguments.extend(["-v", volume]));
                arguments.extend([IMAGE, "sleep", "100000"]);
                docker(&arguments)?;
            }
        };
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| bail!("a thread panicked"))).collect()
    });
    let taken = begun.elapsed();
    for number in 0..number {
        let name = format!("{mark}-{number}");
        // What was not made cannot be removed.
        let _ = docker(&["rm", "-f", &name]);
        for at in 0..4 {
            let _ = docker(&["volume", "rm", "-f", &format!("{name}-{at}")]);
        }
    }
    docker(&["network", "rm", &mark])?;
    made.map(|_| taken)
}

/// Sets the option on all hosts, and waits until all have the addresses of their containers.
async fn back(server: &Server, hosts: usize) -> Result<Duration> {
    let mut connection = Connection::open(server.address).await?;
    let content = soap::log_in(&mut connection).await?;
    let view = soap::view_of(&mut connection, &content, "HostSystem").await?;
    let all = soap::retrieve_view(&content, &view, "HostSystem", &["configManager.advancedOption"]);
    let body = connection.call(&all).await?;
    let managers: Vec<Moref> = soap::elements(body, "val").map(|value| Moref::new("OptionManager", value)).collect();
    ensure!(managers.len() == hosts, "{} hosts", managers.len());
    let value = format!(
        "<changedValue xsi:type=\"OptionValue\"><key>RUN.container</key><value \
         xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" xsi:type=\"xsd:string\">{IMAGE} sleep 100000</value>\
         </changedValue>"
    );
    let begun = Instant::now();
    for manager in &managers {
        connection.call(&soap::call(manager, "UpdateOptions", &value)).await?;
    }
    // A host that has its container's addresses is managed from its network's gateway.
    let addresses = soap::retrieve_view(&content, &view, "HostSystem", &["summary.managementServerIp", "recentTask"]);
    loop {
        let body = connection.call(&addresses).await?;
        let backed = soap::elements(body, "val").filter(|text| text.contains('.') && *text != "127.0.0.1").count();
        if backed == hosts {
            return Ok(begun.elapsed());
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// How long it takes to read the names of all virtual machines, over and over while something else goes on.
async fn read(server: &Server, meanwhile: impl Future<Output = Result<Duration>>) -> Result<(Duration, Vec<Duration>)> {
    let mut connection = Connection::open(server.address).await?;
    let content: Content = soap::log_in(&mut connection).await?;
    let view = soap::view_all(&mut connection, &content).await?;
    let request = connection.prepare(&soap::retrieve_all(&content, &view, NAME));
    let mut times = Vec::new();
    let mut meanwhile = std::pin::pin!(meanwhile);
    loop {
        let reading = async {
            let begun = Instant::now();
            let objects = soap::count(connection.send(&request).await?, "objects");
            ensure!(objects == MACHINES, "{objects} virtual machines");
            let taken = begun.elapsed();
            sleep(Duration::from_millis(10)).await;
            anyhow::Ok(taken)
        };
        let mut reading = std::pin::pin!(reading);
        let mut ended = None;
        let taken = tokio::select! {
            taken = &mut reading => taken?,
            outcome = &mut meanwhile => {
                ended = Some(outcome?);
                reading.await?
            }
        };
        times.push(taken);
        if let Some(outcome) = ended {
            return Ok((outcome, times));
        }
    }
}
