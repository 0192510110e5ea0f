//! From a recording to the impulse response, with a judgement of what was recorded.

use std::f64::consts::LN_2;

use super::MeasureError;
use super::clipping::Clipping;
use super::drift::{Drift, DriftOption, Interpolator};
use super::excitation::{Excitation, Kind};
use super::harmonics::{Harmonic, harmonics};
use super::heard::Heard;
use super::inverse::Inverse;
use super::noise::{LEAST_SILENCE, OctaveSnr, snr};
use super::repeats::{self, Cuts, Repeat};
use crate::ir::ImpulseResponse;
use crate::ir::onset::onset;
use crate::signal::{Audio, SampleRate};

/// What is cut out of the recording before a repeat is heard, in seconds: room for a response
/// that rises slowly, and for the ringing of its band's lower end.
const BEFORE: f64 = 1.0;
/// Length of the response where the signal leaves no silence to ring out in, in seconds.
const RING: f64 = 1.0;
/// Longest response in seconds.
const LONGEST: f64 = 60.0;
/// How much before the playing a sound may begin, in seconds: a band's limits ring.
const EARLY: f64 = 1e-3;
/// Largest drift that is undone when it is given, in ppm: a tape recorder's.
const MOST_GIVEN: f64 = 1e5;

/// What the deconvolution is to do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Two clocks.
    pub drift: DriftOption,
    /// Time from the response's tap 0 to its first sound, in seconds.
    pub lead: f64,
    /// Instead of that, tap 0 is the moment at which the signal was played, taken that recording
    /// and playing began together.
    pub keep_delay: bool,
    /// Length of the response in seconds; as long as the signal's silence (a periodic one's
    /// period) without one.
    pub length: Option<f64>,
    /// Goes on with a clipped recording.
    pub allow_clipped: bool,
}

impl Default for Options {
    /// Drift estimated, 5 ms before the first sound, the signal's silence as length.
    fn default() -> Self {
        Self {
            drift: DriftOption::Estimate,
            lead: 5e-3,
            keep_delay: false,
            length: None,
            allow_clipped: false,
        }
    }
}

/// Least level of a further channel's peak over its mean, in dB: that of noise is 14.
const LEAST_OF_OTHERS: f64 = 17.0;
/// Level beside the loudest channel's, linear, below which a channel holds nothing but rounding.
const ROUNDING: f64 = 1e-6;
/// Noise of a repeat beside its own level, in dB, that needs an explanation.
const DISAGREE: f64 = -15.0;

/// What a recording told.
#[derive(Debug, Clone, PartialEq)]
pub struct Deconvolved {
    /// The linear response, a channel for each of the recording's, their mutual delays and levels
    /// kept. Its level is that of the recording relative to the signal's samples.
    pub ir: ImpulseResponse,
    /// Frame of the recording at which the first repeat that was used begins to be heard.
    pub heard_at: usize,
    /// Frames from playing to hearing, taken that recording and playing began together; negative
    /// where the recording shows that they did not.
    pub delay: isize,
    /// Frames from the response's tap 0 to its first sound.
    pub onset: usize,
    /// The clocks.
    pub drift: Drift,
    /// Level of the response's peak over the mean of all that surrounds it, in dB.
    pub contrast_db: f64,
    /// Power of the signal over that of the noise in the recording, within the signal's band, in
    /// dB; none without a silence of 0.1 s before the signal. Of the loudest channel, as all below.
    pub snr_db: Option<f64>,
    /// The same for each octave within the band.
    pub octaves: Vec<OctaveSnr>,
    /// Noise of the response relative to its peak, root mean square, in dB; none where there was
    /// nothing to judge it by.
    pub noise_db: Option<f64>,
    /// Harmonics; none but for an exponential sweep.
    pub harmonics: Vec<Harmonic>,
    /// Clipped samples of the recording; only with `allow_clipped` there are any.
    pub clipping: Clipping,
    /// Each repeat that is complete.
    pub repeats: Vec<Repeat>,
    /// Frames by which the recording of a repeat ended before the response does: in its end high
    /// frequencies are lacking.
    pub cut_short: usize,
    /// Peak of each channel of the recording, linear.
    pub peaks: Vec<f64>,
    /// Channels, counted from 0, that hold hardly anything of the signal: where the response
    /// begins was not asked of them.
    pub faint: Vec<usize>,
    /// Level of the last tenth of the response, root mean square beside its peak, in dB.
    pub end_db: f64,
}

/// Makes the impulse response of a recording of a measuring signal.
///
/// The recording may begin and end at any time as long as it holds the whole signal, or at least
/// one of its repeats; all its channels go by one clock. A sweep's spectrum is divided out within
/// its band with a light regularisation, so that within the band the response is exact to -100 dB;
/// beyond the band it fades to nothing. Distortion of an exponential sweep falls before the linear
/// response (Farina 2000) and is left out. A periodic signal is divided circularly.
///
/// # Errors
/// Where the recording is silent, clipped, incomplete, at another rate or not one of this signal:
/// with numbers, and as far as it can be told, the reason.
pub fn deconvolve(
    recorded: &Audio<f32>,
    excitation: &Excitation,
    options: &Options,
) -> Result<Deconvolved, MeasureError> {
    check(recorded, excitation, options)?;
    let rate = excitation.rate;
    let clipping = Clipping::at_least(
        recorded,
        match excitation.kind {
            Kind::Periodic => 0.99,
            _ => 0.0,
        },
    );
    if let Some((frame, channel)) = clipping.first.filter(|_| !options.allow_clipped) {
        return Err(MeasureError::Clipped {
            samples: clipping.samples,
            seconds: rate.seconds(frame),
            channel,
        });
    }

    let length = match (options.length, excitation.kind) {
        (Some(seconds), _) => rate.frames(seconds).max(1),
        (None, Kind::Periodic) => excitation.one.len(),
        (None, _) if excitation.silence == 0 => rate.frames(RING),
        (None, _) => excitation.silence,
    };
    let before = rate.frames(BEFORE);
    let mut inverse = Inverse::finding(excitation, before + excitation.one.len() + length);
    let heard = Heard::find(recorded, excitation, &inverse)?;
    let drift = heard.drift(recorded, excitation, &inverse, options.drift)?;
    let cuts = Cuts::new(&heard.complete, &drift, excitation, before, length);
    let repeats = judge(recorded, &cuts);
    inverse = match excitation.kind {
        Kind::Sweep { .. } => inverse,
        Kind::Periodic => Inverse::circular(excitation),
        Kind::Other => Inverse::new(excitation, before + excitation.one.len() + length),
    };
    let responses = responses(recorded, &cuts, &repeats, &inverse);

    let gap = match excitation.kind {
        // The second harmonic's response is still further away.
        Kind::Sweep { growth, .. } => rate.frames((0.8 * growth * LN_2).min(BEFORE)),
        _ => before,
    };
    // The earliest sound in any channel that hears the signal.
    let reach = length.min(inverse.size / 2);
    let rounding = ROUNDING * responses[heard.channel].peak(reach);
    let faint = |k: &usize| {
        let response = &responses[*k];
        let silent = response.peak(reach) < rounding;
        *k != heard.channel && (silent || response.contrast_db(reach) < LEAST_OF_OTHERS)
    };
    let faint: Vec<usize> = (0..responses.len()).filter(faint).collect();
    let clear = responses.iter().enumerate();
    let clear = clear.filter(|(k, _)| !faint.contains(k));
    let sound = clear
        .filter_map(|(_, response)| response.sound(reach, gap))
        .min()
        .unwrap_or(0);
    let heard_at = cuts.starts[0] + sound as f64 * cuts.step;
    let played = excitation.lead + heard.skipped * excitation.spacing;
    let delay = (heard_at / cuts.step).round() as isize - played as isize;
    if options.keep_delay && delay < -(rate.frames(EARLY) as isize) {
        return Err(MeasureError::Option {
            what: "a delay in frames",
            value: delay as f64,
            remedy: "the recording began after the signal, so do without the delay or record both together",
        });
    }
    let lead = match options.keep_delay {
        true => delay,
        false => rate.frames(options.lead) as isize,
    };
    let frames = match options.length {
        None if options.keep_delay => lead.max(0) as usize + length,
        _ => length,
    };
    let taps = |response: &Response| response.taps(sound, sound - lead, frames, gap);
    let channels: Vec<Vec<f64>> = responses.iter().map(taps).collect();
    let ir = ImpulseResponse::from_wide(rate, channels)?;

    let channel = recorded.channel(heard.channel);
    let response = &responses[heard.channel];
    let silence = heard.silence(channel, inverse.size);
    let peak = response.peak(reach);
    let used = repeats.iter().filter(|repeat| repeat.used).count();
    let noise_power = noise_power(&silence, channel, &cuts, &repeats, &inverse, rate);
    let heard_signal = Interpolator::new().cut(channel, cuts.starts[0], 1.0, excitation.one.len());
    let snr = snr(&silence, &heard_signal, excitation, inverse.band);
    agree(&repeats, snr.as_ref().map(|snr| snr.all_db))?;
    let end_db = end_db(ir.channel(heard.channel));
    let harmonics = match excitation.kind {
        Kind::Sweep { growth, .. } => {
            let at = |time: f64, frames: usize| {
                let from = sound + time.round() as isize;
                (from..from + frames as isize)
                    .map(|n| response.at(n))
                    .collect()
            };
            let earliest = -(excitation.one.len() as f64);
            harmonics(at, earliest, f64::from(rate.hz()), growth, inverse.band)
        }
        _ => Vec::new(),
    };
    let peak_of = |channel: &Vec<f32>| {
        channel
            .iter()
            .fold(0.0, |peak: f64, x| peak.max(f64::from(x.abs())))
    };
    Ok(Deconvolved {
        onset: usize::try_from(lead).unwrap_or(0),
        ir: ir.named("measured response"),
        heard_at: (heard_at + excitation.quiet as f64).round().max(0.0) as usize,
        delay,
        drift,
        contrast_db: heard.found.contrast_db,
        snr_db: snr.as_ref().map(|snr| snr.all_db),
        octaves: snr.map_or(Vec::new(), |snr| snr.octaves),
        noise_db: noise_power
            .filter(|power| *power > 0.0)
            .map(|power| 10.0 * (power / used as f64 / (peak * peak)).log10()),
        harmonics,
        clipping,
        cut_short: cuts.short(recorded.frames()),
        repeats,
        peaks: recorded.channels().iter().map(peak_of).collect(),
        faint,
        end_db,
    })
}

/// Refuses repeats that differ by more than the noise before them explains: their mean would be
/// no response.
fn agree(repeats: &[Repeat], snr_db: Option<f64>) -> Result<(), MeasureError> {
    let used = repeats.iter().filter(|repeat| repeat.used);
    let worst = used.filter_map(|repeat| repeat.noise_db).reduce(f64::max);
    match (worst, snr_db) {
        (Some(noise_db), Some(snr)) if noise_db > DISAGREE && noise_db > 10.0 - snr => {
            Err(MeasureError::Disagree {
                noise_db,
                explained_db: -snr,
            })
        }
        _ => Ok(()),
    }
}

/// Level of a response's last tenth, root mean square beside its peak, in dB.
fn end_db(taps: &[f32]) -> f64 {
    let square = |tap: &f32| f64::from(*tap).powi(2);
    let peak = taps.iter().map(square).fold(0.0, f64::max);
    let end = &taps[taps.len() - taps.len().div_ceil(10)..];
    10.0 * (end.iter().map(square).sum::<f64>() / end.len() as f64 / peak).log10()
}

fn check(
    recorded: &Audio<f32>,
    excitation: &Excitation,
    options: &Options,
) -> Result<(), MeasureError> {
    let wrong = |what, value, remedy| {
        Err(MeasureError::Option {
            what,
            value,
            remedy,
        })
    };
    if !(0.0..=1.0).contains(&options.lead) {
        return wrong("a lead in seconds", options.lead, "give 0 to 1");
    }
    if let Some(length) = options
        .length
        .filter(|length| !(*length > 0.0 && *length <= LONGEST))
    {
        return wrong(
            "a length in seconds",
            length,
            "give more than 0 and up to 60",
        );
    }
    if let DriftOption::Ppm(ppm) = options.drift
        && !(-MOST_GIVEN..=MOST_GIVEN).contains(&ppm)
    {
        return wrong("a drift in ppm", ppm, "give up to 100,000 either way");
    }
    if recorded.rate() != excitation.rate {
        return Err(MeasureError::Rates {
            recorded: recorded.rate(),
            played: excitation.rate,
        });
    }
    for (channel, samples) in recorded.channels().iter().enumerate() {
        if let Some(frame) = samples.iter().position(|x| !x.is_finite()) {
            return Err(MeasureError::NotFinite {
                channel,
                frame,
                value: samples[frame],
            });
        }
    }
    if recorded.channels().iter().flatten().all(|&x| x == 0.0) {
        return Err(MeasureError::Silent);
    }
    Ok(())
}

/// How the repeats agree, in the worst of the channels, and which to do without.
fn judge(recorded: &Audio<f32>, cuts: &Cuts) -> Vec<Repeat> {
    let several = cuts.starts.len() > 1;
    let mut repeats: Vec<Repeat> = cuts
        .starts
        .iter()
        .map(|&frame| Repeat {
            frame,
            noise_db: None,
            used: true,
        })
        .collect();
    for channel in recorded.channels().iter().filter(|_| several) {
        // Before the first repeat there is silence, before the others the end of another.
        let sound = |mut cut: Vec<f64>| cut.split_off(cuts.before);
        let cut: Vec<Vec<f64>> = cuts.of(channel).map(sound).collect();
        let power = repeats::mean(cut.iter()).iter().map(|x| x * x).sum::<f64>();
        if power == 0.0 {
            continue;
        }
        for (repeat, noise) in repeats.iter_mut().zip(repeats::noise(&cut)) {
            let db = 10.0 * (noise / power).max(1e-30).log10();
            repeat.noise_db = Some(repeat.noise_db.map_or(db, |worst: f64| worst.max(db)));
        }
        for out in repeats::outliers(&cut) {
            repeats[out].used = false;
        }
    }
    repeats
}

/// The mean of the repeats that are used, deconvolved, for each channel.
fn responses(
    recorded: &Audio<f32>,
    cuts: &Cuts,
    repeats: &[Repeat],
    inverse: &Inverse,
) -> Vec<Response> {
    let mean = |channel: &Vec<f32>| {
        let used = cuts
            .of(channel)
            .zip(repeats)
            .filter(|(_, repeat)| repeat.used);
        repeats::mean(used.map(|(cut, _)| cut))
    };
    let pairs = recorded.channels().chunks(2).flat_map(|pair| {
        let (a, b) = (mean(&pair[0]), pair.get(1).map(mean).unwrap_or_default());
        inverse.apply(&a, &b).into_iter().take(pair.len())
    });
    let response = |samples| Response::new(samples, cuts.before as isize, inverse.skirt == 0);
    pairs.map(response).collect()
}

/// Power that the noise of one repeat has in the response, by a silence or by the difference of
/// two repeats.
fn noise_power(
    silence: &[f64],
    channel: &[f32],
    cuts: &Cuts,
    repeats: &[Repeat],
    inverse: &Inverse,
    rate: SampleRate,
) -> Option<f64> {
    let power = |noise: &[f64]| {
        let [out, _] = inverse.apply(noise, &[]);
        out.iter().map(|x| x * x).sum::<f64>() / noise.len() as f64
    };
    if silence.len() >= rate.frames(LEAST_SILENCE) {
        return Some(power(silence));
    }
    let mut used = cuts
        .of(channel)
        .zip(repeats)
        .filter(|(_, repeat)| repeat.used);
    let ((a, _), (b, _)) = (used.next()?, used.next()?);
    let difference: Vec<f64> = a
        .iter()
        .zip(&b)
        .skip(cuts.before)
        .map(|(a, b)| a - b)
        .collect();
    Some(0.5 * power(&difference))
}

/// A deconvolved repeat: its times wrap around.
struct Response {
    samples: Vec<f64>,
    /// Where the time at which the repeat was found stands: so many frames before it belong to it.
    origin: isize,
}

impl Response {
    fn new(mut samples: Vec<f64>, origin: isize, periodic: bool) -> Self {
        if periodic {
            // At 0 Hz a sequence says nothing: what stands there is what lets the response end in
            // silence, just before it begins anew.
            let quiet = samples.len() * 3 / 4..samples.len() - 1;
            let mean = samples[quiet.clone()].iter().sum::<f64>() / quiet.len() as f64;
            samples.iter_mut().for_each(|x| *x -= mean);
        }
        Self { samples, origin }
    }

    /// At a time in frames after the repeat was found.
    fn at(&self, time: isize) -> f64 {
        let size = self.samples.len() as isize;
        self.samples[(time + self.origin).rem_euclid(size) as usize]
    }

    /// Time of the first sound, up to `after` frames after the repeat was found and no more than a
    /// gap before the largest tap: what comes still sooner is distortion.
    fn sound(&self, after: usize, gap: usize) -> Option<isize> {
        let size = |time: &isize| self.at(*time).abs();
        let largest = (-self.origin..after as isize).max_by(|a, b| size(a).total_cmp(&size(b)))?;
        let from = (largest - gap as isize).max(-self.origin);
        let near: Vec<f64> = (from..=largest).map(|time| self.at(time)).collect();
        onset(&near).map(|frame| frame as isize + from)
    }

    /// Level of the peak over the mean of all, in dB.
    fn contrast_db(&self, after: usize) -> f64 {
        let times = -self.origin..after as isize;
        let count = times.clone().count() as f64;
        let power = times.map(|time| self.at(time).powi(2)).sum::<f64>() / count;
        10.0 * (self.peak(after).powi(2) / power.max(f64::MIN_POSITIVE)).log10()
    }

    fn peak(&self, after: usize) -> f64 {
        (-self.origin..after as isize).fold(0.0, |peak, time| peak.max(self.at(time).abs()))
    }

    /// Taps from a time on. What lies further before `sound` than a gap is silent, as is what has
    /// wrapped around; the first quarter of the gap fades in.
    fn taps(&self, sound: isize, from: isize, frames: usize, gap: usize) -> Vec<f64> {
        let gap = (gap as isize).min(self.origin + sound).max(0);
        let end = self.samples.len() as isize - self.origin;
        let tap = |time: isize| {
            let inside = (time - sound + gap) as f64 / (0.25 * gap as f64);
            match inside {
                outside if outside < 0.0 || time >= end => 0.0,
                fading if fading < 1.0 => {
                    self.at(time) * (0.5 - 0.5 * (std::f64::consts::PI * fading).cos())
                }
                _ => self.at(time),
            }
        };
        (from..from + frames as isize).map(tap).collect()
    }
}
