//! Memory that was given back to the allocator, given back to the system.

use std::thread;
use std::time::Duration;

/// Takes less time and memory for the many small objects that an inventory is than the allocator of the C library.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How often the allocator is asked for what has been free for long enough, which for it is a second.
const PERIOD: Duration = Duration::from_secs(1);

/// Has a thread return what is free. The allocator does so by itself only when somebody allocates: after a large answer, a
/// service that nobody calls would keep several times what it needs.
pub(crate) fn return_what_is_free() {
    let collect = || loop {
        thread::sleep(PERIOD);
        // SAFETY: it may be called at any time and by any thread, and takes nothing.
        #[allow(unsafe_code)]
        unsafe {
            libmimalloc_sys::mi_collect(false);
        }
    };
    // Without the thread, all goes on as before.
    if let Err(error) = thread::Builder::new().name("memory".into()).spawn(collect) {
        tracing::warn!(%error, "cannot start a thread that returns free memory");
    }
}
