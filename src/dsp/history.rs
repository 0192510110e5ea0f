//! Ring of past input frames that can always be read in one piece.

use super::compiled::Compiled;
use super::look::{self, PEAKS};
use crate::kernel::{Buffer, Cpu};
use crate::signal::Sample;

/// Past input of one channel. Positions are absolute frames since the last reset.
///
/// Two kinds of samples do not enter the machine: what is not finite counts as zero and is
/// remembered as a fault, and what has decayed to nothing beside what came before counts as zero,
/// so that no sum ever runs into the slowness of subnormal numbers.
#[derive(Debug, Clone)]
pub(crate) struct History<T: Sample> {
    cpu: Cpu,
    compiled: &'static Compiled<T>,
    /// `mirror` frames that repeat the ring's end, then the ring, whose length is a power of two
    /// (a division would cost more than what it serves).
    buffer: Buffer<T>,
    mirror: usize,
    granule: usize,
    /// Largest magnitude so far. Blocks raise `peaks`, each lane of a vector its own, and at the grid's
    /// steps they raise `peak`.
    peak: T,
    peaks: [T; PEAKS],
    /// Magnitude below which a sample counts as zero: eps squared beside the largest up to the
    /// grid's last step (the error that this makes is far below the rounding of the sums), and
    /// never above 1e-15 for f32 or 1e-120 for f64. It depends on the grid, not on how the calls
    /// are cut.
    floor: T,
    highest_floor: T,
    /// Magnitude from which a finite sample is taken as it is: the floor, and no subnormal number; none
    /// after a fault.
    ordinary: T,
    /// Position behind the last frame that is not zero.
    sound_end: usize,
    /// Which of the latest frames were not finite.
    faults: Vec<bool>,
    /// Position behind the last of them; 0 if there was none.
    faults_end: usize,
}

/// The least magnitude that is not zero.
fn least<T: Sample>() -> T {
    T::min_positive_value() * T::epsilon()
}

/// So few frames are looked at one by one.
const FEW: usize = 8;

impl<T: Sample> History<T> {
    /// Keeps at least `lookback` frames before a write and `blocks` frames in all; no write may
    /// cross a multiple of `granule`, a power of two. Faults are remembered for
    /// `latency` frames.
    pub fn new(cpu: Cpu, lookback: usize, blocks: usize, granule: usize, latency: usize) -> Self {
        let mirror = lookback.next_multiple_of(granule);
        let ring = mirror.max(blocks).next_power_of_two();
        let mut history = Self {
            cpu,
            compiled: Compiled::table(),
            buffer: Buffer::zeros(mirror + ring),
            mirror,
            granule,
            peak: T::zero(),
            peaks: [T::zero(); PEAKS],
            floor: T::zero(),
            ordinary: T::zero(),
            highest_floor: T::min_positive_value().powf(T::of(0.4)),
            sound_end: 0,
            faults: vec![false; (latency + granule).next_power_of_two()],
            faults_end: 0,
        };
        history.set_floor(least());
        history
    }

    fn ring(&self) -> usize {
        self.buffer.len() - self.mirror
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.buffer.fill(T::zero());
        (self.peak, self.peaks) = (T::zero(), [T::zero(); PEAKS]);
        self.sound_end = 0;
        self.faults.fill(false);
        self.faults_end = 0;
        self.set_floor(least());
    }

    /// Writes frames from position `at` on.
    #[inline]
    pub fn write(&mut self, at: usize, frames: usize, input: impl Iterator<Item = T>) {
        self.begin(at);
        if frames < FEW {
            for (n, x) in input.enumerate() {
                self.push(at + n, self.slot(at + n), x);
            }
        } else {
            let slot = self.slot(at);
            let target = &mut self.buffer[slot..][..frames];
            let mut last = T::zero();
            for (place, x) in target.iter_mut().zip(input) {
                (*place, last) = (x, x);
            }
            let ordinary =
                (self.compiled.look)(self.cpu, target, None, self.floor, &mut self.peaks);
            self.look_at(at, frames, ordinary, last);
        }
        self.advance(at + frames);
    }

    /// The same for frames that lie side by side.
    #[inline]
    pub fn write_slice(&mut self, at: usize, input: &[T]) {
        let frames = input.len();
        if frames < FEW {
            return self.write(at, frames, input.iter().copied());
        }
        self.begin(at);
        let slot = self.slot(at);
        let target = Some(&mut self.buffer[slot..][..frames]);
        let ordinary = (self.compiled.look)(self.cpu, input, target, self.floor, &mut self.peaks);
        self.look_at(at, frames, ordinary, input[frames - 1]);
        self.advance(at + frames);
    }

    /// Where the ring begins anew, its end comes before it.
    #[inline]
    fn begin(&mut self, at: usize) {
        let (ring, mirror) = (self.ring(), self.mirror);
        if at & (ring - 1) == 0 {
            self.buffer.copy_within(ring..ring + mirror, 0);
        }
    }

    /// Frames are written up to position `until`: at a step of the grid the floor follows the peak.
    #[inline]
    pub fn advance(&mut self, until: usize) {
        if until & (self.granule - 1) == 0 {
            self.peak = self.peak.max(look::highest(&self.peaks));
            let relative = self.peak * T::epsilon() * T::epsilon();
            self.set_floor(relative.min(self.highest_floor).max(least()));
        }
    }

    #[inline]
    fn set_floor(&mut self, floor: T) {
        self.floor = floor;
        self.ordinary = match self.faults_end {
            0 => floor.max(T::min_positive_value()),
            _ => T::infinity(),
        };
    }

    /// Where the frame at position `at` lies; histories that were made alike have it in the same place.
    #[inline(always)]
    pub fn slot(&self, at: usize) -> usize {
        self.mirror + (at & (self.ring() - 1))
    }

    /// The frame in a slot.
    #[inline(always)]
    pub fn get(&self, slot: usize) -> T {
        self.buffer[slot]
    }

    /// Takes the frame at position `at`, with its slot. Who does not [write](Self::write) must not begin
    /// the ring anew with it, and has to [advance](Self::advance) the history. Returns whether there ever
    /// was a fault.
    #[inline(always)]
    pub fn push(&mut self, at: usize, slot: usize, x: T) -> bool {
        let magnitude = num_traits::Float::abs(x);
        // NaN is none of this.
        if !(magnitude >= self.ordinary && magnitude <= T::max_value()) {
            return self.push_special(at, x);
        }
        self.buffer[slot] = x;
        self.sound_end = at + 1;
        if magnitude > self.peak {
            self.peak = magnitude;
        }
        false
    }

    /// One frame of silence or next to it, one that is not finite or one that comes after such.
    #[inline(never)]
    fn push_special(&mut self, at: usize, x: T) -> bool {
        let magnitude = num_traits::Float::abs(x);
        let is_zero = magnitude == T::zero();
        let counts = is_zero || magnitude < T::infinity() && magnitude >= self.floor;
        let slot = self.slot(at);
        self.buffer[slot] = if counts { x } else { T::zero() };
        if counts && !is_zero {
            self.sound_end = at + 1;
            self.peak = self.peak.max(magnitude);
        }
        if !counts || self.faults_end > 0 {
            self.note(at, !x.is_finite());
        }
        self.faults_end > 0
    }

    /// Remembers whether the frame at position `at` was not finite.
    fn note(&mut self, at: usize, fault: bool) {
        let place = at & (self.faults.len() - 1);
        self.faults[place] = fault;
        if fault {
            self.faults_end = at + 1;
            self.set_floor(self.floor);
        }
    }

    /// Draws the conclusions from frames that have been written, of which the last is known (to read it
    /// at once would have to wait) and whether all are [ordinary](super::look::look).
    #[inline]
    fn look_at(&mut self, at: usize, frames: usize, ordinary: bool, last: T) {
        match ordinary && last != T::zero() && self.faults_end == 0 {
            true => self.sound_end = at + frames,
            false => self.look_closely(at, frames, ordinary),
        }
    }

    #[inline(never)]
    fn look_closely(&mut self, at: usize, frames: usize, ordinary: bool) {
        if !ordinary {
            for at in at..at + frames {
                self.push_special(at, self.at(at));
            }
            return;
        }
        let target = &self.buffer[self.slot(at)..][..frames];
        if let Some(last) = target.iter().rposition(|&x| x != T::zero()) {
            self.sound_end = at + last + 1;
        }
        if self.faults_end > 0 {
            let first = at & (self.faults.len() - 1);
            self.faults[first..][..frames].fill(false);
        }
    }

    /// The latest `lookback` frames before position `at`, then `frames` from there on.
    pub fn recent(&self, at: usize, lookback: usize, frames: usize) -> &[T] {
        let start = self.slot(at);
        &self.buffer[start - lookback..start + frames]
    }

    /// The frame at position `at`.
    #[inline]
    pub fn at(&self, at: usize) -> T {
        self.buffer[self.slot(at)]
    }

    /// The block of `block` frames that ends before position `end`, a multiple of `block`.
    pub fn block(&self, end: usize, block: usize) -> &[T] {
        let ring = self.ring();
        let start = self.mirror + ((end + ring - block) & (ring - 1));
        &self.buffer[start..start + block]
    }

    /// Whether all frames from position `from` on are zero.
    pub fn is_silent_since(&self, from: usize) -> bool {
        self.sound_end <= from
    }

    /// Whether the frame at position `at` was not finite.
    pub fn is_fault(&self, at: usize) -> bool {
        self.faults[at & (self.faults.len() - 1)]
    }

    /// Position behind the latest frame that was not finite; 0 if there was none.
    pub fn faults_end(&self) -> usize {
        self.faults_end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_frames_are_written_changes_nothing() {
        let written = |piece: usize, lie_side_by_side: bool| {
            let mut history = History::<f32>::new(Cpu::detect(), 64, 256, 64, 0);
            let mut frames: Vec<f32> = (0..192).map(|n| (n as f32).sin()).collect();
            frames[70] = -0.0;
            frames[75] = 1e-30;
            frames[100] = f32::NAN;
            frames[130..192].fill(-0.0);
            for (k, frames) in frames.chunks(piece).enumerate() {
                match lie_side_by_side {
                    true => history.write_slice(k * piece, frames),
                    false => history.write(k * piece, frames.len(), frames.iter().copied()),
                }
            }
            let bits = history.recent(0, 0, 192).iter().map(|x| x.to_bits());
            let faults: Vec<bool> = (128..192).map(|at| history.is_fault(at)).collect();
            let ends = (history.sound_end, history.faults_end, history.peak);
            (bits.collect::<Vec<u32>>(), faults, ends)
        };
        let one = written(1, false);
        assert_eq!(one.0[70], (-0.0f32).to_bits());
        assert_eq!((one.0[75], one.0[100]), (0, 0));
        assert_eq!((one.2.0, one.2.1), (130, 101));
        for piece in [1, 4, 16, 64] {
            for lie_side_by_side in [false, true] {
                let all = written(piece, lie_side_by_side);
                assert!(all == one, "{piece} at a time, a slice: {lie_side_by_side}");
            }
        }
    }
}
