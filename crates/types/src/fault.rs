//! Faults: what a method answers when it cannot do what it was asked.

use std::fmt;

use arcstr::ArcStr;

use crate::object::Object;
use crate::view::View;
use crate::views;

/// A typed vim25 fault with a message for people. The message is never empty.
#[derive(Clone, PartialEq)]
pub struct Fault {
    detail: Object,
    message: ArcStr,
}

impl Fault {
    /// A fault of this type, with its message.
    pub fn new<F: View>(detail: F, message: impl Into<ArcStr>) -> Self {
        const { assert!(views::MethodFault::TYPE.0 <= F::TYPE.0 && F::TYPE.0 <= views::MethodFault::LAST.0) }
        Self::from_object(detail.into(), message)
    }

    /// The fault of a `MethodFault` object; an empty message is replaced by the type's own.
    pub fn from_object(detail: Object, message: impl Into<ArcStr>) -> Self {
        let message: ArcStr = message.into();
        let message = if message.is_empty() { default_message(&detail).into() } else { message };
        Self { detail, message }
    }

    /// The typed fault.
    pub fn detail(&self) -> &views::MethodFault {
        views::MethodFault::from_ref(&self.detail)
            .unwrap_or_else(|| views::MethodFault::from_ref_unchecked(&self.detail))
    }

    /// What went wrong, for people.
    pub fn message(&self) -> &ArcStr {
        &self.message
    }

    /// Whether the fault is of this type or derived from it.
    pub fn is<F: View>(&self) -> bool {
        self.detail.is::<F>()
    }

    /// The fault as it stands in a property: with its message beside it.
    pub fn localized(&self) -> views::LocalizedMethodFault {
        views::LocalizedMethodFault::with(|localized| {
            localized.as_object_mut().set(views::LocalizedMethodFault::FAULT, self.detail.clone().into());
            localized.set_localized_message(&self.message);
        })
    }

    /// `InvalidArgument`: the named property or parameter is not correct.
    pub fn invalid_argument(property: &str, why: impl fmt::Display) -> Self {
        let detail = views::InvalidArgument::with(|fault| {
            fault.set_invalid_property(property);
        });
        Self::new(detail, format!("A specified parameter was not correct: {property}: {why}"))
    }

    /// `InvalidRequest`: the request itself cannot be understood.
    pub fn invalid_request(why: impl fmt::Display) -> Self {
        Self::new(views::InvalidRequest::new(), why.to_string())
    }
}

/// The fault's own message, where none was given: what vCenter's English catalogue says for common ones, or else the name.
fn default_message(detail: &Object) -> String {
    let text = |name: &str| detail.field(name).text().unwrap_or_default().to_string();
    let reference = |name: &str| detail.field(name).moref().map_or_else(String::new, |moref| moref.to_string());
    match detail.kind().name() {
        "InvalidArgument" => format!("A specified parameter was not correct: {}", text("invalidProperty")),
        "ManagedObjectNotFound" => {
            format!("The object '{}' has already been deleted or has not been completely created", reference("obj"))
        }
        "NotAuthenticated" => "The session is not authenticated.".into(),
        "NoPermission" => "Permission to perform this operation was denied.".into(),
        "InvalidLogin" => "Cannot complete login due to an incorrect user name or password.".into(),
        "InvalidProperty" => format!("The property '{}' is not valid.", text("name")),
        "DuplicateName" => format!("The name '{}' already exists.", text("name")),
        "InvalidName" => format!("The name '{}' is not valid.", text("name")),
        "NotSupported" => "The operation is not supported on the object.".into(),
        "InvalidState" => "The operation is not allowed in the current state.".into(),
        "ResourceInUse" => format!("The resource '{}' is in use.", text("name")),
        "NotFound" => "The object or item referred to could not be found.".into(),
        "AlreadyExists" => format!("The specified key, name, or identifier '{}' already exists.", text("name")),
        "InvalidCollectorVersion" => "The version is not one that this property collector returned.".into(),
        "RequestCanceled" => "The task was canceled by a user.".into(),
        "InvalidFolder" => format!("The folder '{}' cannot be used here.", reference("target")),
        "InvalidPowerState" => {
            format!("The attempted operation cannot be performed in the current state ({}).", text("existingState"))
        }
        name => format!("The operation failed: {name}"),
    }
}

impl<F: View> From<F> for Fault {
    fn from(detail: F) -> Self {
        Self::new(detail, "")
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.detail.kind().name(), self.message)
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Fault {}
