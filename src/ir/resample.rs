//! An impulse response at another sample rate.
//!
//! The filter stays the same filter: a tap at t seconds stays at t seconds, and a low-pass at
//! 1 kHz stays one at 1 kHz and at the same level. Resampled audio keeps its waveform, and as
//! there are then `to/from` times as many taps to add up, they are scaled by `from/to`.
//!
//! The work is done in f64 by rubato's synchronous FFT resampler, block by block. Its filter is
//! a symmetric windowed sinc (squared Blackman-Harris) of an even number of input frames that
//! maps to an even number of output frames, so that its delay is a whole number of output
//! frames: trimming it leaves no fraction over. (rubato's sinc resampler sits 1/oversampling of
//! a sample off the grid; its `process_all_into_buffer` can damage a clip's start.)
//!
//! **The edges.** Band-limited interpolation rings before and after each tap. After the last tap
//! the ringing is kept, up to [`RING`] frames of the lower rate. Before frame 0 there is no
//! room: a response that begins abruptly, such as a lone tap at 0, would lose up to half of its
//! ringing and with it up to half of its level. Delaying it instead would break the promise on
//! time. So what is cut off at an edge is replaced by the taps nearest to that edge that match
//! it best (least squares of the frequency response up to 0.9 of the lower Nyquist frequency,
//! with a light hand on the band above). A response that begins smoothly has nothing to cut and
//! is not touched.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler, WindowFunction};

use super::{ImpulseResponse, IrError};
use crate::signal::SampleRate;

/// Half of the interpolation filter, and so the longest ringing that is kept, in frames of the
/// lower of the two rates.
const RING: usize = 256;
/// Largest factor between two rates.
const MOST_RATIO: u32 = 64;
/// Largest block of the resampler in frames.
const MOST_BLOCK: u64 = 1 << 22;
/// Taps at an edge that make good what was cut there, in frames of the lower rate.
const EDGE: usize = 128;
/// Share of the lower Nyquist frequency that the repair of an edge must match.
const PASS: f64 = 0.9;
/// How much an error of power above that band counts beside one within it, for a pass band up to
/// the output's Nyquist: less would match it more closely, but let what stands above grow.
const ABOVE: f64 = 1e-4;
/// What ends a response: taps at its very end below this share of the largest tap (-140 dB).
const SILENCE: f64 = 1e-7;

impl ImpulseResponse {
    /// The same filter at another rate; bit for bit itself if the rate is equal.
    ///
    /// Up to 0.9 of the lower Nyquist frequency the frequency response is kept to better than
    /// -120 dB (before taps are rounded to f32) wherever the response begins smoothly, that is
    /// wherever its taps fade in from below the noise or follow a silence of 256 frames of the
    /// lower rate. (Rates with hardly a common factor, such as 44,101 and 48,000 Hz, ring longer:
    /// -70 dB there for an abrupt tap after such a silence, and a silence of a block is needed.) A response that begins with a lone
    /// full tap at frame 0 keeps its level in the pass band to 0.1 dB. The result has at least `ceil(frames * to / from)` frames, and beyond that the
    /// ringing of the last taps until it falls below -140 dB of the largest.
    ///
    /// # Errors
    /// [`IrError::RatesTooFar`] beyond a factor of 64, [`IrError::RatesUnrelated`] for rates in
    /// the millions without a common factor.
    pub fn resample(self, to: SampleRate) -> Result<Self, IrError> {
        let from = self.rate();
        if from == to {
            return Ok(self);
        }
        let plan = Plan::new(from, to)?;
        self.mapped(to, |taps| plan.run(taps))
    }
}

/// What a pair of rates needs.
struct Plan {
    from: SampleRate,
    to: SampleRate,
    /// Block of the resampler, at the input and at the output; both even.
    block_in: usize,
    block_out: usize,
    edge: Edge,
}

impl Plan {
    fn new(from: SampleRate, to: SampleRate) -> Result<Self, IrError> {
        let (a, b) = (from.hz(), to.hz());
        if u64::from(a.max(b)) > u64::from(a.min(b)) * u64::from(MOST_RATIO) {
            return Err(IrError::RatesTooFar {
                from,
                to,
                most: MOST_RATIO,
            });
        }
        let common = gcd(a, b);
        let (a, b) = (u64::from(a / common), u64::from(b / common));
        // Even at both sides, so that half a block is whole frames at both sides.
        let units = (2 * RING as u64).div_ceil(a.min(b)).next_multiple_of(2);
        let (block_in, block_out) = (units * a, units * b);
        let frames = block_in.max(block_out);
        if frames > MOST_BLOCK {
            return Err(IrError::RatesUnrelated {
                from,
                to,
                frames,
                most: MOST_BLOCK,
            });
        }
        let lower = (b as f64 / a as f64).max(1.0);
        let edge = Edge::new(
            PASS * (a.min(b) as f64) / b as f64,
            (EDGE as f64 * lower) as usize,
        );
        Ok(Self {
            from,
            to,
            block_in: block_in as usize,
            block_out: block_out as usize,
            edge,
        })
    }

    /// One channel.
    fn run(&self, taps: &[f64]) -> Result<Vec<f64>, IrError> {
        let scale = self.block_in as f64 / self.block_out as f64;
        // The filter's delay is half a block, so output frame `delay` is the response's frame 0.
        let delay = self.block_out / 2;
        let frames =
            (taps.len() as u128 * self.block_out as u128).div_ceil(self.block_in as u128) as usize;
        let mut out = self.stream(taps, delay + frames + delay)?;
        out.iter_mut().for_each(|tap| *tap *= scale);

        let tail = out.split_off((delay + frames + self.ring()).min(out.len()));
        let mut kept = out.split_off(delay);
        let ringing: Vec<f64> = out.into_iter().rev().collect();
        self.edge.repair(&mut kept, &ringing);
        if !tail.is_empty() {
            kept.reverse();
            self.edge.repair(&mut kept, &tail);
            kept.reverse();
        }
        let peak = kept.iter().fold(0.0, |peak: f64, tap| peak.max(tap.abs()));
        let end = kept.iter().rposition(|tap| tap.abs() > SILENCE * peak);
        kept.truncate(end.map_or(frames, |end| frames.max(end + 1)));
        Ok(kept)
    }

    /// Ringing to keep after the last tap, in output frames.
    fn ring(&self) -> usize {
        let lower = self.block_in.min(self.block_out);
        (RING * self.block_out).div_ceil(lower)
    }

    /// The first `frames` frames of the resampler's output, delay included.
    fn stream(&self, taps: &[f64], frames: usize) -> Result<Vec<f64>, IrError> {
        let failed = |cause: String| IrError::Resampler {
            from: self.from,
            to: self.to,
            cause,
        };
        let mut resampler = Fft::<f64>::new_custom(
            self.from.hz() as usize,
            self.to.hz() as usize,
            self.block_in,
            1,
            1,
            WindowFunction::BlackmanHarris2,
            FixedSync::Both,
        )
        .map_err(|e| failed(e.to_string()))?;
        let (block_in, block_out) = (resampler.fft_size_in(), resampler.fft_size_out());
        if (block_in, block_out) != (self.block_in, self.block_out) {
            return Err(failed(format!(
                "it works on {block_in} and {block_out} frames"
            )));
        }

        let mut input = vec![0.0; block_in];
        let mut out = vec![0.0; frames.next_multiple_of(block_out)];
        let mut rest = taps;
        for output in out.chunks_exact_mut(block_out) {
            let (now, later) = rest.split_at(rest.len().min(block_in));
            input[..now.len()].copy_from_slice(now);
            input[now.len()..].fill(0.0);
            rest = later;
            let source =
                InterleavedSlice::new(&input, 1, block_in).map_err(|e| failed(e.to_string()))?;
            let mut sink = InterleavedSlice::new_mut(output, 1, block_out)
                .map_err(|e| failed(e.to_string()))?;
            resampler
                .process_into_buffer(&source, &mut sink, None)
                .map_err(|e| failed(e.to_string()))?;
        }
        out.truncate(frames);
        Ok(out)
    }
}

/// Replaces what is cut off before an edge by taps after it.
///
/// Wanted are taps c[0..K] whose response C is nearest to the response R of the taps cut off,
/// r[-1], r[-2], ..: the least of the integral of W |C - R|^2 over all frequencies, where W is 1
/// in the pass band and small (`above`) beyond. The normal equations are those of every least-squares FIR
/// (Parks & Burrus 1987, section 3.2): sum over l of w(k-l) c[l] = sum over n of w(k-n) r[n],
/// with w the inverse transform of W, and a positive definite matrix, solved by Cholesky.
struct Edge {
    taps: usize,
    /// Pass band as a share of the output's Nyquist frequency.
    pass: f64,
    above: f64,
    /// Lower triangle, row by row.
    factor: Vec<Vec<f64>>,
}

impl Edge {
    fn new(pass: f64, taps: usize) -> Self {
        // A narrow pass band leaves a wide one above it: the two together stay in proportion.
        let above = ABOVE * pass;
        let mut edge = Self {
            taps,
            pass,
            above,
            factor: Vec::with_capacity(taps),
        };
        for k in 0..taps {
            let mut row = Vec::with_capacity(k + 1);
            for l in 0..=k {
                let other: &[f64] = if l < k { &edge.factor[l] } else { &row };
                let known: f64 = row.iter().zip(other).map(|(a, b)| a * b).sum();
                let rest = edge.weight(k - l) - known;
                // W >= above > 0 keeps every eigenvalue, and so every pivot, from sinking below.
                row.push(if l < k {
                    rest / edge.factor[l][l]
                } else {
                    rest.max(above).sqrt()
                });
            }
            edge.factor.push(row);
        }
        edge
    }

    /// w(n): the inverse transform of 1 up to `pass` (of Nyquist) and `above` from there on.
    fn weight(&self, n: usize) -> f64 {
        if n == 0 {
            return self.pass + self.above * (1.0 - self.pass);
        }
        let x = std::f64::consts::PI * n as f64;
        (1.0 - self.above) * (self.pass * x).sin() / x
    }

    /// Adds to `kept`, which begins at the edge, what stands for `cut`, which leads away from it.
    fn repair(&self, kept: &mut [f64], cut: &[f64]) {
        let taps = self.taps.min(kept.len());
        let mut c: Vec<f64> = (0..taps)
            .map(|k| {
                let near = cut.iter().enumerate();
                near.map(|(n, r)| r * self.weight(k + n + 1)).sum()
            })
            .collect();
        // L y = b, then L' c = y; the leading part of L is the factor of the leading part.
        for k in 0..taps {
            let known: f64 = self.factor[k][..k].iter().zip(&c).map(|(a, b)| a * b).sum();
            c[k] = (c[k] - known) / self.factor[k][k];
        }
        for k in (0..taps).rev() {
            let known: f64 = (k + 1..taps).map(|l| self.factor[l][k] * c[l]).sum();
            c[k] = (c[k] - known) / self.factor[k][k];
        }
        kept.iter_mut().zip(&c).for_each(|(tap, c)| *tap += c);
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use super::*;
    use crate::ir::Recipe;
    use crate::signal::Audio;
    use rustfft::num_complex::Complex;

    const PAIRS: [(u32, u32); 12] = [
        (44_100, 48_000),
        (48_000, 44_100),
        (96_000, 48_000),
        (48_000, 96_000),
        (44_100, 96_000),
        (8_000, 48_000),
        (48_000, 8_000),
        (22_050, 48_000),
        (192_000, 44_100),
        (44_101, 48_000),
        (48_000, 44_101),
        (11_025, 16_000),
    ];

    fn rate(hz: u32) -> SampleRate {
        SampleRate::new(hz).unwrap()
    }

    fn resampled(taps: &[f64], from: u32, to: u32) -> Vec<f64> {
        Plan::new(rate(from), rate(to)).unwrap().run(taps).unwrap()
    }

    /// Frequency response at `f` Hz.
    fn response(taps: &[f64], hz: u32, f: f64) -> Complex<f64> {
        let step = -2.0 * PI * f / f64::from(hz);
        taps.iter()
            .enumerate()
            .map(|(n, x)| Complex::cis(step * n as f64) * x)
            .sum()
    }

    /// Worst difference of two responses up to 0.9 of the lower Nyquist frequency, in dB of 1.
    fn worst(a: (&[f64], u32), b: (&[f64], u32)) -> f64 {
        let edge = PASS * f64::from(a.1.min(b.1)) / 2.0;
        let each = (0..=80).map(|i| f64::from(i) / 80.0 * edge);
        db(each
            .map(|f| (response(a.0, a.1, f) - response(b.0, b.1, f)).norm())
            .fold(0.0, f64::max))
    }

    fn db(x: f64) -> f64 {
        20.0 * x.max(1e-30).log10()
    }

    #[test]
    fn the_same_rate_changes_no_bit() {
        let ir = "room"
            .parse::<Recipe>()
            .unwrap()
            .render(rate(44_100))
            .unwrap();
        assert_eq!(ir.clone().resample(rate(44_100)), Ok(ir));
    }

    #[test]
    fn a_pulse_keeps_its_time_and_shape() {
        for (from, to) in PAIRS {
            let lower = f64::from(from.min(to));
            for share in [0.0, 0.2, 0.55, 0.75] {
                // A tone of `share` of Nyquist under a bell whose spectrum has fallen by 180 dB
                // at 0.15 of Nyquist beside the tone; it begins and ends below -180 dB.
                let sigma = (2.0 * 20.7f64).sqrt() / (0.15 * PI * lower);
                let centre = 7.0 * sigma;
                let pulse = |t: f64| {
                    let t = t - centre;
                    (-0.5 * (t / sigma).powi(2)).exp() * (PI * share * lower * t + 0.3).cos()
                };
                let at = |hz: u32, n: usize| pulse(n as f64 / f64::from(hz));
                let frames = (2.0 * centre * f64::from(from)) as usize;
                let taps: Vec<f64> = (0..frames).map(|n| at(from, n)).collect();
                let got = resampled(&taps, from, to);
                let scale = f64::from(from) / f64::from(to);
                let error = got
                    .iter()
                    .enumerate()
                    .map(|(n, x)| (x / scale - at(to, n)).abs());
                let error = db(error.fold(0.0, f64::max));
                println!("{from} -> {to}, {share} Nyquist: {error:.1} dB");
                assert!(
                    error < -120.0,
                    "{from} -> {to}, {share} of Nyquist: {error:.1} dB"
                );
            }
        }
    }

    #[test]
    fn a_filter_keeps_its_response_and_level() {
        for (from, to) in PAIRS {
            for text in [
                "lowpass=1k",
                "bandpass=700-2.5k",
                "min:lowpass=1k",
                "notch=300",
            ] {
                let ir = text.parse::<Recipe>().unwrap().render(rate(from)).unwrap();
                let taps: Vec<f64> = ir.channel(0).iter().map(|&x| x.into()).collect();
                let got = resampled(&taps, from, to);
                let error = worst((&taps, from), (&got, to));
                println!("{from} -> {to}, {text}: {error:.1} dB");
                // What a notch lets through rings as long as the rates' blocks, see `resample`.
                let odd = (from == 44_101 || to == 44_101) && text.starts_with("notch");
                let bound = if odd { -80.0 } else { -120.0 };
                assert!(error < bound, "{from} -> {to}, {text}: {error:.1} dB");
            }
        }
    }

    #[test]
    fn a_tap_at_a_time_stays_at_that_time() {
        for (from, to) in PAIRS {
            // Far enough from the start for all of its ringing on both sides.
            let at = (f64::from(from) / f64::from(from.min(to)) * 300.0) as usize;
            let mut taps = vec![0.0; 2 * at];
            taps[at] = 1.0;
            let got = resampled(&taps, from, to);
            let error = worst((&taps, from), (&got, to));
            println!("{from} -> {to}: {error:.1} dB");
            // Without a common factor the filter is as long as the rates' blocks, see `resample`.
            let bound = if from == 44_101 || to == 44_101 {
                -65.0
            } else {
                -120.0
            };
            assert!(error < bound, "{from} -> {to}: {error:.1} dB");
        }
    }

    #[test]
    fn a_lone_tap_at_the_start_keeps_its_level() {
        for (from, to) in PAIRS {
            let got = resampled(&[1.0], from, to);
            let edge = PASS * f64::from(from.min(to)) / 2.0;
            let level = |i: i32| db(response(&got, to, f64::from(i) / 200.0 * edge).norm());
            let off = (0..=200).map(|i| level(i).abs()).fold(0.0, f64::max);
            let error = worst((&[1.0], from), (&got, to));
            println!(
                "{from} -> {to}: {} taps, {error:.1} dB, level off by {off:.3} dB",
                got.len()
            );
            assert!(off < 0.1, "{from} -> {to}: level off by {off} dB");
        }
    }

    #[test]
    fn an_abrupt_start_is_repaired_better_than_it_is_cut() {
        let noise = |n: usize| ((n as f64 * 12.9898).sin() * 43_758.545_3).fract();
        let taps: Vec<f64> = (0..10).map(noise).collect();
        for (from, to) in PAIRS {
            let plan = Plan::new(rate(from), rate(to)).unwrap();
            let repaired = worst((&taps, from), (&plan.run(&taps).unwrap(), to));
            let delay = plan.block_out / 2;
            let mut cut = plan.stream(&taps, 3 * delay).unwrap().split_off(delay);
            cut.iter_mut()
                .for_each(|x| *x *= f64::from(from) / f64::from(to));
            let cut = worst((&taps, from), (&cut, to));
            println!("{from} -> {to}: repaired {repaired:.1} dB, cut {cut:.1} dB");
            assert!(
                repaired < cut,
                "{from} -> {to}: {repaired:.1} against {cut:.1} dB"
            );
        }
    }

    #[test]
    fn nothing_of_the_tail_is_lost() {
        for (from, to) in PAIRS {
            for frames in [1, 2, 7, 1000, 4099] {
                let mut taps = vec![0.0; frames];
                taps[frames - 1] = 1.0;
                let got = resampled(&taps, from, to).len() as u64;
                let least = (frames as u64 * u64::from(to)).div_ceil(u64::from(from));
                assert!(
                    got >= least,
                    "{from} -> {to}, {frames} frames: {got} of {least}"
                );
                let silent = resampled(&vec![0.0; frames], from, to);
                assert_eq!(silent, vec![0.0; least as usize]);
            }
        }
    }

    #[test]
    fn the_name_and_all_channels_are_kept() {
        let audio = Audio::new(rate(44_100), vec![vec![0.0; 500], [0.0, 1.0].repeat(250)]);
        let ir = ImpulseResponse::new(audio.unwrap()).unwrap().named("two");
        let ir = ir.resample(rate(48_000)).unwrap();
        assert_eq!(
            (ir.name(), ir.channel_count(), ir.rate()),
            ("two", 2, rate(48_000))
        );
        assert!(ir.channel(0).iter().all(|&x| x == 0.0));
    }

    #[test]
    fn rates_without_a_workable_ratio_are_refused_with_both() {
        let one =
            |hz| ImpulseResponse::new(Audio::new(rate(hz), vec![vec![1.0]]).unwrap()).unwrap();
        for (from, to) in [(1, 48_000), (48_000, 1), (u32::MAX, 48_000)] {
            let text = one(from).resample(rate(to)).unwrap_err().to_string();
            assert!(
                text.contains(&format!("from {from} Hz to {to} Hz")),
                "{text}"
            );
        }
        let text = one(4_000_000_007)
            .resample(rate(4_000_000_009))
            .unwrap_err()
            .to_string();
        assert!(text.contains("8000000018 frames"), "{text}");
    }
}
