//! The rows of the table, with the budgets of the design.

use std::fmt;

use crate::figure::Budget;

/// A piece of work that is measured. Virtual machines are counted, `None` stands for the default inventory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Work {
    Start(Option<usize>),
    /// Resident memory when it is ready.
    Resident(Option<usize>),
    /// Resident memory 3 seconds after all was read.
    ResidentAfter(usize),
    /// Files made by the start.
    Files(Option<usize>),
    Names(usize),
    Details(usize),
    /// Two properties of one virtual machine, from so many connections.
    Two(usize),
    /// All properties of one virtual machine, from so many connections.
    All(usize),
    Waiters,
    /// Resident memory after so many tasks.
    ResidentAfterTasks(usize),
    /// Power tasks, from so many clients.
    Power(usize),
    /// Virtual machines created and destroyed, from so many clients.
    CreateAndDestroy(usize),
    /// So many clones of one virtual machine.
    Clones(usize),
    /// Changes of so many virtual machines, until all who wait for them are told.
    ChangeAll(usize),
}

/// The tasks after which memory is looked at: many times as many as are kept.
pub(crate) const TASKS: usize = 100_000;
/// The same for who has more time.
pub(crate) const MORE_TASKS: usize = 1_000_000;
/// The clones that are made of one virtual machine.
pub(crate) const CLONES: usize = 1_000;

/// All rows, in the order of the table.
pub(crate) const ROWS: &[(Work, Option<Budget>)] = &[
    (Work::Start(None), Some(Budget::Seconds(0.05))),
    (Work::Start(Some(10)), None),
    (Work::Start(Some(1_000)), None),
    (Work::Start(Some(10_000)), Some(Budget::Seconds(1.0))),
    (Work::Files(Some(10_000)), Some(Budget::AtMost(0.0))),
    (Work::Start(Some(100_000)), Some(Budget::Seconds(3.0))),
    (Work::Resident(None), None),
    (Work::Resident(Some(1_000)), None),
    (Work::Resident(Some(10_000)), Some(Budget::Mebibytes(60.0))),
    (Work::Resident(Some(100_000)), Some(Budget::Mebibytes(500.0))),
    (Work::ResidentAfter(10_000), None),
    (Work::ResidentAfter(100_000), None),
    (Work::Names(1_000), None),
    (Work::Names(10_000), Some(Budget::Seconds(0.03))),
    (Work::Names(100_000), None),
    (Work::Details(1_000), Some(Budget::Seconds(0.03))),
    (Work::Details(10_000), None),
    (Work::Details(100_000), None),
    (Work::Two(1), None),
    (Work::Two(16), Some(Budget::PerSecond(40_000.0))),
    (Work::Two(128), None),
    (Work::All(1), None),
    (Work::All(16), Some(Budget::PerSecond(8_000.0))),
    (Work::All(128), None),
    (Work::Waiters, Some(Budget::Seconds(0.002))),
    (Work::Power(1), None),
    (Work::Power(8), Some(Budget::PerSecond(5_000.0))),
    (Work::Power(64), None),
    (Work::CreateAndDestroy(1), None),
    (Work::CreateAndDestroy(8), None),
    (Work::CreateAndDestroy(64), None),
    (Work::Clones(CLONES), None),
    (Work::ChangeAll(10_000), None),
    (Work::ResidentAfterTasks(TASKS), None),
    (Work::ResidentAfterTasks(MORE_TASKS), None),
];

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inventory = |machines: &Option<usize>| match machines {
            None => "default inventory".to_owned(),
            Some(machines) => format!("{} VMs", grouped(*machines)),
        };
        match self {
            Self::Start(machines) => write!(f, "{}, start to ready", inventory(machines)),
            Self::Resident(machines) => write!(f, "{}, resident memory when ready", inventory(machines)),
            Self::ResidentAfter(machines) => {
                write!(f, "{} VMs, resident memory 3 s after all was read", grouped(*machines))
            }
            Self::Files(machines) => write!(f, "{}, files made by the start", inventory(machines)),
            Self::Names(machines) => write!(f, "names of {} VMs through a container view", grouped(*machines)),
            Self::Details(machines) => {
                write!(
                    f,
                    "`summary` and `config.hardware.device` of {} VMs through a container view",
                    grouped(*machines)
                )
            }
            Self::Two(connections) => write!(f, "one VM, two properties, {}", plural(*connections)),
            Self::All(connections) => write!(f, "one VM, all properties, {}", plural(*connections)),
            Self::Waiters => f.write_str("rename of a VM to the last of 64 waiters told"),
            Self::ResidentAfterTasks(tasks) => {
                write!(f, "1,000 VMs, resident memory after {} tasks", grouped(*tasks))
            }
            Self::Power(clients) => write!(f, "power off and on, {}, tasks polled to their end", clients_of(*clients)),
            Self::CreateAndDestroy(clients) => {
                write!(f, "a VM created and destroyed, {}, tasks polled to their end", clients_of(*clients))
            }
            Self::Clones(clones) => {
                write!(f, "{} clones of a VM, 8 clients, tasks polled to their end", grouped(*clones))
            }
            Self::ChangeAll(machines) => {
                write!(f, "annotations of {} VMs changed to the last of 64 collectors told of all", grouped(*machines))
            }
        }
    }
}

fn plural(connections: usize) -> String {
    format!("{connections} connection{}", if connections == 1 { "" } else { "s" })
}

fn clients_of(clients: usize) -> String {
    format!("{clients} client{}", if clients == 1 { "" } else { "s" })
}

fn grouped(number: usize) -> String {
    match number {
        1000.. => format!("{},{:03}", grouped(number / 1000), number % 1000),
        _ => number.to_string(),
    }
}
