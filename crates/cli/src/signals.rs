//! What asks us to stop: SIGINT, SIGTERM, SIGHUP, and standard input if it was told to.

use std::io::Read;

use tokio::sync::mpsc;

/// Requests to stop, in the order they arrive.
pub(crate) struct StopRequests {
    sender: mpsc::UnboundedSender<()>,
    receiver: mpsc::UnboundedReceiver<()>,
}

impl StopRequests {
    /// Takes over the signals from here on.
    pub(crate) fn listen() -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::unbounded_channel();
        spawn_signals(&sender)?;
        Ok(Self { sender, receiver })
    }

    /// Takes one byte, or the end, of standard input as a request too.
    ///
    /// The read blocks and cannot be cancelled, so it has a thread that nobody waits for.
    pub(crate) fn listen_to_stdin(&self) {
        let sender = self.sender.clone();
        std::thread::spawn(move || {
            let _ = std::io::stdin().read(&mut [0]);
            let _ = sender.send(());
        });
    }

    /// Waits for the next request.
    pub(crate) async fn next(&mut self) {
        self.receiver.recv().await.expect("we hold a sender ourselves");
    }
}

#[cfg(unix)]
fn spawn_signals(sender: &mpsc::UnboundedSender<()>) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate()];
    // A terminal that goes away takes us along, and what we have made; unless `nohup` or its like has said otherwise.
    if !is_hangup_ignored() {
        kinds.push(SignalKind::hangup());
    }
    for kind in kinds {
        let mut signal = signal(kind)?;
        let sender = sender.clone();
        tokio::spawn(async move { while signal.recv().await.is_some() && sender.send(()).is_ok() {} });
    }
    Ok(())
}

/// Whether we were started to outlive our terminal. Where `/proc` does not say, we were.
#[cfg(unix)]
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // SIGHUP is the first.
    ignored.is_none_or(|mask| mask & 1 != 0)
}

#[cfg(not(unix))]
fn spawn_signals(sender: &mpsc::UnboundedSender<()>) -> std::io::Result<()> {
    let sender = sender.clone();
    tokio::spawn(async move { while tokio::signal::ctrl_c().await.is_ok() && sender.send(()).is_ok() {} });
    Ok(())
}
