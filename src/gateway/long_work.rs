//! Work that takes long for its bytes: done so that the streams of the same thread do not wait for it.
//! A thread serves hundreds of streams. Reading a request of some hundred KiB takes milliseconds, in which each of them
//! could have had its token.

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;

/// From here on work is worth a change of threads, which takes some microseconds. It goes over each byte several times, at
/// some ten nanoseconds in all.
const LONG_BYTES: usize = 1 << 16;

/// Does what goes over so many bytes. The thread's other tasks go on meanwhile, where its runtime has a thread for them.
pub fn over<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    let has_others =
        || Handle::try_current().is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread);
    if bytes >= LONG_BYTES && has_others() { block_in_place(work) } else { work() }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn the_only_thread_serves_others_while_one_request_is_read() {
        let (tell, told) = mpsc::channel();
        let reading = tokio::spawn(async move {
            // It takes until another task of the same thread has run.
            tokio::spawn(async move { tell.send(()).unwrap() });
            over(LONG_BYTES, || told.recv_timeout(Duration::from_secs(30)))
        });
        assert_eq!(reading.await.unwrap(), Ok(()));
    }

    #[tokio::test]
    async fn where_there_is_no_other_thread_it_is_done_all_the_same() {
        assert_eq!(over(LONG_BYTES, || 1), 1);
        assert_eq!(over(0, || 2), 2);
    }
}
