//! Room acoustic parameters of one channel, broadband and per octave band, after ISO 3382-1:2009.

use super::band::{self, Band, OCTAVES};
use super::decay::{Decay, Unjudged};
use crate::signal::SampleRate;

/// End of what counts as early for speech and for music, in milliseconds.
const SPEECH: f64 = 50.0;
const MUSIC: f64 = 80.0;
/// The direct sound: from so many milliseconds before the onset to so many after it (Zahorik 2002,
/// "Direct-to-reverberant energy ratio sensitivity").
const DIRECT: (f64, f64) = (1.0, 2.5);

/// What a channel's response says of its room.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Acoustics {
    /// Of all frequencies.
    pub broadband: Parameters,
    /// Of each octave band of [`OCTAVES`], in their order.
    pub bands: [Parameters; OCTAVES.len()],
    /// Energy from 1 ms before the onset to 2.5 ms after it over all that comes later, in dB.
    pub direct_to_reverberant: Result<f64, Unjudged>,
}

/// The parameters of a band, or why they could not be judged.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Parameters {
    /// Midband frequency in Hz; none for all frequencies.
    pub hz: Option<f64>,
    /// Early decay time in seconds, as RT60.
    pub edt: Result<f64, Unjudged>,
    /// Decay time in seconds from -5 to -25 dB, as RT60.
    pub t20: Result<f64, Unjudged>,
    /// Decay time in seconds from -5 to -35 dB, as RT60.
    pub t30: Result<f64, Unjudged>,
    /// Clarity of speech: energy of the first 50 ms over the later one, in dB.
    pub c50: Result<f64, Unjudged>,
    /// Clarity of music: energy of the first 80 ms over the later one, in dB.
    pub c80: Result<f64, Unjudged>,
    /// Definition: share of the first 50 ms in the energy, 0 to 1.
    pub d50: Result<f64, Unjudged>,
    /// Centre time: the energy's centre of gravity, in seconds after the onset.
    pub ts: Result<f64, Unjudged>,
    /// How far the energy decays before it meets the noise floor or the end, in dB.
    pub range: Result<f64, Unjudged>,
    /// Power of the noise floor in dB relative to a tap of 1, where one was reached.
    pub noise: Option<f64>,
}

impl Acoustics {
    /// Judges one channel's taps.
    pub fn of(taps: &[f64], rate: SampleRate) -> Self {
        let decay = Decay::of(taps, rate);
        Self {
            direct_to_reverberant: decay
                .as_ref()
                .map_err(Unjudged::clone)
                .and_then(|decay| direct_to_reverberant(taps, rate, decay)),
            broadband: Parameters::of(taps, rate, None, decay),
            bands: OCTAVES.map(|hz| {
                let band = Band::octave(hz);
                let decay = Decay::in_band(taps, rate, band);
                Parameters::of(taps, rate, Some(band), decay)
            }),
        }
    }
}

impl Parameters {
    fn of(
        taps: &[f64],
        rate: SampleRate,
        band: Option<Band>,
        decay: Result<Decay, Unjudged>,
    ) -> Self {
        let hz = band.map(|band| band.hz());
        let decay = match decay {
            Ok(decay) => decay,
            Err(why) => {
                let none = || Err(why.clone());
                return Self {
                    hz,
                    edt: none(),
                    t20: none(),
                    t30: none(),
                    c50: none(),
                    c80: none(),
                    d50: none(),
                    ts: none(),
                    range: none(),
                    noise: None,
                };
            }
        };
        let sound = Sound {
            taps: &taps[decay.onset..decay.end],
            rate,
            band,
            decay: &decay,
        };
        Self {
            hz,
            edt: decay.edt(),
            t20: decay.t20(),
            t30: decay.t30(),
            c50: sound.clarity("C50", SPEECH),
            c80: sound.clarity("C80", MUSIC),
            d50: sound.definition("D50", SPEECH),
            ts: sound.centre_time("Ts"),
            range: Ok(decay.range),
            noise: decay.noise,
        }
    }
}

fn direct_to_reverberant(taps: &[f64], rate: SampleRate, decay: &Decay) -> Result<f64, Unjudged> {
    decay.reaches("the direct-to-reverberant ratio", -10.0)?;
    let begin = decay.onset.saturating_sub(rate.frames(DIRECT.0 / 1e3));
    let split = decay.onset + rate.frames(DIRECT.1 / 1e3);
    let sound = Sound {
        taps: &taps[begin..decay.end],
        rate,
        band: None,
        decay,
    };
    let (direct, later) = sound.split(split - begin);
    ratio(direct, later, DIRECT.1)
}

fn ratio(early: f64, later: f64, ms: f64) -> Result<f64, Unjudged> {
    if early > 0.0 && later > 0.0 {
        Ok(10.0 * (early / later).log10())
    } else {
        Err(Unjudged::NothingAfter { ms })
    }
}

/// What is heard of a response before its noise floor, in a band.
struct Sound<'a> {
    taps: &'a [f64],
    rate: SampleRate,
    band: Option<Band>,
    decay: &'a Decay,
}

impl Sound<'_> {
    /// Energy before and from a frame on. The response is cut before it is filtered: a filter's
    /// ringing then stays with the side that made it.
    fn split(&self, frame: usize) -> (f64, f64) {
        let frame = frame.min(self.taps.len());
        let (early, later) = self.taps.split_at(frame);
        let signal = |part: &[f64]| self.energy(part) - self.noise() * part.len() as f64;
        (signal(early), signal(later) + self.decay.beyond().energy)
    }

    fn clarity(&self, what: &'static str, ms: f64) -> Result<f64, Unjudged> {
        self.decay.reaches(what, -10.0)?;
        let frame = self.rate.frames(ms / 1e3);
        if frame >= self.taps.len() {
            return Err(Unjudged::NothingAfter { ms });
        }
        let (early, later) = self.split(frame);
        ratio(early, later, ms)
    }

    fn definition(&self, what: &'static str, ms: f64) -> Result<f64, Unjudged> {
        self.decay.reaches(what, -10.0)?;
        let (early, later) = self.split(self.rate.frames(ms / 1e3));
        Ok(early / (early + later.max(0.0)))
    }

    fn centre_time(&self, what: &'static str) -> Result<f64, Unjudged> {
        self.decay.reaches(what, -10.0)?;
        let (frames, beyond) = (self.taps.len() as f64, self.decay.beyond());
        let energy = self.energy(self.taps) - self.noise() * frames + beyond.energy;
        let moment = self.moment() - self.noise() * frames * (frames - 1.0) / 2.0
            + beyond.energy * (frames + beyond.delay);
        // What is left of a floor may weigh less than nothing.
        Ok((moment / energy / f64::from(self.rate.hz())).max(0.0))
    }

    /// Power of the noise floor per frame.
    fn noise(&self) -> f64 {
        self.decay.noise.map_or(0.0, |db| 10f64.powf(db / 10.0))
    }

    /// Energy of taps in the band.
    fn energy(&self, taps: &[f64]) -> f64 {
        let (filtered, _) = self.filtered(taps);
        filtered.iter().map(|y| y * y).sum()
    }

    /// Sum of energy times frame in the band, as a filter without phase would leave it: run
    /// backwards and forwards the filter moves it by as much to either side.
    fn moment(&self) -> f64 {
        let backwards = self.moment_of(self.taps);
        if self.band.is_none() {
            return backwards;
        }
        let mirrored: Vec<f64> = self.taps.iter().rev().copied().collect();
        let last = self.taps.len() as f64 - 1.0;
        let forwards = last * self.energy(self.taps) - self.moment_of(&mirrored);
        backwards.midpoint(forwards)
    }

    fn moment_of(&self, taps: &[f64]) -> f64 {
        let (filtered, lead) = self.filtered(taps);
        let energy = filtered.iter().map(|y| y * y).enumerate();
        energy.map(|(n, e)| (n as f64 - lead as f64) * e).sum()
    }

    /// Taps in the band with so many frames of ringing before them.
    fn filtered(&self, taps: &[f64]) -> (Vec<f64>, usize) {
        match self.band {
            None => (taps.to_vec(), 0),
            Some(band) => {
                let lead = band.ringing(self.rate);
                (band::filter_with_lead(taps, self.rate, band, lead), lead)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise that falls by 60 dB in `rt60` seconds, over a floor.
    fn room(seed: u64, rt60: f64, floor: f64) -> Vec<f64> {
        let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut noise = move || {
            x = x
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (x as i64 >> 11) as f64 / 2f64.powi(52)
        };
        let frame = |n: usize| {
            let decay = 10f64.powf(-3.0 * n as f64 / 48e3 / rt60);
            noise() * decay + noise() * floor
        };
        (0..rate().frames(1.3 * rt60)).map(frame).collect()
    }

    fn rate() -> SampleRate {
        SampleRate::new(48_000).unwrap()
    }

    #[test]
    fn clarity_and_centre_time_are_those_of_an_exponential_decay() {
        for (rt60, floor) in [
            (0.5, 0.0),
            (0.5, 1e-3),
            (2.0, 0.0),
            (2.0, 10f64.powf(-2.25)),
        ] {
            // Energy beyond t is e^(-t / tau) of it, its centre is tau.
            let tau = rt60 / 1e6f64.ln();
            let clarity = |t: f64| 10.0 * ((t / tau).exp() - 1.0).log10();
            let mut means = [[0.0; 4]; 8];
            let decays = 8;
            for seed in 0..decays {
                let found = Acoustics::of(&room(seed, rt60, floor), rate());
                let bands = std::iter::once(&found.broadband).chain(&found.bands);
                for (mean, band) in means.iter_mut().zip(bands) {
                    let values = [&band.c50, &band.c80, &band.d50, &band.ts];
                    for (mean, value) in mean.iter_mut().zip(values) {
                        *mean += value.clone().unwrap() / f64::from(decays as u32);
                    }
                }
            }
            for (index, [c50, c80, d50, ts]) in means.into_iter().enumerate() {
                let width = match index.checked_sub(1) {
                    None => 24_000.0,
                    Some(band) => Band::octave(OCTAVES[band]).width(),
                };
                // Energy over a time t is 1 / sqrt(B t) uncertain, here over some 2 tau.
                let share = 3.0 / (width * 2.0 * tau * f64::from(decays as u32)).sqrt();
                let db = 10.0 * (1.0 + 1.5 * share).log10();
                let shown = format!("{rt60} s, floor {floor}, {width} Hz: {c50} {c80} {d50} {ts}");
                assert!(
                    (c50 - clarity(0.05)).abs() < db,
                    "{shown}, {}",
                    clarity(0.05)
                );
                assert!(
                    (c80 - clarity(0.08)).abs() < db,
                    "{shown}, {}",
                    clarity(0.08)
                );
                let definition = 1.0 - (-0.05 / tau).exp();
                assert!((d50 - definition).abs() < share, "{shown}, {definition}");
                assert!((ts / tau - 1.0).abs() < share, "{shown}, {tau}");
            }
        }
    }

    #[test]
    fn the_direct_sound_is_weighed_against_all_later() {
        // 1 before 2.5 ms, and 0.1^2 * tau * rate after it.
        let mut taps: Vec<f64> = room(3, 1.0, 0.0).iter().map(|x| 0.1 * x).collect();
        taps[..120].fill(0.0);
        taps[0] = 1.0;
        let later: f64 = taps[120..].iter().map(|x| x * x).sum();
        let found = Acoustics::of(&taps, rate()).direct_to_reverberant.unwrap();
        assert!((found + 10.0 * later.log10()).abs() < 0.01, "{found}");
        // What comes up to 1 ms before the onset belongs to it.
        let mut early = vec![0.0; 48];
        early[0] = 0.09;
        early.extend(&taps);
        let found = Acoustics::of(&early, rate()).direct_to_reverberant.unwrap();
        let expected = 10.0 * ((1.0 + 0.0081) / later).log10();
        assert!((found - expected).abs() < 0.01, "{found}");
    }

    #[test]
    fn what_cannot_be_judged_says_why() {
        let silent = Acoustics::of(&[0.0; 10], rate());
        assert_eq!(silent.direct_to_reverberant, Err(Unjudged::Silent));
        for band in std::iter::once(&silent.broadband).chain(&silent.bands) {
            for value in [
                &band.edt, &band.t20, &band.t30, &band.c50, &band.c80, &band.d50, &band.ts,
            ] {
                assert_eq!(*value, Err(Unjudged::Silent));
            }
        }
        // A decay of 20 ms has nothing after 50: all of it is early.
        let short = Acoustics::of(&room(1, 0.02, 0.0), rate()).broadband;
        assert_eq!(short.c50, Err(Unjudged::NothingAfter { ms: 50.0 }));
        assert!(short.d50.unwrap() > 0.999_999);
        assert!((short.ts.unwrap() / (0.02 / 1e6f64.ln()) - 1.0).abs() < 0.1);
    }
}
