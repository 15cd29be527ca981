//! `SsoAdminPrincipalManagementService`: the users and groups of single sign-on. It keeps the directory of them.

use std::collections::{BTreeMap, BTreeSet};

use vimsim_registry::{Snapshot, Transaction};
use vimsim_types::method::{
    SsoAddGroupToLocalGroup, SsoAddGroupsToLocalGroup, SsoAddUserToLocalGroup, SsoAddUsersToLocalGroup,
    SsoCreateLocalGroup, SsoCreateLocalPersonUser, SsoCreateLocalSolutionUser, SsoDeleteLocalPrincipal,
    SsoDisableUserAccount, SsoEnableUserAccount, SsoRemoveFromLocalGroup, SsoRemovePrincipalsFromLocalGroup,
    SsoResetLocalPersonUserPassword, SsoUpdateLocalGroupDetails, SsoUpdateLocalPersonUserDetails,
    SsoUpdateLocalSolutionUserDetails,
};
use vimsim_types::views::{
    DuplicateName, NotFound, SsoAdminGroup, SsoAdminGroupDetails, SsoAdminPersonDetails, SsoAdminPersonUser,
    SsoAdminPrincipalManagementService, SsoAdminSolutionDetails, SsoAdminSolutionUser, SsoAdminUser, SsoPrincipalId,
};
use vimsim_types::{Fault, Moref, View};

use crate::call::Call;
use crate::config::{Config, Credentials};
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<SsoAdminPrincipalManagementService> {
    Kind::new()
        .write(create_person)
        .write(create_solution)
        .write(create_group)
        .write(update_person)
        .write(update_solution)
        .write(update_group)
        .write(reset_password)
        .write(delete)
        .write(add_user)
        .write(add_users)
        .write(add_group)
        .write(add_groups)
        .write(remove_one)
        .write(remove_many)
        .write(disable)
        .write(enable)
}

/// Where the directory is kept.
pub(crate) fn moref() -> Moref {
    Moref::of::<SsoAdminPrincipalManagementService>("principalManagementService")
}

/// The domain of the users and groups that are kept here.
pub(crate) const SYSTEM_DOMAIN: &str = "vsphere.local";

/// The name of a user or group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) name: String,
    pub(crate) domain: String,
}

impl Name {
    pub(crate) fn of(id: &SsoPrincipalId) -> Self {
        Self { name: id.name().to_string(), domain: id.domain().to_string() }
    }

    /// `name@domain`, or a name of the system's own domain.
    pub(crate) fn parse(text: &str) -> Self {
        let (name, domain) = text.split_once('@').unwrap_or((text, SYSTEM_DOMAIN));
        Self { name: name.into(), domain: domain.into() }
    }

    pub(crate) fn id(&self) -> SsoPrincipalId {
        SsoPrincipalId::with(|id| _ = id.set_name(self.name.as_str()).set_domain(self.domain.as_str()))
    }

    fn not_found(&self) -> Fault {
        Fault::new(NotFound::new(), format!("there is no principal '{}@{}'", self.name, self.domain))
    }
}

#[derive(Clone)]
enum Account {
    Person(SsoAdminPersonDetails, String),
    Solution(SsoAdminSolutionDetails),
}

/// A user: a person or a service.
#[derive(Clone)]
pub(crate) struct User {
    account: Account,
    disabled: bool,
    /// What the user may do in single sign-on itself.
    pub(crate) roles: Vec<String>,
}

#[derive(Clone)]
struct Group {
    details: SsoAdminGroupDetails,
    members: BTreeSet<Name>,
}

/// The users and groups. Set up with the user that the service was started with when it is first changed.
#[derive(Clone, Default)]
pub(crate) struct Directory {
    begun: bool,
    users: BTreeMap<Name, User>,
    groups: BTreeMap<Name, Group>,
}

impl Directory {
    fn begin(config: &Config) -> Self {
        let (name, password) = match &config.credentials {
            Credentials::Any => ("user", "pass"),
            Credentials::Fixed { user, password } => (user.as_str(), password.as_str()),
        };
        let account = Account::Person(SsoAdminPersonDetails::new(), password.into());
        let user = User { account, disabled: false, roles: vec!["Administrator".into()] };
        Self { begun: true, users: [(Name::parse(name), user)].into(), groups: BTreeMap::new() }
    }

    pub(crate) fn users(&self) -> impl Iterator<Item = &Name> {
        self.users.keys()
    }

    pub(crate) fn groups(&self) -> impl Iterator<Item = &Name> {
        self.groups.keys()
    }

    pub(crate) fn user(&self, name: &Name) -> Option<SsoAdminUser> {
        let user = self.users.get(name)?;
        Some(SsoAdminUser::with(|shown| {
            let (kind, description) = match &user.account {
                Account::Person(details, _) => ("person", details.description()),
                Account::Solution(details) => ("solution", details.description()),
            };
            shown.set_id(name.id()).set_kind(kind).set_description(description);
        }))
    }

    pub(crate) fn person(&self, name: &Name) -> Option<SsoAdminPersonUser> {
        let user = self.users.get(name)?;
        let Account::Person(details, _) = &user.account else { return None };
        Some(SsoAdminPersonUser::with(|shown| {
            shown.set_id(name.id()).set_details(details.clone()).set_disabled(user.disabled).set_locked(false);
        }))
    }

    pub(crate) fn solution(&self, name: &Name) -> Option<SsoAdminSolutionUser> {
        let user = self.users.get(name)?;
        let Account::Solution(details) = &user.account else { return None };
        Some(SsoAdminSolutionUser::with(|shown| {
            shown.set_id(name.id()).set_details(details.clone()).set_disabled(user.disabled);
        }))
    }

    pub(crate) fn group(&self, name: &Name) -> Option<SsoAdminGroup> {
        let group = self.groups.get(name)?;
        Some(SsoAdminGroup::with(|shown| _ = shown.set_id(name.id()).set_details(group.details.clone())))
    }

    /// What is in a group; `NotFound` if there is none of this name.
    pub(crate) fn members(&self, name: &Name) -> Result<&BTreeSet<Name>, Fault> {
        self.groups.get(name).map(|group| &group.members).ok_or_else(|| name.not_found())
    }

    /// `NotFound` if there is no user of this name.
    pub(crate) fn expect_user(&self, name: &Name) -> Result<(), Fault> {
        self.users.get(name).map(drop).ok_or_else(|| name.not_found())
    }

    /// A user, to change; `NotFound` if there is none of this name.
    pub(crate) fn user_mut(&mut self, name: &Name) -> Result<&mut User, Fault> {
        self.users.get_mut(name).ok_or_else(|| name.not_found())
    }

    /// The groups that somebody is in, also by way of other groups.
    pub(crate) fn groups_of(&self, name: &Name) -> BTreeSet<Name> {
        let mut found = BTreeSet::new();
        let mut pending = vec![name.clone()];
        while let Some(member) = pending.pop() {
            for (group, _) in self.groups.iter().filter(|(_, group)| group.members.contains(&member)) {
                if found.insert(group.clone()) {
                    pending.push(group.clone());
                }
            }
        }
        found
    }

    fn insert_user(&mut self, name: &str, account: Account) -> Result<(), Fault> {
        let name = self.new_name(name)?;
        self.users.insert(name, User { account, disabled: false, roles: vec!["RegularUser".into()] });
        Ok(())
    }

    fn new_name(&self, name: &str) -> Result<Name, Fault> {
        let known = Name::parse(name);
        if known.name.is_empty() {
            return Err(Fault::invalid_argument("name", "it must not be empty"));
        }
        if self.users.contains_key(&known) || self.groups.contains_key(&known) {
            let detail = DuplicateName::with(|fault| _ = fault.set_name(name));
            return Err(Fault::new(detail, format!("there is a principal '{name}' already")));
        }
        Ok(known)
    }

    fn group_mut(&mut self, name: &str) -> Result<&mut Group, Fault> {
        let name = Name::parse(name);
        self.groups.get_mut(&name).ok_or_else(|| name.not_found())
    }

    /// Puts principals into a group: for each, whether it was not there before.
    fn add(&mut self, group: &str, ids: impl Iterator<Item = Name>) -> Result<Vec<bool>, Fault> {
        let (users, groups) = (self.users.clone(), self.groups.clone());
        let group = self.group_mut(group)?;
        let add = |name: Name| match users.contains_key(&name) || groups.contains_key(&name) {
            true => Ok(group.members.insert(name)),
            false => Err(name.not_found()),
        };
        ids.map(add).collect()
    }

    fn remove(&mut self, group: &str, ids: impl Iterator<Item = Name>) -> Result<Vec<bool>, Fault> {
        let group = self.group_mut(group)?;
        Ok(ids.map(|name| group.members.remove(&name)).collect())
    }
}

/// The directory, to look at.
pub(crate) fn directory(snapshot: &Snapshot, config: &Config) -> Directory {
    let kept = snapshot.object(&moref()).and_then(|object| object.private::<Directory>());
    kept.filter(|kept| kept.begun).cloned().unwrap_or_else(|| Directory::begin(config))
}

/// Whether the directory lets a person log in by this name and password; `None` if it does not know such a person.
pub(crate) fn lets_in(snapshot: &Snapshot, user: &str, password: &str) -> Option<bool> {
    let kept = snapshot.object(&moref())?.private::<Directory>()?;
    let user = kept.users.get(&Name::parse(user))?;
    match &user.account {
        Account::Person(_, known) => Some(!user.disabled && known == password),
        Account::Solution(_) => None,
    }
}

/// Whether the directory has a user of this name who may log in.
pub(crate) fn has_user(snapshot: &Snapshot, user: &str) -> bool {
    let kept = snapshot.object(&moref()).and_then(|object| object.private::<Directory>());
    kept.and_then(|kept| kept.users.get(&Name::parse(user))).is_some_and(|user| !user.disabled)
}

/// Changes the directory.
pub(crate) fn change<T, R>(
    call: &mut Call<'_, T>,
    change: impl FnOnce(&mut Directory) -> Result<R, Fault>,
) -> Result<R, Fault> {
    let service = call.context().service.clone();
    let transaction: &mut Transaction = call;
    let kept = transaction.private::<Directory>(&moref())?;
    if !kept.begun {
        *kept = Directory::begin(service.config());
    }
    change(kept)
}

type Service<'a> = Call<'a, SsoAdminPrincipalManagementService>;

/// Adds a person.
///
/// - `DuplicateName` if the name is taken; `InvalidArgument` for an empty one.
fn create_person(call: &mut Service<'_>, request: SsoCreateLocalPersonUser) -> Result<(), Fault> {
    let account = Account::Person(request.user_details().clone(), request.password().to_string());
    change(call, |directory| directory.insert_user(request.user_name(), account))
}

/// Adds a service.
///
/// - As [`create_person`].
fn create_solution(call: &mut Service<'_>, request: SsoCreateLocalSolutionUser) -> Result<(), Fault> {
    let account = Account::Solution(request.user_details().clone());
    change(call, |directory| directory.insert_user(request.user_name(), account))
}

/// Adds a group.
///
/// - As [`create_person`].
fn create_group(call: &mut Service<'_>, request: SsoCreateLocalGroup) -> Result<(), Fault> {
    change(call, |directory| {
        let name = directory.new_name(request.group_name())?;
        let group = Group { details: request.group_details().clone(), members: BTreeSet::new() };
        directory.groups.insert(name, group);
        Ok(())
    })
}

/// Changes what is said of a person; `NotFound` if there is none of this name.
fn update_person(call: &mut Service<'_>, request: SsoUpdateLocalPersonUserDetails) -> Result<(), Fault> {
    change(call, |directory| {
        let name = Name::parse(request.user_name());
        match &mut directory.user_mut(&name)?.account {
            Account::Person(details, _) => *details = request.user_details().clone(),
            Account::Solution(_) => return Err(name.not_found()),
        }
        Ok(())
    })
}

/// Changes what is said of a service; `NotFound` if there is none of this name.
fn update_solution(call: &mut Service<'_>, request: SsoUpdateLocalSolutionUserDetails) -> Result<(), Fault> {
    change(call, |directory| {
        let name = Name::parse(request.user_name());
        match &mut directory.user_mut(&name)?.account {
            Account::Solution(details) => *details = request.user_details().clone(),
            Account::Person(..) => return Err(name.not_found()),
        }
        Ok(())
    })
}

/// Changes what is said of a group; `NotFound` if there is none of this name.
fn update_group(call: &mut Service<'_>, request: SsoUpdateLocalGroupDetails) -> Result<(), Fault> {
    change(call, |directory| {
        directory.group_mut(request.group_name())?.details = request.group_details().clone();
        Ok(())
    })
}

/// Gives a person another password; `NotFound` if there is none of this name.
fn reset_password(call: &mut Service<'_>, request: SsoResetLocalPersonUserPassword) -> Result<(), Fault> {
    change(call, |directory| {
        let name = Name::parse(request.user_name());
        match &mut directory.user_mut(&name)?.account {
            Account::Person(_, password) => *password = request.new_password().to_string(),
            Account::Solution(_) => return Err(name.not_found()),
        }
        Ok(())
    })
}

/// Removes a user or group, also from all groups; `NotFound` if there is none of this name.
fn delete(call: &mut Service<'_>, request: SsoDeleteLocalPrincipal) -> Result<(), Fault> {
    change(call, |directory| {
        let name = Name::parse(request.principal_name());
        let is_user = directory.users.remove(&name).is_some();
        if !is_user && directory.groups.remove(&name).is_none() {
            return Err(name.not_found());
        }
        directory.groups.values_mut().for_each(|group| _ = group.members.remove(&name));
        Ok(())
    })
}

fn first(flags: Vec<bool>) -> bool {
    flags.first().copied().unwrap_or_default()
}

/// Puts a user into a group: whether it was not there before. `NotFound` if one of them is not there.
fn add_user(call: &mut Service<'_>, request: SsoAddUserToLocalGroup) -> Result<bool, Fault> {
    let name = Name::of(request.user_id());
    change(call, |directory| directory.add(request.group_name(), [name].into_iter())).map(first)
}

/// Puts users into a group, as [`add_user`] does.
fn add_users(call: &mut Service<'_>, request: SsoAddUsersToLocalGroup) -> Result<Vec<bool>, Fault> {
    change(call, |directory| directory.add(request.group_name(), request.user_ids().iter().map(Name::of)))
}

/// Puts a group into a group, as [`add_user`] does.
fn add_group(call: &mut Service<'_>, request: SsoAddGroupToLocalGroup) -> Result<bool, Fault> {
    let name = Name::of(request.group_id());
    change(call, |directory| directory.add(request.group_name(), [name].into_iter())).map(first)
}

/// Puts groups into a group, as [`add_user`] does.
fn add_groups(call: &mut Service<'_>, request: SsoAddGroupsToLocalGroup) -> Result<Vec<bool>, Fault> {
    change(call, |directory| directory.add(request.group_name(), request.group_ids().iter().map(Name::of)))
}

/// Takes a principal out of a group: whether it was there. `NotFound` if there is no such group.
fn remove_one(call: &mut Service<'_>, request: SsoRemoveFromLocalGroup) -> Result<bool, Fault> {
    let name = Name::of(request.principal_id());
    change(call, |directory| directory.remove(request.group_name(), [name].into_iter())).map(first)
}

/// Takes principals out of a group, as [`remove_one`] does.
fn remove_many(call: &mut Service<'_>, request: SsoRemovePrincipalsFromLocalGroup) -> Result<Vec<bool>, Fault> {
    change(call, |directory| directory.remove(request.group_name(), request.principals_ids().iter().map(Name::of)))
}

fn set_disabled(call: &mut Service<'_>, id: &SsoPrincipalId, disabled: bool) -> Result<bool, Fault> {
    change(call, |directory| {
        let user = directory.user_mut(&Name::of(id))?;
        Ok(std::mem::replace(&mut user.disabled, disabled) != disabled)
    })
}

/// Keeps a user from logging in: whether that changed anything. `NotFound` if there is none of this name.
fn disable(call: &mut Service<'_>, request: SsoDisableUserAccount) -> Result<bool, Fault> {
    set_disabled(call, request.user_id(), true)
}

/// Lets a user log in again: whether that changed anything. `NotFound` if there is none of this name.
fn enable(call: &mut Service<'_>, request: SsoEnableUserAccount) -> Result<bool, Fault> {
    set_disabled(call, request.user_id(), false)
}
