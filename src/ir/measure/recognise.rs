//! What a signal is, by its samples: repeats, periods, sweeps.

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

use super::mls::ORDERS;
use crate::signal::SampleRate;

/// Level relative to the peak below which a file is silent: -60 dB, above the dither of 16 bits.
const SILENT: f64 = 1e-3;
/// Shortest silence between two repeats, in seconds.
const GAP: f64 = 0.1;
/// What is taken with a stroke before and after it, at most, in seconds.
const MARGIN: f64 = 0.005;
/// Power relative to the strongest window's below which one shows no sweep: -50 dB, as a room and a
/// loudspeaker make some frequencies much weaker than others.
const QUIET: f64 = 1e-5;
/// How far two samples of a two-valued signal may lie apart, as a share of the peak.
const EQUAL: f64 = 2e-3;

/// Where the sound of a file stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Strokes {
    pub lead: usize,
    /// Frames of each before its first sound.
    pub quiet: usize,
    pub frames: usize,
    pub spacing: usize,
    pub plays: usize,
    /// Frames after each in which nothing sounds.
    pub silence: usize,
}

/// A two-valued signal that repeats: where it begins, its period, and how many there are.
pub(super) fn periods(samples: &[f64]) -> Option<(usize, usize, usize)> {
    let peak = samples.iter().fold(0.0, |peak: f64, x| peak.max(x.abs()));
    let full = |x: &f64| (x.abs() - peak).abs() <= EQUAL * peak;
    let begin = samples.iter().position(full)?;
    let end = begin + samples[begin..].iter().take_while(|x| full(x)).count();
    let sound = &samples[begin..end];
    ORDERS
        .map(|order| (1usize << order) - 1)
        .find_map(|period| {
            let plays = sound.len() / period;
            let repeats =
                |pair: (&f64, &f64)| pair.0.is_sign_negative() == pair.1.is_sign_negative();
            let found = plays >= 2
            && sound.iter().zip(&sound[period..]).all(repeats)
            // One sign more of one kind than of the other: what makes it a maximum-length sequence.
            && sound[..period].iter().map(|x| x.signum()).sum::<f64>().abs() == 1.0;
            found.then_some((begin, period, plays))
        })
}

/// The sounding parts of a file: equal ones at equal distances, or all of it as one.
pub(super) fn strokes(samples: &[f64], rate: SampleRate) -> Strokes {
    let peak = samples.iter().fold(0.0, |peak: f64, x| peak.max(x.abs()));
    let (gap, margin) = (rate.frames(GAP), rate.frames(MARGIN));
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for (n, x) in samples.iter().enumerate() {
        if x.abs() > SILENT * peak {
            match parts.last_mut() {
                Some((_, end)) if n < *end + gap => *end = n + 1,
                _ => parts.push((n, n + 1)),
            }
        }
    }
    let (first, last) = (parts[0], parts[parts.len() - 1]);
    let spacing = parts.get(1).map_or(0, |next| next.0 - first.0);
    let alike = parts.iter().enumerate().all(|(k, &(begin, end))| {
        // Dither moves an end by a few frames.
        let slack = rate.frames(1e-3);
        begin.abs_diff(first.0 + k * spacing) <= slack
            && (end - begin).abs_diff(first.1 - first.0) <= slack
    });
    let found = (alike && parts.len() > 1)
        .then(|| best_spacing(&samples[first.0..], spacing, first.1 - first.0, rate))
        .flatten();
    let same = found.is_some();
    let (begin, end, plays) = match same {
        true => (first.0, first.1, parts.len()),
        false => (first.0, last.1, 1),
    };
    let spacing = found.unwrap_or(samples.len());
    let room = if same {
        (spacing - (end - begin)) / 2
    } else {
        samples.len() - end
    };
    let lead = begin - begin.min(margin);
    let tail = margin.min(room).min(samples.len() - last.1);
    let frames = end + tail - lead;
    let silence = match found {
        Some(spacing) => spacing - frames,
        None => samples.len() - lead - frames,
    };
    Strokes {
        lead,
        quiet: begin - lead,
        frames,
        spacing,
        plays,
        silence,
    }
}

/// The distance near `spacing` at which the first part, at the beginning, comes again.
fn best_spacing(samples: &[f64], spacing: usize, frames: usize, rate: SampleRate) -> Option<usize> {
    let slack = rate.frames(1e-3);
    let frames = frames.min(samples.len().saturating_sub(spacing + slack));
    let off = |spacing: usize| -> f64 {
        let pair = samples[..frames].iter().zip(&samples[spacing..]);
        pair.map(|(a, b)| (a - b).powi(2)).sum()
    };
    let energy: f64 = samples[..frames].iter().map(|x| x * x).sum();
    let best = (spacing.saturating_sub(slack)..=spacing + slack)
        .map(|spacing| (off(spacing), spacing))
        .min_by(|a, b| a.0.total_cmp(&b.0))?;
    // Dither of 16 bits under a quiet sweep is still 40 dB below it.
    (best.0 < 1e-4 * energy).then_some(best.1)
}

/// A sweep, by the trace of its loudest frequency.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Chirp {
    /// Frequency at the beginning of what was looked at (as far as it sounds), in Hz.
    pub from: f64,
    /// Frequency at its end, in Hz.
    pub to: f64,
    /// Time between the two in seconds.
    pub seconds: f64,
    /// Seconds in which an exponential one grows by e.
    pub growth: f64,
    /// Whether it grows exponentially; linearly otherwise.
    pub exponential: bool,
}

/// Looks for one upward sweep, or the longest of several: clean, or as a room returns it. None
/// where there is no such thing.
pub fn chirp(samples: &[f64], rate: SampleRate) -> Option<Chirp> {
    let trace = trace(samples, rate)?;
    let exponential = straight(&trace, f64::ln);
    let linear = straight(&trace, |f| f);
    let (line, exponential) = match (exponential, linear) {
        (Some(e), Some(l)) if l.on > e.on => (l, false),
        (Some(e), _) => (e, true),
        (None, l) => (l?, false),
    };
    // Less than half of what sounds, or less than half an octave, is no sweep.
    let value = |t: f64| {
        let y = line.level + line.slope * t;
        if exponential { y.exp() } else { y }
    };
    let (first, last) = (trace.at[0].0, trace.at[trace.at.len() - 1].0);
    let whole = line.begin <= first + 0.1 * (last - first);
    // The trace shows nothing below its resolution; an exponential sweep comes from there.
    let begin = if whole && exponential {
        trace.begin
    } else {
        line.begin
    };
    let end = if line.end >= last - 0.02 * (last - first) {
        trace.end
    } else {
        line.end
    };
    let (from, to) = (value(begin), value(end));
    let found = line.share() > 0.5 && from > 0.0 && to / from > 1.4 && end > begin;
    found.then_some(Chirp {
        from,
        to,
        seconds: end - begin,
        growth: line.slope.recip(),
        exponential,
    })
}

/// Loudest frequency over time.
struct Trace {
    /// Seconds and Hz.
    at: Vec<(f64, f64)>,
    /// Seconds from one to the next.
    hop: f64,
    /// Share of a frame's width in frequency that its peak is known to, in Hz.
    bin: f64,
    /// When the sound begins and ends, in seconds.
    begin: f64,
    end: f64,
}

fn trace(samples: &[f64], rate: SampleRate) -> Option<Trace> {
    let peak = samples.iter().fold(0.0, |peak: f64, x| peak.max(x.abs()));
    let loud = |x: &f64| x.abs() > 0.03 * peak;
    let begin = samples.iter().position(loud)?;
    let end = samples.iter().rposition(loud)? + 1;
    // Some 200 windows, each short enough that the frequency hardly changes within it.
    let size = ((end - begin) / 200).next_power_of_two().clamp(128, 8192);
    let hop = (end - begin).checked_sub(size)? / 400 + 1;
    let window = |n: usize| {
        (std::f64::consts::PI * (n as f64 + 0.5) / size as f64)
            .sin()
            .powi(2)
    };
    let window: Vec<f64> = (0..size).map(window).collect();
    let fft = FftPlanner::new().plan_fft_forward(size);
    let (hz, bin) = (f64::from(rate.hz()), f64::from(rate.hz()) / size as f64);
    let mut at = Vec::new();
    let mut powers: Vec<f64> = Vec::new();
    let mut bins = vec![Complex::default(); size];
    let mut start = begin;
    while start + size <= end {
        for (bin, (x, w)) in bins.iter_mut().zip(samples[start..].iter().zip(&window)) {
            *bin = Complex::new(x * w, 0.0);
        }
        fft.process(&mut bins);
        let power = |k: usize| bins[k].norm_sqr().max(f64::MIN_POSITIVE).ln();
        let best =
            (2..size / 2 - 1).max_by(|&a, &b| bins[a].norm_sqr().total_cmp(&bins[b].norm_sqr()))?;
        if best >= 4 && bins[best].norm_sqr() > 0.0 {
            let (a, b, c) = (power(best - 1), power(best), power(best + 1));
            let offset = match a - 2.0 * b + c {
                curve if curve < 0.0 => (0.5 * (a - c) / curve).clamp(-0.5, 0.5),
                _ => 0.0,
            };
            let middle = (start as f64 + size as f64 / 2.0) / hz;
            at.push((middle, (best as f64 + offset) * bin));
            powers.push(b);
        }
        start += hop;
    }
    // What is left of the sound in a silence is none of it.
    let most = powers
        .iter()
        .fold(f64::NEG_INFINITY, |most, &p| most.max(p));
    let mut powers = powers.iter();
    at.retain(|_| powers.next().is_some_and(|&p| p > most + QUIET.ln()));
    (at.len() >= 20).then_some(Trace {
        at,
        hop: hop as f64 / hz,
        bin,
        begin: begin as f64 / hz,
        end: end as f64 / hz,
    })
}

/// The longest part of a trace that is a straight line.
struct Line {
    slope: f64,
    level: f64,
    begin: f64,
    end: f64,
    /// Windows on the line, of how many between its ends.
    on: usize,
    of: usize,
}

impl Line {
    fn share(&self) -> f64 {
        self.on as f64 / self.of as f64
    }
}

fn straight(trace: &Trace, scale: impl Fn(f64) -> f64) -> Option<Line> {
    let points: Vec<(f64, f64)> = trace.at.iter().map(|&(t, f)| (t, scale(f))).collect();
    // A repeat begins anew, an echo or a noise leads astray: the median of slopes does not mind.
    let lag = (points.len() / 20).max(4);
    let mut slopes: Vec<f64> = points
        .windows(lag + 1)
        .map(|w| (w[lag].1 - w[0].1) / (w[lag].0 - w[0].0))
        .collect();
    slopes.sort_by(f64::total_cmp);
    let slope = *slopes.get(slopes.len() / 2)?;
    if slope <= 0.0 {
        return None;
    }
    // How far a point may lie off: a bin, or what the frequency grows by in four hops.
    let allowed = |f: f64| (scale(f + trace.bin) - scale(f)).max(4.0 * slope * trace.hop);
    // The line through the point that most others lie on.
    let on = |through: &(f64, f64), point: &(f64, f64), f: f64, slope: f64| {
        (point.1 - through.1 - slope * (point.0 - through.0)).abs() < allowed(f)
    };
    let mut best: Vec<usize> = Vec::new();
    for through in points.iter().step_by(lag) {
        // Not so far away that the slope's error counts.
        let near = points
            .iter()
            .enumerate()
            .filter(|(_, p)| on(through, p, trace.at[0].1.max(1.0), slope));
        let found: Vec<usize> = near.map(|(n, _)| n).collect();
        if found.len() > best.len() {
            best = found;
        }
    }
    let (mut slope, mut level) = fit(&points, &best)?;
    for _ in 0..3 {
        let off = |n: &usize| {
            (points[*n].1 - level - slope * points[*n].0).abs() < allowed(trace.at[*n].1)
        };
        let kept: Vec<usize> = (0..points.len()).filter(off).collect();
        (slope, level) = fit(&points, &kept)?;
        best = kept;
    }
    let (first, last) = (*best.first()?, *best.last()?);
    (slope > 0.0).then_some(Line {
        slope,
        level,
        begin: points[first].0,
        end: points[last].0,
        on: best.len(),
        of: last - first + 1,
    })
}

/// Least squares: slope and level at 0.
fn fit(points: &[(f64, f64)], which: &[usize]) -> Option<(f64, f64)> {
    if which.len() < 10 {
        return None;
    }
    let n = which.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| which.iter().map(|&k| of(&points[k])).sum::<f64>() / n;
    let (t, y) = (mean(|p| p.0), mean(|p| p.1));
    let (mut top, mut bottom) = (0.0, 0.0);
    for &k in which {
        top += (points[k].0 - t) * (points[k].1 - y);
        bottom += (points[k].0 - t).powi(2);
    }
    let slope = top / bottom;
    slope.is_finite().then_some((slope, y - slope * t))
}
