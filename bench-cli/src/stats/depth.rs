//! What an adaptive depth came to, and how. Asked of the engine by `job_thread`, written by
//! `report`.

use iomill_engine::depth::Decision;
use iomill_engine::{DepthStatus, Engine};

/// The end and the last steps.
#[derive(Clone, Debug)]
pub(crate) struct DepthStory {
    pub(crate) status: DepthStatus,
    pub(crate) decisions: Vec<Decision>,
}

impl DepthStory {
    /// Of this engine; `None` if its depth is fixed.
    pub(crate) fn of(engine: &Engine) -> Option<DepthStory> {
        Some(DepthStory { status: engine.depth_status()?, decisions: engine.depth_trace() })
    }
}
