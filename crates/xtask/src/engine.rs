//! The container engine: whether there is one, and the images that are built in it.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::{process, root};

/// The tests that need an engine are in modules of this name.
pub(crate) const TESTS: &str = "with_engine";

/// Says which engine there is. Without one, says how many tests are not run, which in CI is a failure.
pub(crate) fn look() -> Result<bool> {
    let found = helper(&[])?;
    let words = String::from_utf8_lossy(&found.stderr).trim().to_owned();
    if found.status.success() {
        eprintln!("engine: {words}");
        return Ok(true);
    }
    if std::env::var_os("CI").is_some() {
        bail!("CI needs an engine: {words}");
    }
    let list = ["test", "--quiet", "--workspace", "--", "--list", TESTS];
    let listed = process("cargo", &list).output()?;
    let count = String::from_utf8_lossy(&listed.stdout).lines().filter(|line| line.ends_with(": test")).count();
    eprintln!("engine: none, {count} tests not run: {words}");
    Ok(false)
}

/// Builds `vimsim-simhost` and `vimsim`, without a network. The service's binary is linked statically, from the libraries that
/// other builds use, too.
pub(crate) fn images(release: bool) -> Result<()> {
    let simhost = stage("simhost")?;
    let busybox = "/bin/busybox";
    std::fs::copy(busybox, simhost.join("busybox"))
        .with_context(|| format!("{busybox} is needed, a static one (Debian: busybox-static)"))?;
    build("vimsim-simhost", &simhost)?;

    let mut arguments = vec!["rustc", "--quiet", "--package", "vimsim-cli", "--bin", "vimsim"];
    arguments.extend(release.then_some("--release"));
    // Static, and at a fixed place as `crates/cli/build.rs` has it: with one but not the other, it would ask for a loader.
    arguments.extend(["--", "-C", "target-feature=+crt-static", "-C", "relocation-model=static"]);
    if !process("cargo", &arguments).status()?.success() {
        bail!("cargo {} failed", arguments.join(" "));
    }
    let service = stage("vimsim")?;
    let profile = if release { "release" } else { "debug" };
    std::fs::copy(root().join("target").join(profile).join("vimsim"), service.join("vimsim"))?;
    std::fs::create_dir_all(service.join("tmp"))?;
    build("vimsim", &service)?;
    let tried = helper(&["try", "vimsim", "version"])?;
    if !tried.status.success() {
        bail!("the image vimsim does not run: {}", String::from_utf8_lossy(&tried.stderr).trim());
    }
    Ok(())
}

/// A fresh copy of a folder of `docker/`.
fn stage(name: &str) -> Result<std::path::PathBuf> {
    let staged = root().join("target/images").join(name);
    std::fs::create_dir_all(&staged)?;
    std::fs::remove_dir_all(&staged)?;
    copy(&root().join("docker").join(name), &staged)?;
    Ok(staged)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            std::fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

fn build(image: &str, folder: &Path) -> Result<()> {
    let built = helper(&["build", image, &folder.to_string_lossy()])?;
    let words = String::from_utf8_lossy(&built.stderr).trim().to_owned();
    if !built.status.success() {
        bail!("cannot build {image}: {words}");
    }
    eprintln!("{words}");
    Ok(())
}

/// The program that talks to the engine.
fn helper(arguments: &[&str]) -> Result<std::process::Output> {
    let program = ["run", "--quiet", "--package", "vimsim-container", "--example", "engine", "--"];
    Ok(process("cargo", &[&program, arguments].concat()).output()?)
}
