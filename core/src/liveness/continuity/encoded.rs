//! What the first bytes of an encoded frame tell of its encoder.
//!
//! Of VP8 the frame's quantiser: it stands in the frame header (RFC 6386, 9.2 to 9.6, in order in 19.2), which is
//! written with the boolean coder of section 7. Of H264 whether x264 has signed the stream. Bytes come from outside: what
//! cannot be read tells nothing.

/// An encoded frame, from afar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// Its size.
    pub bytes: u32,
    /// VP8's quantiser index `y_ac_qi`, 0 (finest) to 127. Segments of the frame may depart from it.
    pub quantiser: Option<u8>,
    /// It has the signature of x264 in it.
    pub x264: bool,
}

/// More of a VP8 frame is never read: tag, start code, size, and 186 bits at most up to the quantiser.
pub const VP8_HEAD: usize = 64;
/// So much of an H264 frame is searched; x264 signs behind the parameter sets of its first frame.
pub const H264_HEAD: usize = 1024;

/// What x264 writes before its version and settings, as user data of a stream's first frame (an SEI message
/// `user_data_unregistered`, H.264 D.1.6): its identifier of 16 bytes, then its name. Neither has zeros in it, so they stand
/// there as they are, whatever separates the units.
const X264: [u8; 20] = *b"\xdc\x45\xe9\xbd\xe6\xd9\x48\xb7\x96\x2c\xd8\x20\xd9\x23\xee\xefx264";

impl Encoded {
    /// A VP8 frame of so many bytes that begins with `head`, best the first [`VP8_HEAD`].
    pub fn vp8(head: &[u8], bytes: u32) -> Self {
        Self { bytes, quantiser: vp8_quantiser(head), x264: false }
    }

    /// An H264 frame, or a unit of one, of so many bytes that begins with `head`; [`H264_HEAD`] of them are searched.
    pub fn h264(head: &[u8], bytes: u32) -> Self {
        let head = &head[..head.len().min(H264_HEAD)];
        Self { bytes, quantiser: None, x264: head.windows(X264.len()).any(|window| window == X264) }
    }
}

/// Tag of a frame, bytes.
const TAG: usize = 3;
/// Start code and size, which follow the tag of a key frame, bytes.
const KEY: usize = 7;

/// `y_ac_qi` of a VP8 frame; none if this is none, or ends before.
fn vp8_quantiser(frame: &[u8]) -> Option<u8> {
    let is_key = frame.first()? & 1 == 0;
    if is_key && frame.get(TAG..TAG + 3)? != [0x9d, 0x01, 0x2a] {
        return None;
    }
    let mut header = BoolDecoder::new(frame.get(TAG + if is_key { KEY } else { 0 }..)?)?;
    if is_key {
        // color_space, clamping_type
        header.literal(2)?;
    }
    // segmentation_enabled
    if header.flag()? {
        let (update_map, update_data) = (header.flag()?, header.flag()?);
        if update_data {
            // segment_feature_mode, then quantizer_update and loop_filter_update with their signs
            header.flag()?;
            header.skip_optional(4, 7 + 1)?;
            header.skip_optional(4, 6 + 1)?;
        }
        if update_map {
            header.skip_optional(3, 8)?;
        }
    }
    // filter_type, loop_filter_level, sharpness_level
    header.literal(1 + 6 + 3)?;
    // loop_filter_adj_enable, mode_ref_lf_delta_update
    if header.flag()? && header.flag()? {
        // for reference frames and for modes, with their signs
        header.skip_optional(4 + 4, 6 + 1)?;
    }
    // log2_nbr_of_dct_partitions
    header.literal(2)?;
    header.literal(7)
}

/// Reads what the boolean coder wrote (RFC 6386, 7.3), of even probability: a frame header knows no other up to here.
struct BoolDecoder<'a> {
    rest: std::slice::Iter<'a, u8>,
    /// Two bytes of the stream, shifted.
    value: u32,
    /// 128..=255.
    range: u32,
    /// How far the lower byte has been shifted, 0..8.
    shifted: u32,
}

impl<'a> BoolDecoder<'a> {
    fn new(data: &'a [u8]) -> Option<Self> {
        let mut rest = data.iter();
        let value = u32::from(*rest.next()?) << 8 | u32::from(*rest.next()?);
        Some(Self { rest, value, range: 255, shifted: 0 })
    }

    fn flag(&mut self) -> Option<bool> {
        let split = 1 + ((self.range - 1) >> 1);
        let is_set = self.value >= split << 8;
        if is_set {
            self.value -= split << 8;
            self.range -= split;
        } else {
            self.range = split;
        }
        while self.range < 128 {
            (self.value, self.range, self.shifted) = (self.value << 1, self.range << 1, self.shifted + 1);
            if self.shifted == 8 {
                self.shifted = 0;
                self.value |= u32::from(*self.rest.next()?);
            }
        }
        Some(is_set)
    }

    /// An unsigned number; of more than eight bits the last ones.
    fn literal(&mut self, bits: u32) -> Option<u8> {
        (0..bits).try_fold(0_u8, |value, _| Some(value << 1 | u8::from(self.flag()?)))
    }

    /// Passes over fields of so many bits, each after a flag that says whether it is there.
    fn skip_optional(&mut self, fields: u32, bits: u32) -> Option<()> {
        for _ in 0..fields {
            if self.flag()? {
                self.literal(bits)?;
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Writes bits of even probability (RFC 6386, 7.3).
    struct BoolEncoder {
        out: Vec<u8>,
        bottom: u32,
        range: u32,
        left: u32,
    }

    impl BoolEncoder {
        fn new() -> Self {
            Self { out: Vec::new(), bottom: 0, range: 255, left: 24 }
        }

        fn flag(&mut self, is_set: bool) {
            let split = 1 + ((self.range - 1) >> 1);
            if is_set {
                self.bottom += split;
                self.range -= split;
            } else {
                self.range = split;
            }
            while self.range < 128 {
                self.range <<= 1;
                if self.bottom >> 31 == 1 {
                    // carries into what has been written
                    for byte in self.out.iter_mut().rev() {
                        *byte = byte.wrapping_add(1);
                        if *byte != 0 {
                            break;
                        }
                    }
                }
                self.bottom <<= 1;
                self.left -= 1;
                if self.left == 0 {
                    self.out.push((self.bottom >> 24) as u8);
                    (self.bottom, self.left) = (self.bottom & 0xff_ffff, 8);
                }
            }
        }

        fn literal(&mut self, value: u32, bits: u32) {
            (0..bits).rev().for_each(|bit| self.flag(value >> bit & 1 == 1));
        }

        /// What was written, and more behind it, as in a frame.
        fn finish(mut self) -> Vec<u8> {
            (0..64).for_each(|_| self.flag(false));
            self.out
        }
    }

    /// A header with the optional fields that are set in `present`, and something in each.
    fn frame(is_key: bool, present: u32, quantiser: u8) -> Vec<u8> {
        let mut bits = (0..32).map(move |bit| present >> bit & 1 == 1).cycle();
        let mut header = BoolEncoder::new();
        if is_key {
            header.literal(0b01, 2);
        }
        let mut optional = |header: &mut BoolEncoder, fields: u32, width: u32| {
            for field in 0..fields {
                let is_there = bits.next() == Some(true);
                header.flag(is_there);
                if is_there {
                    header.literal(present.rotate_left(field) & 0xff, width);
                }
            }
        };
        let segments = present & 7;
        header.flag(segments & 1 == 1);
        if segments & 1 == 1 {
            header.flag(segments & 2 == 2);
            header.flag(segments & 4 == 4);
            if segments & 4 == 4 {
                header.flag(true);
                optional(&mut header, 4, 8);
                optional(&mut header, 4, 7);
            }
            if segments & 2 == 2 {
                optional(&mut header, 3, 8);
            }
        }
        header.literal(0b1_010_110_011, 10);
        let deltas = present >> 3 & 3;
        header.flag(deltas & 1 == 1);
        if deltas & 1 == 1 {
            header.flag(deltas & 2 == 2);
            if deltas & 2 == 2 {
                optional(&mut header, 8, 7);
            }
        }
        header.literal(0b10, 2);
        header.literal(quantiser.into(), 7);
        let mut frame = vec![u8::from(!is_key) | 0x10, 2, 0];
        if is_key {
            frame.extend([0x9d, 0x01, 0x2a, 0x80, 0x02, 0xe0, 0x01]);
        }
        frame.extend(header.finish());
        frame
    }

    proptest! {
        #[test]
        fn the_quantiser_is_found_behind_any_header(is_key: bool, present: u32, quantiser in 0_u8..128) {
            let frame = frame(is_key, present, quantiser);
            prop_assert_eq!(Encoded::vp8(&frame, 1).quantiser, Some(quantiser));
            prop_assert_eq!(Encoded::vp8(&frame[..frame.len().min(VP8_HEAD)], 1).quantiser, Some(quantiser));
        }

        #[test]
        fn any_bytes_may_come(mut bytes in prop::collection::vec(any::<u8>(), 0..100), like_a_key: bool) {
            if like_a_key && bytes.len() > 6 {
                bytes[0] &= 0xfe;
                bytes[3..6].copy_from_slice(&[0x9d, 0x01, 0x2a]);
            }
            prop_assert!(Encoded::vp8(&bytes, 0).quantiser.is_none_or(|quantiser| quantiser < 128));
            prop_assert!(!Encoded::h264(&bytes, 0).x264);
        }
    }

    #[test]
    fn a_frame_that_ends_early_tells_nothing() {
        // everything that can be there, and the longest
        let whole = frame(true, u32::MAX, 0x55);
        let told = (0..whole.len()).filter(|length| Encoded::vp8(&whole[..*length], 0).quantiser.is_some());
        let least = told.min().unwrap();
        assert!((30..=VP8_HEAD).contains(&least), "{least}");
        let mut other = whole;
        other[3] = 0;
        assert_eq!(Encoded::vp8(&other, 7), Encoded { bytes: 7, quantiser: None, x264: false });
    }

    #[test]
    fn x264_signs_near_the_beginning() {
        let signed = |at: usize| {
            let mut frame = vec![0x65; at];
            frame.extend(X264);
            frame.extend(b" - core 164");
            Encoded::h264(&frame, frame.len() as u32).x264
        };
        assert!(signed(0) && signed(40) && signed(H264_HEAD - X264.len()));
        assert!(!signed(H264_HEAD - X264.len() + 1), "bounded");
        assert!(!Encoded::h264(&X264[..19], 19).x264);
        assert!(!Encoded::h264(b"x264", 4).x264, "its name alone is not its signature");
    }
}
