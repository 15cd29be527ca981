//! The steps: which server is started, and what is measured on it.

use std::time::Duration;

use anyhow::Result;

use crate::changes;
use crate::figure::Figure;
use crate::report::Column;
use crate::server::{Binary, Clock, Server, Started};
use crate::table::{CLONES, MORE_TASKS, TASKS, Work};
use crate::work::{self, ALL, DETAILS, NAME, Repeat, TWO};

/// Connections that read one virtual machine side by side.
pub(crate) const CONNECTIONS: [usize; 3] = [1, 16, 128];

/// How long a server has nothing to do before its memory is looked at: allocators keep what is free for a while.
const REST: Duration = Duration::from_secs(3);

/// Clients that power virtual machines on and off, or create and destroy them, side by side.
const CLIENTS: [usize; 3] = [1, 8, 64];

/// How much to do.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    pub(crate) quick: bool,
    /// The longest that a binary may take to start.
    pub(crate) max_start: Duration,
    pub(crate) clock: Clock,
    /// Whether memory is looked at after a million tasks.
    pub(crate) million_tasks: bool,
}

impl Effort {
    fn repeat(self, quick: usize, full: usize) -> Repeat {
        match self.quick {
            true => Repeat { runs: quick, span: Duration::from_millis(500) },
            false => Repeat { runs: full, span: Duration::from_secs(2) },
        }
    }
}

/// One inventory that is measured.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    /// The number of virtual machines, `None` for the default inventory.
    machines: Option<usize>,
    /// Whether clients are measured side by side, too.
    clients: bool,
    /// Whether all machines are changed while many wait for it.
    changes: bool,
}

/// In this order.
pub(crate) const STEPS: &[Step] = &[
    Step { name: "default", machines: None, clients: false, changes: false },
    Step { name: "10", machines: Some(10), clients: false, changes: false },
    Step { name: "1000", machines: Some(1_000), clients: true, changes: false },
    Step { name: "10000", machines: Some(10_000), clients: false, changes: true },
    Step { name: "100000", machines: Some(100_000), clients: false, changes: false },
];

impl Step {
    /// Measures one binary.
    pub(crate) async fn run(&self, binary: &Binary, effort: Effort, column: &mut Column<'_>) {
        if effort.quick && self.machines > Some(10_000) {
            return;
        }
        if column.gave_up() {
            // What could not start with fewer need not try with more.
            return column.set(Work::Start(self.machines), Figure::Over(effort.max_start));
        }
        match self.start(binary, effort, column) {
            Ok(Some(server)) => self.measure(&server, effort, column).await,
            Ok(None) => {}
            Err(error) => column.set(Work::Start(self.machines), Figure::Failed(format!("{error:#}"))),
        }
    }

    /// The last of the servers that were started, unless it took too long.
    fn start(&self, binary: &Binary, effort: Effort, column: &mut Column<'_>) -> Result<Option<Server>> {
        let flags = self.flags();
        let (mut times, mut server) = (Vec::new(), None);
        let runs = effort.repeat(3, 5).runs;
        while times.len() < runs && times.iter().sum::<Duration>() < Duration::from_secs(5) {
            // One at a time.
            drop(server.take());
            match Server::start(binary, &flags, effort.clock, effort.max_start)? {
                Started::Ready(started) => {
                    times.push(started.ready);
                    server = Some(started);
                }
                Started::TooSlow => {
                    column.set(Work::Start(self.machines), Figure::Over(effort.max_start));
                    return Ok(None);
                }
            }
        }
        column.set(Work::Start(self.machines), Figure::times(times));
        Ok(server)
    }

    fn flags(&self) -> Vec<String> {
        let flags = ["-standalone-host", "0", "-vm"];
        self.machines.map_or_else(Vec::new, |machines| {
            flags.into_iter().map(str::to_owned).chain([machines.to_string()]).collect()
        })
    }

    async fn measure(&self, server: &Server, effort: Effort, column: &mut Column<'_>) {
        let resident = |column: &mut Column<'_>, work| {
            if let Some(bytes) = server.resident() {
                column.set(work, Figure::Bytes(bytes as f64));
            }
        };
        resident(column, Work::Resident(self.machines));
        column.set(Work::Files(self.machines), Figure::Count(server.files() as f64));
        let Some(machines) = self.machines else { return };
        let reads = effort.repeat(3, 7);
        column.measure(Work::Names(machines), work::read_all(server, machines, NAME, reads)).await;
        column.measure(Work::Details(machines), work::read_all(server, machines, DETAILS, reads)).await;
        tokio::time::sleep(REST).await;
        resident(column, Work::ResidentAfter(machines));
        if self.changes {
            let changed = changes::change_all(server, machines, effort.repeat(1, 1));
            column.measure(Work::ChangeAll(machines), changed).await;
        }
        if !self.clients {
            return;
        }
        let repeat = effort.repeat(1, 3);
        for connections in CONNECTIONS {
            column.measure(Work::Two(connections), work::read_one(server, connections, TWO, repeat)).await;
            column.measure(Work::All(connections), work::read_one(server, connections, ALL, repeat)).await;
        }
        column.measure(Work::Waiters, work::tell_waiters(server, effort.repeat(5, 20))).await;
        for clients in CLIENTS {
            column.measure(Work::Power(clients), work::power(server, clients, repeat)).await;
        }
        for clients in CLIENTS {
            let work = Work::CreateAndDestroy(clients);
            column.measure(work, changes::create_and_destroy(server, clients, repeat)).await;
        }
        let tasks = if effort.million_tasks { MORE_TASKS } else { TASKS };
        let work = Work::ResidentAfterTasks(tasks);
        column.measure_within(work::limit_of(tasks), work, work::resident_after(server, tasks)).await;
        column.measure(Work::Clones(CLONES), changes::clone_one(server, CLONES)).await;
    }
}
