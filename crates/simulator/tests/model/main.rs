//! Random operations by clients side by side, and what must be true of the inventory whatever they do.
//!
//! `VIMSIM_MODEL_SEED`, `VIMSIM_MODEL_OPERATIONS`, `VIMSIM_MODEL_CLIENTS` and `VIMSIM_MODEL_ROUND` (how many operations each
//! client does between two checks) set what is done. One client does the same for the same seed, each time; with a round of
//! one, the operation that is to blame is the last that is printed. `VIMSIM_MODEL_SURVEY=1` goes on and lists each kind of
//! failure once, with the operation before it; `VIMSIM_MODEL_LOG` names a file to which all calls are added.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails, and says it plainly")]

mod chooser;
mod driver;
mod emptied;
mod errors;
mod follower;
mod invariants;
mod operations;
mod random;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use vimsim_simulator::{Config, Model, Service};

use crate::chooser::{Chooser, Common};
use crate::driver::{Run, lock};
use crate::follower::Follower;
use crate::invariants::{Baseline, Wrong};
use crate::random::Random;

/// What is done.
#[derive(Debug)]
struct Settings {
    seed: u64,
    operations: usize,
    clients: usize,
    round: usize,
    survey: bool,
}

impl Settings {
    fn of_environment() -> Self {
        let number = |name: &str, usual: u64| {
            let given = std::env::var(format!("VIMSIM_MODEL_{name}"));
            given.map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
        };
        Self {
            seed: number("SEED", 1),
            operations: number("OPERATIONS", 100_000) as usize,
            clients: number("CLIENTS", 8).max(1) as usize,
            round: number("ROUND", 250).max(1) as usize,
            survey: number("SURVEY", 0) > 0,
        }
    }
}

fn config() -> Config {
    let model = Model {
        datacenter: 2,
        cluster: 2,
        cluster_host: 2,
        host: 1,
        datastore: 2,
        machine: 1,
        pool: 1,
        app: 1,
        portgroup: 1,
        ..Model::virtual_center()
    };
    Config { model, ..Config::default() }
}

/// The resident memory of this process in MiB, where the system tells.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: usize = status.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or_default();
    pages * 4 / 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_clients_do_the_inventory_stays_whole() {
    let settings = Settings::of_environment();
    eprintln!("{settings:?}");
    errors::watch();
    let service = Service::start(config()).unwrap();
    let run = Arc::new(Run::new(service.clone()).await);
    let baseline = Baseline::of(&service.snapshot());
    let common = Common::new(settings.clients, service.snapshot());
    let mut follower = Follower::new(&run).await;
    let mut choosers: Vec<Chooser> = (0..settings.clients)
        .map(|client| {
            let random = Random::new(settings.seed.wrapping_mul(1_000_003).wrapping_add(client as u64));
            Chooser::new(random, common.clone(), client)
        })
        .collect();
    let begun = Instant::now();
    let (mut done, mut early) = (0, 0);
    let mut surveyed = BTreeSet::new();
    while done < settings.operations {
        let clients = choosers.into_iter().enumerate().map(|(client, mut chooser)| {
            let run = run.clone();
            tokio::spawn(async move {
                run.work(client, &mut chooser, settings.round).await;
                chooser
            })
        });
        let clients: Vec<_> = clients.collect();
        choosers = Vec::new();
        for client in clients {
            choosers.push(client.await.unwrap());
        }
        done += settings.clients * settings.round;
        let known = lock(&common.left).clone();
        rest(&service).await;
        check(&run, &mut follower, &baseline, &known, settings.round > 20 || done % 200 == 0).await;
        if settings.survey {
            run.survey(&mut surveyed);
        } else if let Some(failure) = run.failure() {
            panic!("{settings:?}, after {done} operations:\n{failure}");
        }
        if early == 0 && done >= settings.operations / 2 {
            early = resident();
        }
    }
    let mut wrong = Wrong::default();
    emptied::check(&run, &mut wrong).await;
    follower.check(&run, &mut wrong).await;
    rest(&service).await;
    invariants::tasks::check(&service.snapshot(), &mut wrong);
    invariants::tasks::check_events(&run, &mut wrong).await;
    assert!(wrong.0.is_empty(), "{settings:?}:\n{}", wrong.0.join("\n"));
    print_counts(&run);
    assert!(surveyed.is_empty(), "{} kinds of failures", surveyed.len());
    eprintln!("{done} operations in {:.1} s, {early} MiB at half, {} MiB", begun.elapsed().as_secs_f64(), resident());
    assert!(resident() < early + 100, "memory grows");
    service.stop();
}

/// Waits until the tasks have ended that nobody waits for, such as the power-on of an instant clone. One that never does is
/// found by the check that follows.
async fn rest(service: &Service) {
    let begun = Instant::now();
    while invariants::tasks::is_busy(&service.snapshot()) && begun.elapsed() < Duration::from_secs(10) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Looks for what is wrong now that all clients rest; `all` also reads everything, and looks at the files.
async fn check(run: &Run, follower: &mut Follower, baseline: &Baseline, left: &[String], all: bool) {
    let snapshot = run.service.snapshot();
    let mut wrong: Wrong = invariants::check_quiet(&snapshot, baseline);
    if all {
        invariants::read::check(run, &snapshot, &mut wrong).await;
        invariants::files::check(run, &snapshot, left, &mut wrong).await;
        follower.check(run, &mut wrong).await;
    }
    errors::taken().into_iter().for_each(|error| wrong.0.push(format!("an error was logged: {error}")));
    wrong.0.into_iter().for_each(|wrong| run.fail(wrong));
}

fn print_counts(run: &Run) {
    for (index, (name, _, _)) in operations::KINDS.iter().enumerate() {
        let (done, faults) = lock(&run.counts).get(&index).cloned().unwrap_or_default();
        let mut often: Vec<(&str, usize)> = faults.iter().map(|(name, count)| (*name, *count)).collect();
        often.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let often: Vec<String> = often.iter().take(4).map(|(name, count)| format!("{count} {name}")).collect();
        eprintln!("{name:>34}: {done:>6} done, {:>6} faults: {}", faults.values().sum::<usize>(), often.join(", "));
    }
}
