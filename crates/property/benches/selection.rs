//! Times what a property collector does on a large inventory.
fn main() {}
