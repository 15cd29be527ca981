//! Measurements of changes to the inventory: machines that come and go, and changes to all of them.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use tokio::task::JoinSet;

use crate::client::Connection;
use crate::figure::Figure;
use crate::server::Server;
use crate::soap::{self, Content, Moref};
use crate::work::{Repeat, WAITERS, each, finish, some_machines};

/// How many clients clone one machine, or change all machines.
const WRITERS: usize = 8;
/// What the clients that wait for changes of all machines look at.
const WATCHED: &[&str] = &["name", "config.annotation"];

/// Where new machines go: the folder and pool that a machine is in.
#[derive(Clone)]
struct Site {
    folder: Moref,
    pool: Moref,
    datastore: String,
}

impl Site {
    async fn of(connection: &mut Connection, content: &Content, machine: &Moref) -> Result<Self> {
        let mut read = async |path: &str| {
            let body = connection.call(&soap::retrieve(content, machine, &[path])).await?;
            anyhow::Ok(soap::text(body, "val").with_context(|| format!("no {path}"))?.to_owned())
        };
        let folder = Moref::new("Folder", &read("parent").await?);
        let pool = Moref::new("ResourcePool", &read("resourcePool").await?);
        let file = read("config.files.vmPathName").await?;
        let datastore = file.split_once(']').context("no datastore")?.0.trim_start_matches('[').to_owned();
        Ok(Self { folder, pool, datastore })
    }
}

/// A client that makes machines.
struct Maker {
    connection: Connection,
    content: Content,
    site: Site,
    /// The beginning of the names that it gives.
    name: String,
    made: usize,
}

/// This number of clients, and the first machine that there is.
async fn makers(server: &Server, clients: usize) -> Result<(Vec<Maker>, Moref)> {
    let mut first = Connection::open(server.address).await?;
    let content = soap::log_in(&mut first).await?;
    let machine = some_machines(&mut first, &content, 1).await?.remove(0);
    let site = Site::of(&mut first, &content, &machine).await?;
    let mut makers = Vec::new();
    for client in 0..clients {
        let mut connection = Connection::open(server.address).await?;
        let content = soap::log_in(&mut connection).await?;
        let name = format!("bench-{clients}-{client}");
        makers.push(Maker { connection, content, site: site.clone(), name, made: 0 });
    }
    Ok((makers, machine))
}

impl Maker {
    fn next_name(&mut self) -> String {
        self.made += 1;
        format!("{}-{}", self.name, self.made)
    }

    /// Calls a method and waits for the end of its task. Returns the virtual machine that it may have made.
    async fn carry_out(&mut self, this: &Moref, method: &str, arguments: &str) -> Result<Option<Moref>> {
        let value = finish(&mut self.connection, &self.content, this, method, arguments).await?;
        Ok(value.map(|value| Moref::virtual_machine(&value)))
    }

    async fn create(&mut self) -> Result<Moref> {
        let (name, pool) = (self.next_name(), soap::element("pool", &self.site.pool));
        let arguments = format!(
            "<config><name>{name}</name><guestId>otherGuest64</guestId><files><vmPathName>[{}]</vmPathName></files>\
             <numCPUs>1</numCPUs><memoryMB>32</memoryMB></config>{pool}",
            self.site.datastore
        );
        let folder = self.site.folder.clone();
        self.carry_out(&folder, "CreateVM_Task", &arguments).await?.context("no machine was made")
    }

    async fn clone_machine(&mut self, machine: &Moref) -> Result<Moref> {
        let (name, pool) = (self.next_name(), soap::element("pool", &self.site.pool));
        let folder = soap::element("folder", &self.site.folder);
        let arguments = format!(
            "{folder}<name>{name}</name><spec><location>{pool}</location><template>false</template>\
             <powerOn>false</powerOn></spec>"
        );
        self.carry_out(machine, "CloneVM_Task", &arguments).await?.context("no machine was made")
    }

    async fn destroy(&mut self, machine: &Moref) -> Result<()> {
        self.carry_out(machine, "Destroy_Task", "").await.map(drop)
    }
}

/// How many virtual machines are created and destroyed again per second by clients that poll for the end of each task.
pub(crate) async fn create_and_destroy(server: &Server, clients: usize, repeat: Repeat) -> Result<Figure> {
    let (mut clients, _) = makers(server, clients).await?;
    let mut rates = Vec::new();
    for _ in 0..repeat.runs {
        let (begun, until) = (server.now(), Instant::now() + repeat.span);
        let cycle = async |client: &mut Maker| {
            let machine = client.create().await?;
            client.destroy(&machine).await?;
            Ok(1)
        };
        let (count, all) = each(clients, cycle, until).await?;
        rates.push(count as f64 / (server.now() - begun).as_secs_f64());
        clients = all;
    }
    Ok(Figure::rates(rates))
}

/// Clones one virtual machine this many times, from several clients that poll for the end of each task. The clones are
/// destroyed afterwards.
pub(crate) async fn clone_one(server: &Server, clones: usize) -> Result<Figure> {
    let (clients, machine) = makers(server, WRITERS).await?;
    let begun = server.now();
    let mut running = JoinSet::new();
    for (at, mut client) in clients.into_iter().enumerate() {
        let machine = machine.clone();
        running.spawn(async move {
            let mut made = Vec::new();
            for _ in (at..clones).step_by(WRITERS) {
                made.push(client.clone_machine(&machine).await?);
            }
            anyhow::Ok((client, made))
        });
    }
    let mut done = Vec::new();
    while let Some(client) = running.join_next().await {
        done.push(client??);
    }
    let taken = server.now() - begun;
    for (mut client, made) in done {
        for machine in made {
            client.destroy(&machine).await?;
        }
    }
    Ok(Figure::times([taken]))
}

/// Changes the annotations of all `machines` virtual machines, from several clients that do not look how their tasks end:
/// from the first change until each of the clients that wait for changes of all machines was told of all.
pub(crate) async fn change_all(server: &Server, machines: usize, repeat: Repeat) -> Result<Figure> {
    let mut first = Connection::open(server.address).await?;
    let content = soap::log_in(&mut first).await?;
    let all = some_machines(&mut first, &content, machines).await?;
    let mut collectors = JoinSet::new();
    for _ in 0..WAITERS {
        collectors.spawn(Collector::new(server.address, machines));
    }
    let mut waiting = Vec::new();
    while let Some(collector) = collectors.join_next().await {
        waiting.push(collector??);
    }
    let mut times = Vec::new();
    for run in 0..repeat.runs {
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let mut connection = Connection::open(server.address).await?;
            soap::log_in(&mut connection).await?;
            writers.spawn(async move { anyhow::Ok((connection, writer)) });
        }
        let mut ready = Vec::new();
        while let Some(writer) = writers.join_next().await {
            ready.push(writer??);
        }
        let mut told = JoinSet::new();
        for mut collector in waiting.drain(..) {
            told.spawn(async move {
                collector.collect(machines).await?;
                anyhow::Ok(collector)
            });
        }
        let begun = server.now();
        for (mut connection, writer) in ready {
            let own: Vec<Moref> = all.iter().skip(writer).step_by(WRITERS).cloned().collect();
            writers.spawn(async move {
                let spec = format!("<spec><annotation>run {run}</annotation></spec>");
                for machine in own {
                    connection.call(&soap::call(&machine, "ReconfigVM_Task", &spec)).await?;
                }
                anyhow::Ok((connection, writer))
            });
        }
        while let Some(collector) = told.join_next().await {
            waiting.push(collector??);
        }
        times.push(server.now() - begun);
        while let Some(writer) = writers.join_next().await {
            writer??;
        }
    }
    Ok(Figure::times(times))
}

/// A client that waits for changes of all virtual machines.
struct Collector {
    connection: Connection,
    collector: Moref,
    version: String,
}

impl Collector {
    /// One that has read the first state of all machines.
    async fn new(address: std::net::SocketAddr, machines: usize) -> Result<Self> {
        let mut connection = Connection::open(address).await?;
        let content = soap::log_in(&mut connection).await?;
        let collector = soap::create_collector(&mut connection, &content).await?;
        let view = soap::view_all(&mut connection, &content).await?;
        let specification = soap::view_spec("spec", &view, "VirtualMachine", WATCHED);
        let arguments = format!("{specification}<partialUpdates>false</partialUpdates>");
        connection.call(&soap::call(&collector, "CreateFilter", &arguments)).await?;
        let mut made = Self { connection, collector, version: String::new() };
        made.collect(machines).await?;
        Ok(made)
    }

    /// Waits until this many objects were told.
    async fn collect(&mut self, objects: usize) -> Result<()> {
        let mut told = 0;
        while told < objects {
            let options = "<options><maxWaitSeconds>20</maxWaitSeconds></options>";
            let arguments = format!("<version>{}</version>{options}", self.version);
            let request = soap::call(&self.collector, "WaitForUpdatesEx", &arguments);
            let body = self.connection.call(&request).await?;
            self.version = soap::text(body, "version").context("nothing was told")?.to_owned();
            told += soap::count(body, "objectSet");
        }
        ensure!(told == objects, "{told} objects were told of {objects}");
        Ok(())
    }
}
