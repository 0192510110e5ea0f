//! Dither noise by position: that of a sample depends on its channel and its frame alone, so that
//! blocks may come in any order and from several threads.

/// The noise of one channel, within 2^32 frames.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noise {
    first: u32,
    second: u32,
}

impl Noise {
    /// That of a channel at this frame and up to the next multiple of 2^32.
    pub fn of(channel: usize, frame: u64) -> Self {
        // splitmix64 (Steele, Lea & Flood 2014) of all that does not change from frame to frame.
        let key = (frame >> 32) << 32 ^ channel as u64 ^ 0x6661_6c74_756e_6721;
        let mut z = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        Self {
            first: z as u32,
            second: (z >> 32) as u32,
        }
    }

    /// Difference of two even distributions of 2^16 values each: between -65535 and 65535, most
    /// often near 0. One step is 65536. `frame` is the lower half of the frame's number.
    #[inline(always)]
    pub fn triangle(self, frame: u32) -> i32 {
        // lowbias32 (Wellons 2018, public domain), with another key between its two products, so
        // that channels are no shifted copies of one another.
        let mut x = frame ^ self.first;
        x = (x ^ (x >> 16)).wrapping_mul(0x7feb_352d);
        x = (x ^ (x >> 15) ^ self.second).wrapping_mul(0x846c_a68b);
        x ^= x >> 16;
        (x >> 16) as i32 - (x & 0xffff) as i32
    }
}
