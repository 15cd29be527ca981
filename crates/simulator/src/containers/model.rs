//! The containers of the inventory that a service starts with, and their end when it stops.

use std::sync::Arc;
use std::time::Duration;

use vimsim_container::Swept;
use vimsim_types::enums::{TaskInfoState, VirtualMachinePowerState};
use vimsim_types::views::{HostSystem, OptionManager, OptionValue, Task, VirtualMachine};
use vimsim_types::{Fault, Moref, View};

use super::change::{Changed, change};
use super::machine;
use super::wanted::{CONTAINER, Wanted, concerns_containers};
use crate::objects::option_manager;
use crate::service::{Error, Service};

/// How far the containers of the inventory are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostProgress {
    /// How many hosts have theirs.
    pub done: usize,
    /// How many are to have one.
    pub total: usize,
    /// The host that was last.
    pub host: String,
}

/// How long after the stop something may still be made by a request that was under way.
const LATE: Duration = Duration::from_millis(500);

impl Service {
    /// Makes the containers of the hosts that are to have one from the beginning: all of them if the configuration says so,
    /// and those of a loaded inventory whose options say so. They are made side by side; `progress` is told of each.
    /// What services that died have left in the engine is removed before that.
    ///
    /// Fails, with the engine's words, if one cannot be made. Without a host that is to have one, an engine that is not
    /// there is no failure.
    pub async fn begin_containers(self: &Arc<Self>, progress: impl FnMut(HostProgress)) -> Result<(), Error> {
        self.begin_hosts(progress).await?;
        self.begin_machines();
        Ok(())
    }

    /// Has the machines of a loaded inventory that run, and are to have containers, get them. Nobody waits for that.
    fn begin_machines(self: &Arc<Self>) {
        if self.config().containers.runtime.is_none() {
            return;
        }
        let snapshot = self.snapshot();
        for object in snapshot.objects() {
            let wants = |machine: &VirtualMachine| {
                machine.runtime().power_state() == VirtualMachinePowerState::PoweredOn
                    && machine.config().is_some_and(machine::is_contained)
            };
            if object.view::<VirtualMachine>().is_some_and(wants) {
                let this = object.moref().clone();
                let begun = self.transact::<VirtualMachine, _>(&this, |call| {
                    machine::follow(call, &this, VirtualMachinePowerState::PoweredOn)
                });
                if let Err(fault) = begun {
                    tracing::error!(machine = %this, %fault, "a machine's container cannot be made");
                }
            }
        }
    }

    async fn begin_hosts(self: &Arc<Self>, progress: impl FnMut(HostProgress)) -> Result<(), Error> {
        let wanted = self.wanted_hosts().map_err(Error::Containers)?;
        if wanted.is_empty() {
            if self.config().containers.runtime.is_some() {
                let service = self.clone();
                self.spawner().spawn(async move { service.sweep().await });
            }
            return Ok(());
        }
        self.engine().expect().await.map_err(Error::Containers)?;
        self.sweep().await;
        let tasks: Result<Vec<_>, Fault> = wanted.into_iter().map(|host| self.begin_host(host)).collect();
        self.wait_for(tasks.map_err(Error::Containers)?, progress).await.map_err(Error::Containers)
    }

    /// The hosts that are to have a container from the beginning, by name, and which.
    fn wanted_hosts(&self) -> Result<Vec<(String, Moref, Wanted)>, Fault> {
        let snapshot = self.snapshot();
        let config = &self.config().containers;
        let mut hosts = Vec::new();
        if config.runtime.is_none() && config.hosts.is_none() {
            return Ok(hosts);
        }
        for object in snapshot.objects() {
            let Some(host) = object.view::<HostSystem>() else { continue };
            let manager = host.config_manager().advanced_option();
            let own = manager.and_then(|manager| snapshot.view::<OptionManager>(&manager));
            let own = own.into_iter().flat_map(|manager| manager.setting());
            let own = own.filter(|option| concerns_containers(option.key()));
            let by_flag = config
                .hosts
                .as_ref()
                .map(|value| OptionValue::with(|option| _ = option.set_key(CONTAINER).set_value(value.as_str())));
            if let Some(wanted) = Wanted::read(own.chain(&by_flag), config)? {
                hosts.push((host.name().to_string(), object.moref().clone(), wanted));
            }
        }
        hosts.sort_by(|a, b| (&a.0, a.1.value()).cmp(&(&b.0, b.1.value())));
        Ok(hosts)
    }

    /// Starts the task of one host.
    fn begin_host(self: &Arc<Self>, (name, host, wanted): (String, Moref, Wanted)) -> Result<(String, Moref), Fault> {
        let value = self.config().containers.hosts.clone();
        let task = self.transact::<HostSystem, _>(&host, |call| {
            let mut changed = Vec::new();
            if let (Some(value), Some(manager)) = (&value, call.this()?.config_manager().advanced_option()) {
                let option = OptionValue::with(|option| _ = option.set_key(CONTAINER).set_value(value.as_str()));
                let after = Some(option.value().clone());
                option_manager::set(call.edit::<OptionManager>(&manager)?, option);
                changed.push(Changed { key: CONTAINER.into(), before: None, after });
            }
            let host = call.moref();
            change(call, &host, Some(wanted), changed)
        })?;
        Ok((name, task))
    }

    async fn wait_for(
        &self,
        mut tasks: Vec<(String, Moref)>,
        mut progress: impl FnMut(HostProgress),
    ) -> Result<(), Fault> {
        let (mut done, total) = (0, tasks.len());
        progress(HostProgress { done, total, host: String::new() });
        let mut versions = self.registry().subscribe();
        loop {
            versions.borrow_and_update();
            let snapshot = self.snapshot();
            let mut left = Vec::new();
            for (name, task) in std::mem::take(&mut tasks) {
                let Some(info) = snapshot.view::<Task>(&task).map(|task| task.info()) else { continue };
                match info.state() {
                    TaskInfoState::Success => {
                        done += 1;
                        progress(HostProgress { done, total, host: name });
                    }
                    TaskInfoState::Error => {
                        let error = info.error().cloned().unwrap_or_else(View::new);
                        let message = error.localized_message().cloned().unwrap_or_default();
                        let message = format!("host {name}: {message}");
                        return Err(Fault::from_object(error.fault().as_object().clone(), message));
                    }
                    _ => left.push((name, task)),
                }
            }
            tasks = left;
            if tasks.is_empty() || versions.changed().await.is_err() {
                return Ok(());
            }
        }
    }

    /// Removes what services that died have left in the engine.
    async fn sweep(&self) {
        let Ok(instance) = self.engine().instance() else { return };
        match instance.sweep().await {
            Ok(Swept { removed, unsure, .. }) => {
                if !removed.is_empty() {
                    tracing::info!(removed = removed.join(", "), "removed what a service that died had left");
                }
                if !unsure.is_empty() {
                    let instances = unsure.join(", ");
                    tracing::info!(
                        instances,
                        "services that cannot be seen from here may live; what is theirs was left"
                    );
                }
            }
            Err(error) => tracing::debug!(%error, "there is no engine to clean up"),
        }
    }

    /// Removes every container, volume and network of this service, after [`Service::stop`].
    pub async fn end_containers(&self) {
        let engine = self.engine();
        if !engine.is_used() {
            return;
        }
        let Ok(instance) = engine.instance() else { return };
        // A request that was under way when everything stopped may yet be carried out by the engine.
        let was_busy = engine.is_busy() || self.spawner().is_broken_off();
        loop {
            match instance.remove_all().await {
                Ok(swept) if swept.failed.is_empty() && swept.removed.is_empty() => break,
                Ok(swept) if !swept.failed.is_empty() => {
                    for (what, error) in swept.failed {
                        tracing::error!(what, %error, "cannot be removed, the next start will try again");
                    }
                    break;
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(%error, "cannot clean up, the next start will try again");
                    break;
                }
            }
        }
        if was_busy {
            tokio::time::sleep(LATE).await;
            if let Err(error) = instance.remove_all().await {
                tracing::error!(%error, "cannot clean up, the next start will try again");
            }
        }
    }
}
