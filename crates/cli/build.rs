//! How the binary is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| std::env::var(format!("CARGO_CFG_TARGET_{name}")).is_ok_and(|it| it == value);
    // The tables of the schema are full of pointers. A program that can be loaded anywhere has to correct them all at each
    // start: two megabytes to read, and as much to write, which each process then has for itself.
    if is("OS", "linux") && is("ENV", "gnu") {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
}
