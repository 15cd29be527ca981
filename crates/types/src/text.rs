//! What a setter of a string property takes.

use arcstr::ArcStr;

/// Text for a string property; `None` unsets it.
pub trait IntoText {
    /// The shared string, if there is one.
    fn into_text(self) -> Option<ArcStr>;
}

impl IntoText for ArcStr {
    fn into_text(self) -> Option<ArcStr> {
        Some(self)
    }
}

impl IntoText for &ArcStr {
    fn into_text(self) -> Option<ArcStr> {
        Some(self.clone())
    }
}

impl IntoText for &str {
    fn into_text(self) -> Option<ArcStr> {
        Some(self.into())
    }
}

impl IntoText for String {
    fn into_text(self) -> Option<ArcStr> {
        Some(self.into())
    }
}

impl IntoText for &String {
    fn into_text(self) -> Option<ArcStr> {
        Some(self.as_str().into())
    }
}

impl<T: IntoText> IntoText for Option<T> {
    fn into_text(self) -> Option<ArcStr> {
        self.and_then(IntoText::into_text)
    }
}
