//! What `facegestures` attaches.

use std::time::{Duration, Instant};

use vision_core::gestures::{Phase, SequenceState};

use crate::meta::{Meta, Payload};

/// How far the challenge is at a picture.
///
/// The meta `VisionGestureMeta` has these fields:
///
/// | field | type | |
/// |---|---|---|
/// | `state` | string | `waiting` (nobody was seen yet), `running`, `completed` or `failed` |
/// | `gesture` | string | id of the gesture that is asked for; of the first before, of the last afterwards |
/// | `label` | string | what its file says that is asked |
/// | `index`, `total` | guint | its place, from 0, and how many there are |
/// | `step`, `steps` | guint | the step that has to be passed next, from 0 (`steps` when it is done), and how many it has |
/// | `signal` | string | what is watched, such as `jawOpen` or `Transformation Yaw` |
/// | `value` | gfloat | its value in the last picture with a face; missing before the first one |
/// | `level` | gfloat | the same between the least (0) and the greatest (1) usual value; missing with `value` |
/// | `progress` | gfloat | 0..1: how much of all steps of all gestures is passed |
/// | `ends` | guint64 | running time in nanoseconds at which the gesture's time is over; missing without a limit |
/// | `time-limit` | guint64 | the gesture's whole time in nanoseconds; missing without a limit |
#[derive(Clone, Debug)]
pub struct GestureState {
    /// The sequence.
    pub sequence: SequenceState,
    /// Running time 0 on the clock that [`SequenceState::limit`] is on.
    pub epoch: Instant,
}

/// A [`GestureState`] on a buffer.
pub type GestureMeta = Meta<GestureState>;

impl GestureState {
    /// Running time at which the gesture's time is over, and how long it is in all.
    pub fn limit(&self) -> Option<(Duration, Duration)> {
        self.sequence.limit.map(|(ends, limit)| (ends.saturating_duration_since(self.epoch), limit))
    }

    /// How much of all steps of all gestures is passed, 0..1.
    pub fn progress(&self) -> f32 {
        let SequenceState { phase, index, total, step, .. } = self.sequence;
        if phase == Phase::Completed {
            return 1.0;
        }
        let steps = self.sequence.gesture.steps.len().max(1);
        (index as f32 + step as f32 / steps as f32) / total.max(1) as f32
    }

    /// The signal between its least (0) and greatest (1) usual value.
    pub fn level(&self) -> Option<f32> {
        let [low, high] = self.sequence.gesture.signal.scale();
        self.sequence.value.map(|value| ((value - low) / (high - low)).clamp(0.0, 1.0))
    }
}

/// The phase's name in meta and messages.
fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Waiting => "waiting",
        Phase::Running => "running",
        Phase::Completed => "completed",
        Phase::Failed => "failed",
    }
}

impl Payload for GestureState {
    const NAME: &'static str = "VisionGestureMeta";

    fn describe(&self, structure: &mut gst::StructureRef) {
        let SequenceState { phase, gesture, index, total, step, value, .. } = &self.sequence;
        structure.set("state", name(*phase));
        structure.set("gesture", &gesture.id);
        structure.set("label", &gesture.label);
        structure.set("index", *index as u32);
        structure.set("total", *total as u32);
        structure.set("step", *step as u32);
        structure.set("steps", gesture.steps.len() as u32);
        structure.set("signal", gesture.signal.key());
        structure.set("progress", self.progress());
        if let (Some(value), Some(level)) = (value, self.level()) {
            structure.set("value", *value);
            structure.set("level", level);
        }
        if let Some((ends, limit)) = self.limit() {
            structure.set("ends", ends.as_nanos() as u64);
            structure.set("time-limit", limit.as_nanos() as u64);
        }
    }
}
