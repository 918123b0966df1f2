//! Jobs that keep pace with each other: fio's `flow`.
//!
//! Owns the count of requests of all jobs of one flow, and the rule: a job whose share of the
//! requests is above its share of the weights waits. It makes nobody wait itself; `lane` does.
//! One group per `flow_id`, shared by the threads of its jobs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the jobs of one flow share. Relaxed throughout: each number stands alone, and a job that
/// sees a request of another one later issues its own a moment sooner.
#[derive(Debug, Default)]
pub(crate) struct FlowGroup {
    weight: AtomicU64,
    requests: AtomicU64,
}

/// One job's part in a flow. Others do not wait for it before it has begun, nor after its end.
#[derive(Debug)]
pub(crate) struct FlowShare {
    group: Arc<FlowGroup>,
    weight: u64,
    requests: u64,
    begun: bool,
}

impl FlowShare {
    /// The part of a job with this weight.
    pub(crate) fn new(group: Arc<FlowGroup>, weight: u64) -> FlowShare {
        FlowShare { group, weight, requests: 0, begun: false }
    }

    /// From now on the others take it into account.
    pub(crate) fn begin(&mut self) {
        if !self.begun {
            self.begun = true;
            self.group.weight.fetch_add(self.weight, Ordering::Relaxed);
        }
    }

    /// Takes note of a request, unless the job is ahead of the others: then it has to wait.
    pub(crate) fn admit(&mut self) -> bool {
        let all = u128::from(self.group.requests.load(Ordering::Relaxed));
        let weights = u128::from(self.group.weight.load(Ordering::Relaxed));
        if u128::from(self.requests) * weights > u128::from(self.weight) * all {
            return false;
        }
        self.requests += 1;
        self.group.requests.fetch_add(1, Ordering::Relaxed);
        true
    }
}

impl Drop for FlowShare {
    fn drop(&mut self) {
        if self.begun {
            self.group.weight.fetch_sub(self.weight, Ordering::Relaxed);
            self.group.requests.fetch_sub(self.requests, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_shared_by_weight_and_who_is_alone_never_waits() {
        let group = Arc::new(FlowGroup::default());
        let mut shares = [1, 8].map(|weight| FlowShare::new(Arc::clone(&group), weight));
        shares.iter_mut().for_each(FlowShare::begin);
        let mut admitted = [0_u32; 2];
        for _ in 0..9_000 {
            for (share, count) in shares.iter_mut().zip(&mut admitted) {
                *count += u32::from(share.admit());
            }
        }
        assert!((7..=9).contains(&(admitted[1] / admitted[0])), "{admitted:?}");
        let [mut last, gone] = shares;
        drop(gone);
        assert!((0..1000).all(|_| last.admit()), "the others have ended");
    }
}
