//! The names under which Kubernetes knows storage policies: its storage classes are called as its resources may be.

use std::sync::Arc;

use vimsim_types::method::{PbmResolveK8sCompliantNames, PbmUpdateK8sCompliantNames};
use vimsim_types::views::PbmDuplicateName;
use vimsim_types::{Fault, View};

use super::{Manager, Profiles};
use crate::call::Call;

/// A policy's name as Kubernetes may have it: of small letters, digits, dots and dashes, with a letter or digit at each end.
pub(super) fn compliant(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for letter in name.chars().flat_map(char::to_lowercase) {
        match letter {
            'a'..='z' | '0'..='9' | '.' => text.push(letter),
            _ if text.ends_with('-') => {}
            _ => text.push('-'),
        }
    }
    if text.is_empty() || text.starts_with(['-', '.']) {
        text.insert(0, '0');
    }
    if text.ends_with(['-', '.']) {
        text.push('0');
    }
    text
}

/// Gives every policy a name for Kubernetes, if it has none, and the one for volumes that are bound late.
pub(super) fn resolve(call: &mut Call<'_, Manager>, _: PbmResolveK8sCompliantNames) -> Result<(), Fault> {
    let this = call.moref();
    for profile in Arc::make_mut(&mut call.private::<Profiles>(&this)?.all) {
        let name = profile.k8s_compliant_name().cloned().filter(|name| !name.is_empty());
        let name = name.unwrap_or_else(|| compliant(profile.name()).into());
        profile.set_k8s_compliant_name(&name);
        let late = format!("{name}-latebinding");
        if !profile.other_k8s_compliant_names().contains(&late) {
            profile.push_other_k8s_compliant_names(late);
        }
    }
    Ok(())
}

/// Gives a policy its name for Kubernetes, and others.
///
/// - `InvalidArgument` for a policy that there is not, or one that has another name; `PbmDuplicateName` if the name is among
///   the others.
pub(super) fn update(call: &mut Call<'_, Manager>, request: PbmUpdateK8sCompliantNames) -> Result<(), Fault> {
    let spec = request.k8s_compliant_name_spec();
    let this = call.moref();
    let all = Arc::make_mut(&mut call.private::<Profiles>(&this)?.all);
    let found = all.iter_mut().find(|profile| profile.profile_id().unique_id() == spec.profile_id());
    let profile = found.ok_or_else(|| {
        Fault::invalid_argument("k8sCompliantNameSpec.profileId", format!("there is no policy '{}'", spec.profile_id()))
    })?;
    let wanted = spec.k8s_compliant_name();
    if let Some(name) = profile.k8s_compliant_name().filter(|name| !name.is_empty() && *name != wanted) {
        let why = format!("the policy is called '{name}'");
        return Err(Fault::invalid_argument("k8sCompliantNameSpec.k8sCompliantName", why));
    }
    if spec.other_k8s_compliant_names().contains(wanted) {
        let detail = PbmDuplicateName::with(|fault| _ = fault.set_name(wanted));
        return Err(Fault::new(detail, format!("'{wanted}' is the name, and cannot be one of the others")));
    }
    profile.set_k8s_compliant_name(wanted);
    profile.set_other_k8s_compliant_names(spec.other_k8s_compliant_names().iter());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::compliant;

    #[test]
    fn names_are_what_kubernetes_takes() {
        for (name, expected) in [
            ("vSAN Default Storage Policy", "vsan-default-storage-policy"),
            ("VM Encryption Policy", "vm-encryption-policy"),
            (" -a..b_ ", "0-a..b-0"),
            ("", "0"),
        ] {
            assert_eq!(compliant(name), expected);
        }
    }
}
