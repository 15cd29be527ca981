//! The measurements: each drives one running server and comes to a figure.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::client::{Connection, Prepared};
use crate::figure::Figure;
use crate::server::Server;
use crate::soap::{self, Content, Moref};

/// No measurement takes longer than this.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
/// How long the clients that wait are given to settle before something changes.
const SETTLE: Duration = Duration::from_millis(60);
/// How many clients wait for a change.
pub(crate) const WAITERS: usize = 64;

/// The properties that names are read by.
pub(crate) const NAME: &[&str] = &["name"];
/// The properties that inventories are collected by.
pub(crate) const DETAILS: &[&str] = &["summary", "config.hardware.device"];
/// Two properties of one virtual machine.
pub(crate) const TWO: &[&str] = &["name", "runtime.powerState"];
/// All properties.
pub(crate) const ALL: &[&str] = &[];

/// How much to repeat.
#[derive(Clone, Copy)]
pub(crate) struct Repeat {
    /// How often a thing is done that is timed by itself.
    pub(crate) runs: usize,
    /// How long a thing is done that is counted.
    pub(crate) span: Duration,
}

/// A measurement that ends after so long, whatever the server does.
pub(crate) async fn bounded(limit: Duration, work: impl Future<Output = Result<Figure>>) -> Figure {
    match timeout(limit, work).await {
        Ok(Ok(figure)) => figure,
        Ok(Err(error)) => Figure::Failed(format!("{error:#}")),
        Err(_) => Figure::Over(limit),
    }
}

/// Reads properties of all `machines` virtual machines through a container view that is made for it.
pub(crate) async fn read_all(server: &Server, machines: usize, paths: &[&str], repeat: Repeat) -> Result<Figure> {
    let mut connection = Connection::open(server.address).await?;
    let content = soap::log_in(&mut connection).await?;
    let (mut times, begun) = (Vec::new(), Instant::now());
    while times.len() < repeat.runs && (times.is_empty() || begun.elapsed() < LIMIT / 6) {
        let run = server.now();
        let view = soap::view_all(&mut connection, &content).await?;
        let body = connection.call(&soap::retrieve_all(&content, &view, paths)).await?;
        times.push(server.now() - run);
        let objects = soap::count(body, "objects");
        ensure!(objects == machines, "{objects} objects");
        connection.call(&soap::call(&view, "DestroyView", "")).await?;
    }
    connection.call(&soap::call(&content.session_manager, "Logout", "")).await?;
    Ok(Figure::times(times))
}

/// The identifiers of some virtual machines.
pub(crate) async fn some_machines(connection: &mut Connection, content: &Content, number: usize) -> Result<Vec<Moref>> {
    let view = soap::view_all(connection, content).await?;
    let body = connection.call(&soap::retrieve_all(content, &view, NAME)).await?;
    let machines: Vec<Moref> = soap::elements(body, "obj").take(number).map(Moref::virtual_machine).collect();
    ensure!(machines.len() == number, "only {} virtual machines", machines.len());
    connection.call(&soap::call(&view, "DestroyView", "")).await?;
    Ok(machines)
}

/// Reads properties of one virtual machine, over and over, from this many connections with a session each.
pub(crate) async fn read_one(server: &Server, connections: usize, paths: &[&str], repeat: Repeat) -> Result<Figure> {
    let mut clients = Vec::new();
    let mut machine = None;
    for _ in 0..connections {
        let mut connection = Connection::open(server.address).await?;
        let content = soap::log_in(&mut connection).await?;
        let machine = match &machine {
            Some(machine) => machine,
            None => machine.insert(some_machines(&mut connection, &content, 1).await?.remove(0)),
        };
        let request = connection.prepare(&soap::retrieve(&content, machine, paths));
        let body = connection.send(&request).await?;
        ensure!(soap::count(body, "propSet") >= paths.len().max(1), "properties are missing");
        clients.push((connection, request));
    }
    let mut rates = Vec::new();
    for _ in 0..repeat.runs {
        let (begun, until) = (server.now(), Instant::now() + repeat.span);
        let (count, all) = each(
            clients,
            async move |(connection, request): &mut (Connection, Prepared)| connection.send(request).await.map(|_| 1),
            until,
        )
        .await?;
        rates.push(count as f64 / (server.now() - begun).as_secs_f64());
        clients = all;
    }
    Ok(Figure::rates(rates))
}

/// Lets all clients do `work` side by side until the time is up. Returns how much was done in all, and the clients.
pub(crate) async fn each<C, F>(clients: Vec<C>, work: F, until: Instant) -> Result<(usize, Vec<C>)>
where
    C: Send + 'static,
    F: AsyncFn(&mut C) -> Result<usize> + Clone + 'static,
{
    let local = tokio::task::LocalSet::new();
    let mut tasks = JoinSet::new();
    for mut client in clients {
        let work = work.clone();
        tasks.spawn_local_on(
            async move {
                let mut count = 0;
                while Instant::now() < until {
                    count += work(&mut client).await?;
                }
                anyhow::Ok((count, client))
            },
            &local,
        );
    }
    local
        .run_until(async {
            let (mut total, mut clients) = (0, Vec::new());
            while let Some(done) = tasks.join_next().await {
                let (count, client) = done??;
                total += count;
                clients.push(client);
            }
            Ok((total, clients))
        })
        .await
}

/// From renaming a virtual machine until the last of the clients that wait for it is told.
pub(crate) async fn tell_waiters(server: &Server, repeat: Repeat) -> Result<Figure> {
    let mut writer = Connection::open(server.address).await?;
    let content = soap::log_in(&mut writer).await?;
    let machine = some_machines(&mut writer, &content, 1).await?.remove(0);
    let mut waiters = Vec::new();
    for _ in 0..WAITERS {
        waiters.push(Waiter::new(server, &machine).await?);
    }
    let mut times = Vec::new();
    for run in 0..repeat.runs {
        let mut tasks = JoinSet::new();
        for mut waiter in waiters.drain(..) {
            tasks.spawn(async move {
                waiter.wait().await?;
                anyhow::Ok(waiter)
            });
        }
        sleep(SETTLE).await;
        let name = format!("<newName>bench-{run}</newName>");
        let rename = writer.prepare(&soap::call(&machine, "Rename_Task", &name));
        let begun = server.now();
        writer.send(&rename).await?;
        while let Some(told) = tasks.join_next().await {
            waiters.push(told??);
        }
        times.push(server.now() - begun);
    }
    Ok(Figure::times(times))
}

/// A client that waits for changes of one property.
struct Waiter {
    connection: Connection,
    /// A collector of its own, as govmomi makes: of vcsim's default ones only one session's is told.
    collector: Moref,
    version: String,
}

impl Waiter {
    async fn new(server: &Server, machine: &Moref) -> Result<Self> {
        let mut connection = Connection::open(server.address).await?;
        let content = soap::log_in(&mut connection).await?;
        let collector = soap::create_collector(&mut connection, &content).await?;
        let specification = soap::object_spec("spec", machine, NAME);
        let arguments = format!("{specification}<partialUpdates>false</partialUpdates>");
        connection.call(&soap::call(&collector, "CreateFilter", &arguments)).await?;
        let mut waiter = Self { connection, collector, version: String::new() };
        waiter.wait().await?;
        Ok(waiter)
    }

    /// Waits for the next change, or for the first state.
    async fn wait(&mut self) -> Result<()> {
        let options = "<options><maxWaitSeconds>20</maxWaitSeconds></options>";
        let arguments = format!("<version>{}</version>{options}", self.version);
        let request = soap::call(&self.collector, "WaitForUpdatesEx", &arguments);
        let body = self.connection.call(&request).await?;
        self.version = soap::text(body, "version").context("nothing was told")?.to_owned();
        Ok(())
    }
}

/// How long so many tasks may take: a thousand per second, and some time beside.
pub(crate) fn limit_of(tasks: usize) -> Duration {
    LIMIT + Duration::from_millis(tasks as u64)
}

/// Starts this number of tasks, from eight clients that do not look how they end, and tells the server's resident memory
/// after half of them and after all.
pub(crate) async fn resident_after(server: &Server, tasks: usize) -> Result<Figure> {
    const CLIENTS: usize = 8;
    let mut first = Connection::open(server.address).await?;
    let content = soap::log_in(&mut first).await?;
    let mut clients = Vec::new();
    for machine in some_machines(&mut first, &content, CLIENTS).await? {
        let mut connection = Connection::open(server.address).await?;
        soap::log_in(&mut connection).await?;
        clients.push((connection, machine));
    }
    let mut resident = [0.0; 2];
    for bytes in &mut resident {
        let mut running = JoinSet::new();
        for (mut connection, machine) in clients.drain(..) {
            running.spawn(async move {
                let rename = |name: &str| {
                    let name = format!("<newName>{}-{name}</newName>", machine.value);
                    connection.prepare(&soap::call(&machine, "Rename_Task", &name))
                };
                let requests = [rename("a"), rename("b")];
                for number in 0..tasks / CLIENTS / 2 {
                    connection.send(&requests[number % 2]).await?;
                }
                anyhow::Ok((connection, machine))
            });
        }
        while let Some(done) = running.join_next().await {
            clients.push(done??);
        }
        *bytes = server.resident().context("the system does not tell")? as f64;
    }
    Ok(Figure::Grown { half: resident[0], all: resident[1] })
}

/// How many power tasks are done per second by clients that each own a virtual machine and poll for the task's end.
pub(crate) async fn power(server: &Server, clients: usize, repeat: Repeat) -> Result<Figure> {
    let mut first = Connection::open(server.address).await?;
    let content = soap::log_in(&mut first).await?;
    let machines = some_machines(&mut first, &content, clients).await?;
    let mut clients = Vec::new();
    for machine in machines {
        let mut connection = Connection::open(server.address).await?;
        let content = soap::log_in(&mut connection).await?;
        clients.push(PowerClient { connection, content, machine });
    }
    let mut rates = Vec::new();
    for _ in 0..repeat.runs {
        let (begun, until) = (server.now(), Instant::now() + repeat.span);
        let (count, all) = each(clients, async |client: &mut PowerClient| client.cycle().await, until).await?;
        rates.push(count as f64 / (server.now() - begun).as_secs_f64());
        clients = all;
    }
    Ok(Figure::rates(rates))
}

struct PowerClient {
    connection: Connection,
    content: Content,
    machine: Moref,
}

impl PowerClient {
    /// Off and on again: two tasks.
    async fn cycle(&mut self) -> Result<usize> {
        self.carry_out("PowerOffVM_Task").await?;
        self.carry_out("PowerOnVM_Task").await?;
        Ok(2)
    }

    async fn carry_out(&mut self, method: &str) -> Result<()> {
        finish(&mut self.connection, &self.content, &self.machine, method, "").await.map(drop)
    }
}

/// Calls a method and polls for the end of the task that it starts. Returns the task's result, if it has one.
pub(crate) async fn finish(
    connection: &mut Connection,
    content: &Content,
    this: &Moref,
    method: &str,
    arguments: &str,
) -> Result<Option<String>> {
    let body = connection.call(&soap::call(this, method, arguments)).await?;
    let task = Moref { kind: "Task".into(), value: soap::text(body, "returnval").context("no task")?.to_owned() };
    let poll = connection.prepare(&soap::retrieve(content, &task, &["info.state", "info.result"]));
    loop {
        let body = connection.send(&poll).await?;
        let values: Vec<&str> = soap::elements(body, "val").collect();
        let is_state = |value: &&&str| matches!(**value, "success" | "queued" | "running" | "error");
        match values.iter().find(is_state) {
            Some(&"success") => {
                return Ok(values.iter().find(|value| !is_state(value)).map(|value| (*value).to_owned()));
            }
            Some(&("queued" | "running")) => {}
            state => bail!("{method} came to {state:?}"),
        }
    }
}
