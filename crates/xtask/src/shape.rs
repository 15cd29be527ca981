//! How fields look in Rust.

/// How a field looks in Rust.
pub(crate) enum Shape {
    Scalar(&'static str, &'static str),
    Text,
    Binary,
    Any,
    Enum(String),
    Moref,
    View(String),
}

impl Shape {
    /// The `Slot` to read it with.
    pub(crate) fn read(&self) -> String {
        match self {
            Shape::Scalar(rust, _) => rust.to_string(),
            Shape::Text => "ArcStr".into(),
            Shape::Binary => "Vec<u8>".into(),
            Shape::Any => "Value".into(),
            Shape::Enum(rust) => format!("Choice<{rust}>"),
            Shape::Moref => "Moref".into(),
            Shape::View(rust) => rust.clone(),
        }
    }

    /// What reading gives.
    pub(crate) fn get(&self) -> String {
        match self {
            Shape::Scalar(rust, _) => rust.to_string(),
            Shape::Text => "&ArcStr".into(),
            Shape::Binary => "&[u8]".into(),
            Shape::Any => "&Value".into(),
            Shape::Enum(rust) => rust.clone(),
            Shape::Moref => "Moref".into(),
            Shape::View(rust) => format!("&{rust}"),
        }
    }

    /// For a list's items: the bound on what is taken, and the expression that makes `item` a `Value`.
    pub(crate) fn item(&self) -> (String, String) {
        match self {
            Shape::Scalar(rust, variant) => (format!("Into<{rust}>"), format!("Value::{variant}(item.into())")),
            Shape::Text => ("IntoText".into(), "text_value(item)".into()),
            Shape::Binary => ("Into<Vec<u8>>".into(), "Value::Binary(item.into().into())".into()),
            Shape::Any => ("Into<Value>".into(), "item.into()".into()),
            Shape::Enum(rust) => (format!("Into<{rust}>"), "enum_value(item.into())".into()),
            Shape::Moref => ("Into<Moref>".into(), "Value::from(item.into())".into()),
            Shape::View(rust) => ("AnyView".into(), format!("view_value::<{rust}, A>(item)")),
        }
    }
}
