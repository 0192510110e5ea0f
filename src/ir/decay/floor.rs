//! Where a decay meets its noise floor, after Lundeby et al. 1995.

use super::{Beyond, Line, Unjudged};
use crate::ir::band::Band;
use crate::signal::SampleRate;

/// Longest interval over which energy is averaged at first, in seconds (10 to 50 ms), and the share
/// of the response that it is at most.
const INTERVAL: f64 = 0.03;
const INTERVAL_SHARE: f64 = 0.01;
/// Least interval times bandwidth: shorter ones of a narrow band fluctuate too much.
const LEAST_BT: f64 = 2.0;
/// Intervals for each 10 dB of decay later (3 to 10).
const PER_10_DB: f64 = 5.0;
/// Share at the end that is taken for the floor at first.
const TAIL: f64 = 0.1;
/// Distance in dB from the floor of the first line's end (5 to 10 more than it).
const FIRST_ABOVE: f64 = 10.0;
/// Fall in dB from the loudest interval on, below which it is no decay.
const LEAST_FALL: f64 = 3.0;
/// The late line, in dB: how far above the floor it ends (5 to 10), and its range (10 to 20).
const LATE_ABOVE: f64 = 7.5;
const LATE_RANGE: f64 = 20.0;
/// Decay between the crossing and what is taken for the floor, in dB (5 to 10).
const BELOW: f64 = 7.5;
/// Most iterations (5 are enough, says the paper), and when there is no need for another: the
/// crossing moves by less than this share.
const MOST: usize = 10;
const CLOSE: f64 = 1e-3;
/// What makes a floor: its power over the line's there, for a wide band, and its fall from its first
/// half to its second over the line's, and in dB. A narrow band's power fluctuates by 1 / sqrt(bandwidth *
/// time); this many times that is granted.
const LEAST_POWER: f64 = 2.0;
const MOST_FALL: f64 = 0.5;
const FLAT: f64 = 3.0;
const GRANTED: f64 = 2.0;

/// What is known of the end of a decay.
pub(super) struct Floor {
    /// Mean energy per frame, if a floor was reached.
    pub noise: Option<f64>,
    /// Frame up to which there is decay.
    pub end: usize,
    pub beyond: Beyond,
}

impl Floor {
    /// `energy` begins at the onset, one value per frame.
    pub fn find(energy: &[f64], rate: SampleRate, band: Option<Band>) -> Result<Self, Unjudged> {
        let search = Search::new(energy, rate, band);
        let first = search.first_line()?;
        let (late, noise) = match search.floor(first) {
            Some((line, noise)) => (line, Some(noise)),
            None => (search.last_line()?, None),
        };
        let end = match noise {
            Some(noise) => search.crossing(late, noise).clamp(1, energy.len()),
            None => energy.len(),
        };
        let beyond = search.beyond(late, noise, end);
        Ok(Self { noise, end, beyond })
    }
}

struct Search {
    /// Energy before each frame, and all of it.
    sums: Vec<f64>,
    rate: SampleRate,
    /// Bandwidth in Hz.
    width: f64,
    /// Least interval in frames.
    shortest: usize,
}

impl Search {
    fn new(energy: &[f64], rate: SampleRate, band: Option<Band>) -> Self {
        let mut sums = Vec::with_capacity(energy.len() + 1);
        let mut sum = 0.0;
        sums.push(sum);
        for value in energy {
            sum += value;
            sums.push(sum);
        }
        let width = band.map_or(f64::from(rate.hz()) / 2.0, |band| band.width());
        Self {
            sums,
            rate,
            width,
            shortest: rate.frames(LEAST_BT / width).max(1),
        }
    }

    fn frames(&self) -> usize {
        self.sums.len() - 1
    }

    /// Mean energy per frame.
    fn mean(&self, from: usize, to: usize) -> f64 {
        (self.sums[to] - self.sums[from]) / (to - from) as f64
    }

    /// Means over intervals of so many frames between two frames, in dB, at the intervals' middles in
    /// seconds; empty intervals have no level.
    fn levels(
        &self,
        from: usize,
        to: usize,
        interval: usize,
    ) -> impl Iterator<Item = (f64, f64)> + Clone + '_ {
        (0..(to - from) / interval).filter_map(move |k| {
            let begin = from + k * interval;
            let mean = self.mean(begin, begin + interval);
            let middle = self.rate.seconds(2 * begin + interval) / 2.0;
            (mean > 0.0).then(|| (middle, 10.0 * mean.log10()))
        })
    }

    /// Levels from the loudest interval on.
    fn decay(&self) -> Vec<(f64, f64)> {
        let frames = self.frames();
        let longest = (INTERVAL_SHARE * frames as f64) as usize;
        let interval = self.rate.frames(INTERVAL).min(longest);
        let interval = interval.max(self.shortest).min(frames);
        let mut levels: Vec<_> = self.levels(0, frames, interval).collect();
        let peak = (0..levels.len()).max_by(|&a, &b| levels[a].1.total_cmp(&levels[b].1));
        levels.split_off(peak.unwrap_or(0))
    }

    /// A line through levels, if they fall.
    fn falling(levels: &[(f64, f64)]) -> Result<Line, Unjudged> {
        let seconds = match levels {
            [(from, _), .., (to, _)] => to - from,
            _ => 0.0,
        };
        Line::through(levels.iter().copied())
            .filter(|line| -line.slope * seconds > LEAST_FALL)
            .ok_or(Unjudged::NoDecay)
    }

    /// Steps 1 to 4: from the loudest interval to where the level comes near that of the tail.
    fn first_line(&self) -> Result<Line, Unjudged> {
        let decay = self.decay();
        let tail = self.mean(self.tail(), self.frames());
        let near = 10.0 * tail.log10() + FIRST_ABOVE;
        let end = match decay.iter().position(|&(_, db)| db < near) {
            // Gone within an interval.
            Some(1) if decay[0].1 > near + FIRST_ABOVE => 2,
            Some(end) if end > 1 => end,
            // Without that much range the line goes as far as there are levels: it may be a short
            // cut of a long decay.
            _ => decay.len(),
        };
        Self::falling(&decay[..end]).or_else(|_| Self::falling(&decay))
    }

    /// First frame of the tail.
    fn tail(&self) -> usize {
        let frames = self.frames();
        frames - ((TAIL * frames as f64) as usize).max(1)
    }

    /// Frame at which a line comes down to a power.
    fn crossing(&self, line: Line, noise: f64) -> usize {
        self.rate
            .frames((10.0 * noise.log10() - line.level) / line.slope)
    }

    /// Frames in which a line falls by so many dB.
    fn fall(&self, line: Line, db: f64) -> usize {
        self.rate.frames(-db / line.slope)
    }

    /// A line's power at a frame.
    fn power(&self, line: Line, frame: usize) -> f64 {
        10f64.powf((line.level + line.slope * self.rate.seconds(frame)) / 10.0)
    }

    /// Energy of a line's decay between two frames.
    fn energy(&self, line: Line, from: usize, to: usize) -> f64 {
        let kept = 10f64.powf(line.slope / f64::from(self.rate.hz()) / 10.0);
        (self.power(line, from) - self.power(line, to)) / (1.0 - kept)
    }

    /// A line through the levels between two frames, if they have one that falls.
    fn line(&self, before: Line, from: usize, to: usize) -> Option<Line> {
        let to = to.min(self.frames());
        let interval = self.fall(before, 10.0 / PER_10_DB).max(self.shortest);
        let interval = interval.min(to.saturating_sub(from) / 3).max(1);
        let line = Line::through(self.levels(from.min(to), to, interval))?;
        (line.slope < 0.0).then_some(line)
    }

    /// Steps 5 to 10: the late line and the power of the floor, if there is one.
    fn floor(&self, first: Line) -> Option<(Line, f64)> {
        let (mut line, frames) = (first, self.frames());
        let mut crossing = self.crossing(line, self.mean(self.tail(), frames));
        let mut noise = 0.0;
        for _ in 0..MOST {
            let begin = crossing
                .saturating_add(self.fall(line, BELOW))
                .min(self.tail());
            // A floor that begins late may still have some of the decay above it.
            noise = self.mean(begin, frames) - self.expected(line, begin, frames);
            if noise <= 0.0 {
                return None;
            }
            let above = self
                .crossing(line, noise)
                .saturating_sub(self.fall(line, LATE_ABOVE));
            let from = above.saturating_sub(self.fall(line, LATE_RANGE));
            line = self.line(line, from, above).unwrap_or(line);
            let next = self.crossing(line, noise);
            let moved = next.abs_diff(crossing);
            crossing = next;
            if (moved as f64) < CLOSE * crossing as f64 {
                break;
            }
        }
        self.is_floor(line, crossing).then_some((line, noise))
    }

    /// Whether what follows a crossing is a floor, and not the same decay going on, nor another.
    fn is_floor(&self, line: Line, crossing: usize) -> bool {
        let frames = self.frames();
        let begin = crossing
            .saturating_add(self.fall(line, BELOW))
            .min(self.tail());
        let middle = begin.midpoint(frames);
        if crossing >= frames || middle == begin {
            return false;
        }
        let doubt = GRANTED / (self.width * self.rate.seconds(frames - begin)).sqrt();
        let power = self.mean(begin, frames) / self.expected(line, begin, frames);
        let (early, late) = (self.mean(begin, middle), self.mean(middle, frames));
        let fall = 10.0 * (early / late).log10();
        // Two halves fluctuate twice as much as the whole.
        let fall_granted = 10.0 * (1.0 + 2.0 * doubt).log10();
        let lines_fall = -line.slope * self.rate.seconds(frames - begin) / 2.0;
        power > LEAST_POWER * (1.0 + doubt)
            && fall < FLAT.min(MOST_FALL * lines_fall) + fall_granted
    }

    /// Mean power of a line between two frames.
    fn expected(&self, line: Line, from: usize, to: usize) -> f64 {
        self.energy(line, from, to) / (to - from) as f64
    }

    /// The line of the last 20 dB of a decay that goes on to the end.
    fn last_line(&self) -> Result<Line, Unjudged> {
        let mut line = Self::falling(&self.decay())?;
        for _ in 0..3 {
            let from = self.frames().saturating_sub(self.fall(line, LATE_RANGE));
            line = self.line(line, from, self.frames()).unwrap_or(line);
        }
        Ok(line)
    }

    /// What the late line goes on to, at the level that the energy has where the line was fitted:
    /// means of decibels lie below decibels of means.
    fn beyond(&self, line: Line, noise: Option<f64>, end: usize) -> Beyond {
        let above = noise.map_or(0, |_| self.fall(line, LATE_ABOVE));
        let to = end.saturating_sub(above).max(1);
        let from = to.saturating_sub(self.fall(line, LATE_RANGE)).min(to - 1);
        let there = self.sums[to] - self.sums[from] - noise.unwrap_or(0.0) * (to - from) as f64;
        let kept = 10f64.powf(line.slope / f64::from(self.rate.hz()) / 10.0);
        let scale = Some(there / self.energy(line, from, to)).filter(|&scale| scale > 0.0);
        // Where nothing is left there, the line itself says what the floor hides.
        Beyond {
            energy: scale.unwrap_or(1.0) * self.power(line, end) / (1.0 - kept),
            hidden: noise.unwrap_or(0.0) / (1.0 - kept),
            delay: kept / (1.0 - kept),
        }
    }
}
