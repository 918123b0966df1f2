//! How a queue ends that other threads still push to. Called by `queue`, once; knows nothing of
//! what is in it.

use super::bounded::ArrayQueue;

/// Fills the queue with plugs (`None`) until it holds nothing else: from then on every push fails.
/// What was pushed before is handed to `each`.
pub(crate) fn plug<T>(queue: &ArrayQueue<Option<T>>, mut each: impl FnMut(T)) {
    let mut plugs = 0;
    while plugs < queue.capacity() {
        match queue.push(None) {
            Ok(()) => plugs += 1,
            Err(_) => match queue.pop() {
                Some(Some(item)) => each(item),
                Some(None) => plugs -= 1,
                None => {}
            },
        }
    }
}
