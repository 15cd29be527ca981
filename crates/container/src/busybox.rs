//! An image without a registry: this machine's busybox.

use crate::{Archive, Engine, Result, RuntimeError};

/// Where Debian's busybox-static has its one file.
const BUSYBOX: &str = "/bin/busybox";

impl Engine {
    /// Makes an image of this machine's static busybox, for tests and for machines that reach no registry. Its command sleeps
    /// until it is asked to stop. `Image` if there is no busybox, which Debian has in the package busybox-static.
    pub async fn import_busybox(&self, image: &str) -> Result<()> {
        let busybox = std::fs::read(BUSYBOX).map_err(|error| RuntimeError::Image {
            image: image.into(),
            message: format!("{BUSYBOX}: {error}; install busybox-static"),
        })?;
        if !is_static(&busybox) {
            let message = format!("{BUSYBOX} needs libraries; install busybox-static");
            return Err(RuntimeError::Image { image: image.into(), message });
        }
        let folders = ["bin", "dev", "etc", "proc", "root", "sys", "usr", "usr/bin", "var", "vmfs"];
        let archive = folders.into_iter().fold(Archive::new(), |archive, folder| archive.directory(folder, 0o755));
        let archive = archive
            .directory("tmp", 0o1777)
            .file("etc/passwd", 0o644, "root:x:0:0:root:/root:/bin/sh\nguest:x:1000:1000:guest:/tmp:/bin/sh\n")
            .file("etc/group", 0o644, "root:x:0:\nguest:x:1000:\n")
            .file("bin/bash", 0o755, "#!/bin/sh\nexec /bin/sh \"$@\"\n")
            .file("bin/busybox", 0o755, busybox);
        let archive = APPLETS.iter().fold(archive, |archive, applet| archive.link(&format!("bin/{applet}"), "busybox"));
        let sleep = r#"CMD ["sh", "-c", "trap 'exit 0' TERM; sleep infinity & wait"]"#;
        self.import_image(image, archive.finish()?, &[sleep]).await
    }
}

/// What busybox can be called as, as far as it is of use here.
const APPLETS: &[&str] = &[
    "ash",
    "awk",
    "base64",
    "cat",
    "chgrp",
    "chmod",
    "chown",
    "cp",
    "cut",
    "date",
    "dd",
    "df",
    "dirname",
    "dmesg",
    "echo",
    "env",
    "false",
    "find",
    "free",
    "grep",
    "gunzip",
    "gzip",
    "head",
    "hostname",
    "httpd",
    "id",
    "ifconfig",
    "ip",
    "kill",
    "ln",
    "ls",
    "md5sum",
    "mkdir",
    "mktemp",
    "mount",
    "mv",
    "nc",
    "netstat",
    "nslookup",
    "ping",
    "printenv",
    "ps",
    "pwd",
    "readlink",
    "rm",
    "rmdir",
    "route",
    "sed",
    "seq",
    "sh",
    "sha256sum",
    "sleep",
    "sort",
    "stat",
    "sync",
    "tail",
    "tar",
    "test",
    "touch",
    "tr",
    "true",
    "truncate",
    "uname",
    "uniq",
    "uptime",
    "vi",
    "wc",
    "wget",
    "which",
    "whoami",
    "xargs",
];

/// Whether a 64-bit program for Linux asks for no interpreter (`PT_INTERP`), as those do that need libraries.
fn is_static(program: &[u8]) -> bool {
    let number = |at: usize, length: usize| {
        let bytes = program.get(at..at + length)?;
        Some(bytes.iter().rev().fold(0_usize, |number, byte| number << 8 | usize::from(*byte)))
    };
    let (Some(table), Some(size), Some(count)) = (number(0x20, 8), number(0x36, 2), number(0x38, 2)) else {
        return false;
    };
    program.starts_with(b"\x7fELF") && (0..count).all(|index| number(table + index * size, 4) != Some(3))
}
