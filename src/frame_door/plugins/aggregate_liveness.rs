//! `AggregateLiveness`: liveness is told from the mean of the last `framesCount` frames that came as far.
//!
//! A single frame below the threshold does not fail then, and a single one above it does not pass.

use std::collections::VecDeque;

use serde_json::{Value, json};
use vision_core::liveness::frame_checks::{Code, Thresholds};

use super::{CONTINUE, Configured, Opening, Plugin, Seen, Shared, Word};
use crate::frame_door::protocol::SessionId;
use crate::frame_door::settings::reader::Reader;

/// `[MIDDLEWARES.WS.AggregateLiveness]`.
#[derive(Debug)]
pub struct Settings {
    /// `args.framesCount`, 1..100: liveness is told of so many frames together.
    pub frames: u32,
}

impl Configured for Settings {
    fn read(file: &mut Reader) -> Option<Self> {
        let args = file.plugin("WS", "AggregateLiveness", false)?;
        Some(Self { frames: file.within(&args, "framesCount", 1.0, 100.0).map_or(3, |count| count as u32) })
    }

    fn open(&self, shared: &Shared) -> Opening {
        let (frames, thresholds) = (self.frames, shared.thresholds.clone());
        Ok(Some(Box::new(move |_: SessionId| AggregateLiveness::new(frames, &thresholds))))
    }
}

/// The plug-in.
pub struct AggregateLiveness {
    count: usize,
    threshold: f32,
    scores: VecDeque<f32>,
}

impl AggregateLiveness {
    /// `count`: `framesCount`.
    pub fn new(count: u32, thresholds: &Thresholds) -> Self {
        Self { count: count.max(1) as usize, threshold: thresholds.liveness_score, scores: VecDeque::new() }
    }

    fn mean(&self) -> f32 {
        self.scores.iter().sum::<f32>() / self.scores.len() as f32
    }
}

impl Plugin for AggregateLiveness {
    fn frame(&mut self, seen: &Seen<'_>, so_far: Word) -> Word {
        if let Some(liveness) = seen.status.details.liveness {
            self.scores.truncate(self.count - 1);
            self.scores.push_front(liveness.score);
        }
        // everything else that is wrong comes first
        if !so_far.is_only(&[Code::Liveness]) {
            return so_far;
        }
        if self.scores.len() < self.count {
            return Word::Wait(vec![CONTINUE]);
        }
        match self.mean() >= self.threshold {
            true => Word::Content,
            false => Word::Wait(vec![Code::Liveness.number()]),
        }
    }

    fn finding(&self) -> Option<(&'static str, Value)> {
        let mean = (!self.scores.is_empty()).then(|| self.mean());
        Some(("aggregateLiveness", json!({ "score": mean, "frames": self.scores.len() })))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Frames, with_liveness};
    use super::*;

    fn said(scores: &[f32]) -> Vec<Vec<u16>> {
        let mut plugin = AggregateLiveness::new(3, &Thresholds::default());
        let frames = Frames::default();
        let statuses = scores.iter().map(|score| with_liveness(*score, 0.9));
        statuses.map(|status| plugin.frame(&frames.seen(&status), Word::of(&status)).errors()).collect()
    }

    #[test]
    fn so_many_frames_decide_together() {
        assert_eq!(said(&[0.9, 0.9, 0.9]), [vec![37], vec![37], vec![]]);
        assert_eq!(said(&[0.9, 0.9, 0.3]), [vec![37], vec![37], vec![]], "one below the threshold does not fail");
        assert_eq!(said(&[0.2, 0.2, 0.9, 0.9, 0.9])[2..], [vec![32], vec![], vec![]], "the last three count");
    }

    #[test]
    fn what_else_is_wrong_comes_first() {
        let mut plugin = AggregateLiveness::new(1, &Thresholds::default());
        let (frames, status) = (Frames::default(), with_liveness(0.9, 0.9));
        let blurred = Word::Wait(vec![3]);
        assert_eq!(plugin.frame(&frames.seen(&status), blurred.clone()), blurred);
    }
}
