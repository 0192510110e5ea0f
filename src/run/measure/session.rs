//! A measurement: listen to the silence, try softly, play the sweep, make the response.

use super::deck::{Deck, Disturbance, Program, Progress, Take, TakeError};
use super::response::{self, LEAD};
use super::setup::{MeasuringError, Setup, Zero};
use crate::io::port::{Clocks, Pair, Ports};
use crate::ir::measure::{
    Deconvolved, DriftOption, Excitation, MeasureError, Options, Sweep, SweepSetup, deconvolve,
};
use crate::ir::{ImpulseResponse, IrError};
use crate::signal::{Audio, SampleRate};

/// Seconds that the silence is listened to.
const LISTEN: f64 = 1.0;
/// Seconds of the soft sweep and of the silence behind it, and what it is softer by: 20 dB.
const SOFT_SECONDS: f64 = 1.0;
const SOFT_SILENCE: f64 = 0.25;
const SOFT: f64 = 0.1;
/// Seconds that are recorded after the last silence of the sweep: what a loop of devices takes.
const TAIL: f64 = 1.0;
/// Seconds of a recording before its sweep's first frame is due: the delays that hosts state are
/// not quite true, and a channel that hears little seems to begin up to a second too early.
const MARGIN: f64 = 1.25;
/// Peak that a recording shall keep below: -1 dB of full scale.
const HEADROOM: f64 = 0.891_25;
/// The soft sweep tells of the loud one only where it is so many times above the noise's peak.
const CLEAR: f64 = 3.0;
/// Level from which on samples are at full scale: the largest of 16 bits.
const FULL: f32 = 32_767.0 / 32_768.0;
/// So many samples at full scale in a row are no peak any more.
const RUN: usize = 3;
/// Least prominence, in dB, of a loop's response.
const LEAST_LOOP: f64 = 25.0;
/// The same of a room's: noise has 13 dB, what decays by 60 dB within the response 23.
const LEAST_ROOM: f64 = 17.0;

/// What a measurement does just now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Stage<'a> {
    /// It listens to the silence.
    Silence,
    /// It plays a sweep of a second, 20 dB softer than the true one.
    Soft,
    /// It plays the sweep.
    Sweep {
        /// Counted from 1.
        attempt: usize,
        /// Why the one before was not good enough.
        because: Option<&'a Disturbance>,
    },
}

/// Sees how a measurement goes, and says whether it shall go on.
pub type Watch<'a> = dyn FnMut(Stage<'_>, &Progress) -> bool + 'a;

/// What a channel of the input hears beforehand.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Heard {
    /// Channel of the device, from 0.
    pub channel: usize,
    /// Level of the silence, root of the mean square; 1 is full scale.
    pub noise: f64,
    /// Largest sample of the silence.
    pub noise_peak: f64,
    /// Largest sample of the soft sweep.
    pub soft: f64,
    /// What the true one is expected to reach; none where the soft one was hardly heard.
    pub expected: Option<f64>,
}

/// One output's share of a measurement.
#[derive(Debug, Clone)]
pub struct Turn {
    /// Channel of the output device, from 0.
    pub output: usize,
    /// Frame of the recording in which the sweep's first frame would be heard if it took no
    /// longer than the hosts state.
    pub frame: f64,
    /// Energy of the response that comes more than 50 ms before its largest tap, beside all of it,
    /// in dB; of the input where it is most. What is more than -30 dB is no room's: somewhere
    /// between, frames came too early.
    pub early_db: f64,
    /// What the recording told; its response is part of the whole one.
    pub told: Deconvolved,
}

/// A measurement.
#[derive(Debug, Clone)]
pub struct Measured {
    /// The response, at the input's rate: a channel for each input, of each output.
    pub ir: ImpulseResponse,
    /// What was played to every output, at the input's rate.
    pub sweep: Audio<f32>,
    /// All that was heard: the inputs, and the loopback, if there is one, as the last channel.
    pub recorded: Audio<f32>,
    /// The outputs' shares.
    pub turns: Vec<Turn>,
    /// Frames from when the hosts say that a sound is sent until it is heard first.
    pub arrival: f64,
    /// The same for the loop.
    pub loopback: Option<f64>,
    /// Largest sample of every recorded channel.
    pub peaks: Vec<f64>,
    /// What was wrong with takes that were not good enough.
    pub disturbed: Vec<Disturbance>,
}

/// Devices that are ready to be measured through.
pub struct Session {
    setup: Setup,
    deck: Deck,
    /// Channels of the device that are recorded.
    recorded: Vec<usize>,
}

impl Session {
    /// Opens the devices. Nothing is played yet.
    ///
    /// # Errors
    /// When a device or a channel cannot be had, or the sweep does not fit their rates.
    pub fn open(setup: Setup, ports: Box<dyn Ports>) -> Result<Self, MeasuringError> {
        let mut recorded = setup.inputs.clone();
        if let Zero::Loopback { channel, .. } = setup.zero {
            recorded.retain(|&input| input != channel);
            if recorded.is_empty() {
                let channel = channel + 1;
                return Err(MeasuringError::NoInput { channel });
            }
            recorded.push(channel);
        }
        let deck = Deck::open(&recorded, ports)?;
        let session = Self {
            setup,
            deck,
            recorded,
        };
        // What cannot be is known before anything is heard.
        session.sweeps(&session.setup.sweep)?;
        session.sweeps(&session.soft())?;
        Ok(session)
    }

    /// The devices as they were opened.
    pub fn pair(&self) -> &Pair {
        self.deck.pair()
    }

    /// Frames of a callback, of input and output, as they were seen.
    pub fn periods(&self) -> [f64; 2] {
        self.deck.periods()
    }

    /// What hosts have told beside, since the last call.
    pub fn notices(&mut self) -> Vec<String> {
        self.deck.notices()
    }

    /// Channels of the input device that are recorded, from 0; the loopback is the last.
    pub fn recorded(&self) -> &[usize] {
        &self.recorded
    }

    /// The sweep as it is played, and as it is heard: two rates may sample it.
    fn sweeps(&self, setup: &SweepSetup) -> Result<[Sweep; 2], MeasureError> {
        let pair = self.pair();
        let at = |rate: SampleRate| Sweep::new(SweepSetup { rate, ..*setup });
        Ok([at(pair.output.rate)?, at(pair.input.rate)?])
    }

    fn soft(&self) -> SweepSetup {
        let sweep = &self.setup.sweep;
        SweepSetup {
            seconds: sweep.seconds.min(SOFT_SECONDS),
            level: SOFT * sweep.level,
            silence: sweep.silence.min(SOFT_SILENCE),
            repeats: 1,
            ..*sweep
        }
    }

    /// A sweep on every output in turn.
    fn program(&self, sweep: &Sweep, tail: f64) -> Program {
        Program {
            signal: sweep.samples().iter().map(|&x| x as f32).collect(),
            turns: self
                .setup
                .outputs
                .iter()
                .map(|&output| vec![output])
                .collect(),
            lead: MARGIN,
            tail,
        }
    }

    /// Listens to the silence and to a soft sweep of a second.
    ///
    /// # Errors
    /// When a device is lost, or the true sweep would clip.
    pub fn check(&mut self, watch: &mut Watch) -> Result<Vec<Heard>, MeasuringError> {
        let listen = Program {
            signal: Vec::new(),
            turns: Vec::new(),
            lead: 0.0,
            tail: LISTEN,
        };
        let mut silence = |progress: &Progress| watch(Stage::Silence, progress);
        let silence = self.deck.take(listen, &mut silence)?.recorded;
        let [soft, _] = self.sweeps(&self.soft())?;
        let program = self.program(&soft, SOFT_SILENCE);
        let mut softly = |progress: &Progress| watch(Stage::Soft, progress);
        let soft = self.deck.take(program, &mut softly)?.recorded;
        let heard = self.recorded.iter().enumerate().map(|(k, &channel)| {
            let (noise_peak, soft) = (peak(silence.channel(k)), peak(soft.channel(k)));
            Heard {
                channel,
                noise: rms(silence.channel(k)),
                noise_peak,
                soft,
                expected: (soft > CLEAR * noise_peak).then_some(soft / SOFT),
            }
        });
        let heard: Vec<Heard> = heard.collect();
        let loudest = |heard: &&Heard| heard.expected.is_some_and(|peak| peak > HEADROOM);
        match heard.iter().find(loudest) {
            None => Ok(heard),
            Some(loud) => {
                let reached = decibels(loud.expected.unwrap_or(loud.soft));
                Err(MeasuringError::WouldClip {
                    channel: loud.channel + 1,
                    reached,
                    by: (reached - decibels(HEADROOM) - 0.05).ceil().max(1.0),
                })
            }
        }
    }

    /// Plays the sweep on every output in turn, and makes the response.
    ///
    /// # Errors
    /// When a device is lost, every take was disturbed, or what was recorded is clipped, silent,
    /// or not the sweep.
    pub fn measure(&mut self, watch: &mut Watch) -> Result<Measured, MeasuringError> {
        let [played, sweep] = self.sweeps(&self.setup.sweep)?;
        let (take, disturbed) = self.undisturbed(&played, watch)?;
        let peaks = take.recorded.channels().iter().map(|x| peak(x)).collect();
        self.judge(&take.recorded)?;
        let began = take.began.ok_or_else(|| TakeError::Lost {
            why: "the devices hardly called".to_owned(),
        })?;
        let turns = self.turns(&take.recorded, began, &sweep)?;
        self.all_heard(&turns)?;
        let (ir, arrival, loopback) = self.response(&turns)?;
        let samples = sweep.samples().iter().map(|&x| x as f32).collect();
        let sweep = Audio::new(sweep.rate(), vec![samples]).map_err(|_| IrError::Empty)?;
        Ok(Measured {
            ir,
            sweep,
            recorded: take.recorded,
            turns,
            arrival,
            loopback,
            peaks,
            disturbed,
        })
    }

    /// A take in which nothing went wrong, and what went wrong before.
    fn undisturbed(
        &mut self,
        sweep: &Sweep,
        watch: &mut Watch,
    ) -> Result<(Take, Vec<Disturbance>), MeasuringError> {
        let mut disturbed = Vec::new();
        loop {
            let attempt = disturbed.len() + 1;
            let because = disturbed.last();
            let program = self.program(sweep, TAIL);
            let mut watch =
                |progress: &Progress| watch(Stage::Sweep { attempt, because }, progress);
            let mut take = self.deck.take(program, &mut watch)?;
            match take.disturbed.take() {
                None => return Ok((take, disturbed)),
                Some(last) if attempt >= self.setup.tries => {
                    let tries = attempt;
                    return Err(MeasuringError::Disturbed { tries, last });
                }
                Some(last) => disturbed.push(last),
            }
        }
    }

    /// Refuses what no response can be made of.
    fn judge(&self, recorded: &Audio<f32>) -> Result<(), MeasuringError> {
        for (samples, &channel) in recorded.channels().iter().zip(&self.recorded) {
            let channel = channel + 1;
            if samples.iter().all(|&x| x == 0.0) {
                return Err(MeasuringError::Silent { channel });
            }
            if let Some((first, count)) = full_scale(samples) {
                return Err(MeasuringError::Clipped {
                    channel,
                    samples: count,
                    seconds: recorded.rate().seconds(first),
                });
            }
        }
        Ok(())
    }

    /// Cuts the recording into turns, and makes a response of each.
    fn turns(
        &self,
        recorded: &Audio<f32>,
        began: f64,
        sweep: &Sweep,
    ) -> Result<Vec<Turn>, MeasuringError> {
        let rate = recorded.rate();
        let length = sweep.samples().len();
        let (margin, silence) = (rate.frames(MARGIN), sweep.setup().silence);
        // The sweeps of the turns before and after are no part of it, also where sound comes
        // earlier than the hosts state.
        let tail = rate.frames(TAIL.min(0.8 * silence));
        let before = |k: usize| match k {
            0 => margin,
            _ => margin.min(rate.frames(silence)),
        };
        let excitation = Excitation::from(sweep);
        let mut options = Options {
            drift: match self.pair().clocks {
                Clocks::One => DriftOption::Ignore,
                Clocks::Two => DriftOption::Estimate,
            },
            keep_delay: true,
            // Whatever seems to be the first sound.
            length: Some(MARGIN + rate.seconds(tail) + silence),
            ..Options::default()
        };
        let mut turns: Vec<Turn> = Vec::new();
        for (k, &output) in self.setup.outputs.iter().enumerate() {
            // The first turn tells how two clocks drift: it is the same for all.
            let drift = turns.first().map_or(0.0, |turn| turn.told.drift.ppm);
            if k > 0 && options.drift == DriftOption::Estimate {
                options.drift = DriftOption::Ppm(drift);
            }
            let frame = began + (k * length) as f64 * (1.0 + 1e-6 * drift);
            let from = frame.round() as i64 - before(k) as i64;
            let cut = |x: &Vec<f32>| {
                let heard = response::from(x, from, before(k) + length + tail);
                [vec![0.0; margin - before(k)], heard].concat()
            };
            let channels = recorded.channels().iter().map(cut).collect();
            let part = Audio::new(rate, channels).map_err(|_| IrError::Empty)?;
            let told = deconvolve(&part, &excitation, &options)?;
            // The second harmonic's response comes L ln 2 before the linear one.
            let distortion = sweep.setup().growth() * std::f64::consts::LN_2;
            let reach = rate.frames((0.5 * distortion).min(0.5));
            let early = |k| {
                let taps = told.ir.channel(k);
                let heard = response::prominence(taps) >= LEAST_ROOM;
                heard.then(|| response::early(taps, reach, rate))
            };
            let early = (0..self.inputs()).filter_map(early);
            turns.push(Turn {
                output,
                frame,
                early_db: early.fold(f64::NEG_INFINITY, f64::max),
                told,
            });
        }
        Ok(turns)
    }

    /// Every input must hear some output, and every output be heard by some input; that one is not
    /// heard by another may be what a device does.
    fn all_heard(&self, turns: &[Turn]) -> Result<(), MeasuringError> {
        let inputs = self.inputs();
        let prominence = |turn: &Turn, k: usize| response::prominence(turn.told.ir.channel(k));
        let best = |all: &mut dyn Iterator<Item = f64>| all.fold(f64::NEG_INFINITY, f64::max);
        let unheard = |k: usize, turn: &Turn, prominence: f64| MeasuringError::Unheard {
            channel: self.recorded[k] + 1,
            output: turn.output + 1,
            prominence,
            least: LEAST_ROOM,
        };
        for k in 0..inputs {
            let most = best(&mut turns.iter().map(|turn| prominence(turn, k)));
            if let Some(turn) = turns.first().filter(|_| most < LEAST_ROOM) {
                return Err(unheard(k, turn, most));
            }
        }
        for turn in turns {
            let most = best(&mut (0..inputs).map(|k| prominence(turn, k)));
            if most < LEAST_ROOM {
                return Err(unheard(0, turn, most));
            }
        }
        Ok(())
    }

    /// Channels that are measured, which are recorded first.
    fn inputs(&self) -> usize {
        match self.setup.zero {
            Zero::Loopback { .. } => self.recorded.len() - 1,
            _ => self.recorded.len(),
        }
    }

    /// The response of all turns with their common beginning; and the arrivals of the first sound
    /// and of the loop's.
    fn response(
        &self,
        turns: &[Turn],
    ) -> Result<(ImpulseResponse, f64, Option<f64>), MeasuringError> {
        let rate = self.pair().input.rate;
        let margin = rate.frames(MARGIN) as f64;
        // The frame of a turn's response at which the hosts say that the sound is sent. Drift was
        // taken out: a response counts by the loudspeaker's clock, a recording by the microphone's.
        let sent = |turn: &Turn| {
            let pace = 1.0 + 1e-6 * turn.told.drift.ppm;
            (margin + turn.frame - turn.frame.round()) / pace
        };
        let inputs = self.inputs();
        let mut arrival = f64::INFINITY;
        for turn in turns {
            let heard = turn.told.ir.audio().channels()[..inputs].iter();
            let heard = heard.filter(|taps| response::prominence(taps) >= LEAST_ROOM);
            let sounds = heard.filter_map(|taps| response::first_sound(taps, rate));
            for sound in sounds {
                arrival = arrival.min(sound as f64 - sent(turn));
            }
        }
        let mut loopback = None;
        let mut channels = Vec::new();
        let frames = rate.frames(self.setup.sweep.silence + LEAD);
        for turn in turns {
            let taps = turn.told.ir.audio().channels();
            let (taps, loops) = taps.split_at(inputs);
            let zero = match self.setup.zero {
                Zero::Onset => sent(turn) + arrival - rate.frames(LEAD) as f64,
                Zero::Sent(latency) => sent(turn) + latency,
                Zero::Loopback { channel, divide } => {
                    let by = &loops[0];
                    let (prominence, least) = (response::prominence(by), LEAST_LOOP);
                    let peak = response::peak(by).filter(|_| prominence >= least);
                    let peak = peak.ok_or(MeasuringError::NoLoop {
                        channel: channel + 1,
                        prominence,
                        least,
                    })?;
                    loopback = loopback.or(Some(peak - sent(turn)));
                    if divide {
                        let divided = |taps: &Vec<f32>| {
                            let taps = response::divided(taps, by, rate);
                            response::from(&taps, 0, frames)
                        };
                        channels.extend(taps.iter().map(divided));
                        continue;
                    }
                    peak
                }
            };
            let cut = |taps: &Vec<f32>| response::from(taps, zero.round() as i64, frames);
            channels.extend(taps.iter().map(cut));
        }
        Ok((joined(rate, channels)?, arrival, loopback))
    }
}

/// Channels as a response.
fn joined(rate: SampleRate, channels: Vec<Vec<f32>>) -> Result<ImpulseResponse, IrError> {
    let audio = Audio::new(rate, channels).map_err(|_| IrError::Empty)?;
    ImpulseResponse::new(audio)
}

fn peak(samples: &[f32]) -> f64 {
    let peak = samples.iter().fold(0.0, |peak: f32, x| peak.max(x.abs()));
    f64::from(peak)
}

fn rms(samples: &[f32]) -> f64 {
    let sum: f64 = samples.iter().map(|&x| f64::from(x).powi(2)).sum();
    (sum / samples.len().max(1) as f64).sqrt()
}

fn decibels(factor: f64) -> f64 {
    20.0 * factor.log10()
}

/// Where samples stay at full scale: the first, and how many.
fn full_scale(samples: &[f32]) -> Option<(usize, usize)> {
    let mut found: Option<(usize, usize)> = None;
    let mut run = 0;
    for (k, x) in samples.iter().enumerate() {
        run = if x.abs() >= FULL { run + 1 } else { 0 };
        if run >= RUN {
            let more = if run == RUN { RUN } else { 1 };
            let (first, count) = found.unwrap_or((k + 1 - RUN, 0));
            found = Some((first, count + more));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_at_full_scale_is_clipped_and_a_peak_is_not() {
        assert_eq!(full_scale(&[0.0, 1.0, 0.5, -1.0, -1.0, 0.0]), None);
        let clipped = [0.0, 1.0, 1.0, 1.0, 0.0, -1.0, -1.0, -1.0, -1.0];
        assert_eq!(full_scale(&clipped), Some((1, 7)));
        assert_eq!(full_scale(&[0.999; 10]), None);
    }
}
