//! Micro-texture of the face: what paper, a second lens and a second sampling flatten.
//!
//! Local binary patterns (Ojala, Pietikäinen and Mäenpää, 2002) compare a pixel with its eight neighbours; their
//! histogram tells prints from faces (Määttä, Hadid and Pietikäinen, "Face spoofing detection from single images using
//! micro-texture analysis", 2011). Of that histogram one bin is left here, which survives a call's compression and
//! needs no training: the share of pixels in the middle of the face without any brighter neighbour. It counts small
//! spots and flats: a print's narrow range of tones has more of them, but so have dim pictures, and skin differs; hence
//! a weak cue.

use super::sight::SQUARE as SIDE;

/// The cue's state.
#[derive(Default)]
pub(super) struct Texture {
    sum: f32,
    frames: u32,
}

impl Texture {
    /// Adds a square of luma.
    pub fn observe(&mut self, square: &[f32]) {
        let mut flat = 0_u32;
        for rows in square.windows(3 * SIDE).step_by(SIDE) {
            let (above, rest) = rows.split_at(SIDE);
            let (middle, below) = rest.split_at(SIDE);
            for ((a, m), b) in above.windows(3).zip(middle.windows(3)).zip(below.windows(3)) {
                let most = a[0].max(a[1]).max(a[2]).max(m[0]).max(m[2]).max(b[0]).max(b[1]).max(b[2]);
                flat += u32::from(most <= m[1]);
            }
        }
        self.sum += flat as f32 / ((SIDE - 2) * (SIDE - 2)) as f32;
        self.frames += 1;
    }

    /// Mean over frames, 0..1.
    pub fn value(&self) -> Option<f32> {
        (self.frames > 0).then(|| self.sum / self.frames as f32)
    }
}
