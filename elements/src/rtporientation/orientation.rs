//! The byte of the header extension, and the tag that says the same in GStreamer's words.

/// The header extension as it is named in SDP (`a=extmap`) and in caps (`extmap-N`).
pub const URI: &str = "urn:3gpp:video-orientation";

/// What the receiver has to do to a picture before it shows it: mirror it if asked, then turn it clockwise.
///
/// 3GPP TS 26.114 does not order the two; nobody but a conformance suite sends both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Orientation {
    /// Quarter turns clockwise, 0 to 3.
    pub quarter_turns: u8,
    /// Left and right are swapped.
    pub flip: bool,
}

impl Orientation {
    /// Reads `0000CFRR`. `C`, which camera it is, says nothing about how to show the picture; the upper bits are
    /// reserved and ignored.
    pub fn from_byte(byte: u8) -> Self {
        Self { quarter_turns: byte & 0b11, flip: byte & 0b100 != 0 }
    }

    /// Writes `0000CFRR` for a front camera.
    pub fn to_byte(self) -> u8 {
        (self.quarter_turns & 0b11) | if self.flip { 0b100 } else { 0 }
    }

    /// The value of GStreamer's `image-orientation` tag.
    pub fn tag(self) -> &'static str {
        match (self.flip, self.quarter_turns & 0b11) {
            (false, 0) => "rotate-0",
            (false, 1) => "rotate-90",
            (false, 2) => "rotate-180",
            (false, _) => "rotate-270",
            (true, 0) => "flip-rotate-0",
            (true, 1) => "flip-rotate-90",
            (true, 2) => "flip-rotate-180",
            (true, _) => "flip-rotate-270",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_reads_as_the_table_of_the_standard() {
        for (byte, tag) in [
            (0b0000, "rotate-0"),
            (0b0001, "rotate-90"),
            (0b0010, "rotate-180"),
            (0b0011, "rotate-270"),
            (0b0100, "flip-rotate-0"),
            (0b0101, "flip-rotate-90"),
            (0b0110, "flip-rotate-180"),
            (0b0111, "flip-rotate-270"),
            // the back camera turns nothing, reserved bits are ignored
            (0b1001, "rotate-90"),
            (0b1111_0010, "rotate-180"),
        ] {
            let orientation = Orientation::from_byte(byte);
            assert_eq!(orientation.tag(), tag, "{byte:#010b}");
            assert_eq!(orientation.to_byte(), byte & 0b111, "{byte:#010b}");
        }
    }
}
