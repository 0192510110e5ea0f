//! The audio half of a controlled convolver: takes new responses over, mixes, bypasses, delays.
//!
//! It never waits and never frees: what it is done with goes back through the link. A change that
//! it finds at the beginning of a call is made smoothly over the frames that follow, so how the
//! frames are cut into calls matters only for when a change is found.

use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;

use super::delay::Delay;
use super::link::{AudioEnd, Bypass, Fresh};
use crate::dsp::channels::{Channels, Planar};
use crate::dsp::engine::Engine;
use crate::dsp::fade::{Fade, Ramp};
use crate::dsp::handover::Parcel;
use crate::signal::Sample;

/// A copy goes on from the same state, but nobody controls it: what was asked for last stays.
#[derive(Debug, Clone)]
pub(crate) struct Stage<T: Sample> {
    link: AudioEnd<T>,
    fade: Fade<T>,
    latency: usize,
    /// Frames so far.
    position: usize,
    /// The frames behind the last ones that the engines, and that the dry side can sound.
    wet_until: Option<usize>,
    dry_until: usize,
    /// What of the input is sent through the engine, and what of each side is heard.
    send: Ramp<T>,
    wet: Ramp<T>,
    dry: Ramp<T>,
    predelay: Predelay<T>,
    /// The input, as late as the engine is; one for each input.
    dry_lines: Vec<Delay<T>>,
    /// Frames since the engine has begun in the place of another.
    entering: usize,
    outgoing: Option<Outgoing<T>>,
    /// An engine that waits until there is room for it.
    next: Option<Box<Parcel<Fresh<T>>>>,
    scratch: Scratch<T>,
}

/// The engine before the present one, while it is still heard.
#[derive(Debug, Clone)]
struct Outgoing<T: Sample> {
    parcel: Box<Parcel<Fresh<T>>>,
    /// Frames since another took its place.
    since: usize,
    /// The value of `since` with which it has rung out, once it hears nothing any more.
    end: Option<usize>,
    /// Frames since its output began to fade out, if that is so.
    cut: Option<usize>,
}

#[derive(Debug, Clone)]
struct Predelay<T> {
    /// One for each output, if there may be a delay at all.
    lines: Vec<Delay<T>>,
    frames: usize,
    wanted: usize,
    /// The delay that is faded out, and the frames of the fade so far.
    leaving: Option<(usize, usize)>,
}

#[derive(Debug, Clone)]
struct Scratch<T> {
    /// By input: as it came, and as it is sent.
    input: Vec<Vec<T>>,
    sent: Vec<Vec<T>>,
    /// By output, of this engine and of the other.
    made: Vec<Vec<T>>,
    other: Vec<Vec<T>>,
    /// One for each frame.
    wet: Vec<T>,
    dry: Vec<T>,
}

impl<T: Sample> Scratch<T> {
    fn new(inputs: usize, outputs: usize) -> Self {
        let channel = || vec![T::zero(); Stage::<T>::CHUNK];
        let channels = |count| std::iter::repeat_with(channel).take(count).collect();
        Self {
            input: channels(inputs),
            sent: channels(inputs),
            made: channels(outputs),
            other: channels(outputs),
            wet: channel(),
            dry: channel(),
        }
    }
}

impl<T: Sample> Stage<T> {
    /// Frames that are worked on at once.
    pub const CHUNK: usize = 256;

    pub fn new(link: AudioEnd<T>, engine: &Engine<T>, fade: Fade<T>, max_predelay: usize) -> Self {
        let (inputs, outputs) = (engine.inputs(), engine.outputs());
        let line = |most: usize| Delay::new(most, Self::CHUNK);
        let ramp = |value: T| Ramp::new(value, fade.frames());
        Self {
            latency: engine.latency(),
            position: 0,
            wet_until: None,
            dry_until: 0,
            send: ramp(T::one()),
            wet: ramp(T::one()),
            dry: ramp(T::zero()),
            predelay: Predelay {
                lines: match max_predelay {
                    0 => Vec::new(),
                    _ => vec![line(max_predelay); outputs],
                },
                frames: 0,
                wanted: 0,
                leaving: None,
            },
            dry_lines: vec![line(engine.latency()); inputs],
            entering: fade.frames(),
            outgoing: None,
            next: None,
            scratch: Scratch::new(inputs, outputs),
            fade,
            link,
        }
    }

    pub fn pending(&self) -> usize {
        let wet = self.wet_until.map(|until| until + self.predelay.longest());
        let until = wet.unwrap_or(0).max(self.dry_until);
        until.saturating_sub(self.position)
    }

    pub fn reset(&mut self, engine: &mut Engine<T>) {
        (self.wet_until, self.dry_until) = (None, 0);
        self.let_go();
        if let Some(mut parcel) = self.next.take() {
            std::mem::swap(engine, &mut parcel.value.engine);
            self.link.old_engines.push(parcel);
        }
        self.entering = self.fade.frames();
        for ramp in [&mut self.send, &mut self.wet, &mut self.dry] {
            ramp.arrive();
        }
        (self.predelay.leaving, self.predelay.frames) = (None, self.predelay.wanted);
        self.predelay.lines.iter_mut().for_each(Delay::reset);
        self.dry_lines.iter_mut().for_each(Delay::reset);
        self.give_back(engine);
    }

    /// Convolves frames of input. Of its own, so that callers without a stage stay small: one frame at a
    /// time they would feel it.
    #[inline(never)]
    pub fn process(
        &mut self,
        engine: &mut Engine<T>,
        frames: usize,
        channels: &mut impl Channels<T>,
    ) {
        self.take_wishes(engine);
        let mut at = 0;
        while at < frames {
            let n = self.change_engines(engine).min(frames - at);
            self.chunk(engine, channels, at..at + n, true);
            at += n;
        }
        self.give_back(engine);
    }

    /// Makes frames of the tail as long as there is any; returns their number.
    pub fn drain(
        &mut self,
        engine: &mut Engine<T>,
        room: usize,
        channels: &mut impl Channels<T>,
    ) -> usize {
        self.take_wishes(engine);
        let mut at = 0;
        while at < room && self.pending() > 0 {
            let n = self
                .change_engines(engine)
                .min(room - at)
                .min(self.pending());
            self.chunk(engine, channels, at..at + n, false);
            at += n;
        }
        self.give_back(engine);
        at
    }

    /// Looks for what the other half wants.
    fn take_wishes(&mut self, engine: &mut Engine<T>) {
        let link = &*self.link;
        if let Some(newer) = link.engines.take()
            && let Some(older) = self.next.replace(newer)
        {
            link.old_engines.push(older);
        }
        if let Some(set) = link.sets.take() {
            let engine_asked = self.next.as_ref().map(|next| next.value.engine.newest());
            if engine_asked.is_some_and(|id| id > set.value.id) {
                link.old_sets.push(set);
            } else {
                engine.exchange(set);
                // What was heard will be answered by the new ones, too.
                let answer = self.position + engine.pending();
                self.wet_until = self.wet_until.map(|until| until.max(answer));
                if let Some(overtaken) = self.next.take() {
                    link.old_engines.push(overtaken);
                }
            }
        }
        let (mix, gain) = (T::of(link.mix.get()), T::of(link.gain.get()));
        let bypass = Bypass::from_code(link.bypass.load(Relaxed));
        let open = |open: bool| if open { T::one() } else { T::zero() };
        self.send.to(open(bypass != Bypass::Trails));
        self.wet.to(gain * mix * open(bypass != Bypass::Cut));
        self.dry.to(match bypass {
            Bypass::Off => T::one() - mix,
            _ => T::one(),
        });
        self.predelay.wanted = link.predelay.load(Relaxed);
    }

    /// Lets an engine go that is silent, and the next one in when there is room, at the very frame
    /// in which this comes about. Returns for how many frames, at least one, all stays as it is.
    fn change_engines(&mut self, engine: &mut Engine<T>) -> usize {
        let fade = self.fade.frames();
        if let Some(outgoing) = &mut self.outgoing {
            let entered = outgoing.since >= fade;
            if outgoing.cut.is_none() && entered && self.next.is_some() {
                // Only one may ring: it makes room for the next.
                outgoing.cut = Some(0);
            }
            if !entered {
                return Self::CHUNK.min(fade - outgoing.since);
            }
            let Outgoing { parcel, since, .. } = outgoing;
            let silent = || *since + parcel.value.engine.pending();
            let end = *outgoing.end.get_or_insert_with(silent);
            let left = match outgoing.cut {
                Some(since) => fade.saturating_sub(since),
                None => end.saturating_sub(outgoing.since),
            };
            if left > 0 {
                return Self::CHUNK.min(left);
            }
            self.let_go();
        }
        if let Some(mut parcel) = self.next.take() {
            std::mem::swap(engine, &mut parcel.value.engine);
            self.outgoing = Some(Outgoing {
                cut: parcel.value.cut.then_some(0),
                parcel,
                since: 0,
                end: None,
            });
            self.entering = 0;
            return fade.clamp(1, Self::CHUNK);
        }
        Self::CHUNK
    }

    /// Sends the engine back that was on its way out.
    fn let_go(&mut self) {
        if let Some(Outgoing { parcel, .. }) = self.outgoing.take() {
            self.link.old_engines.push(parcel);
        }
    }

    /// Sends back what is done with, and says how far things are.
    fn give_back(&mut self, engine: &mut Engine<T>) {
        while let Some(set) = engine.fetch_done() {
            self.link.old_sets.push(set);
        }
        self.link.heard.store(engine.heard(), Relaxed);
        if engine.is_settled() && self.outgoing.is_none() && self.next.is_none() {
            self.link.settled.store(engine.heard(), Relaxed);
        }
    }

    fn chunk(
        &mut self,
        engine: &mut Engine<T>,
        channels: &mut impl Channels<T>,
        now: Range<usize>,
        is_input: bool,
    ) {
        let n = now.len();
        self.send_input(channels, now.clone());
        self.run_engines(engine, n, is_input);
        self.predelay.delay(&mut self.scratch.made, n, &self.fade);
        self.position += n;
        let other = self.outgoing.as_ref();
        let other = other.map_or(0, |other| other.parcel.value.engine.pending());
        self.wet_until = match engine.pending().max(other) {
            0 if !is_input => self.wet_until.map(|until| until.min(self.position)),
            pending => Some(self.position + pending),
        };
        if is_input {
            self.dry_until = self.position + self.latency;
        }
        self.mix_output(channels, now);
    }

    /// Reads the inputs, keeps them for the dry side, and scales what is sent to the engine.
    fn send_input(&mut self, channels: &impl Channels<T>, now: Range<usize>) {
        let n = now.len();
        let Scratch { input, sent, .. } = &mut self.scratch;
        let send = self.send.clone();
        let lines = &mut self.dry_lines;
        for (channel, ((input, sent), line)) in input.iter_mut().zip(sent).zip(lines).enumerate() {
            for (slot, x) in input[..n]
                .iter_mut()
                .zip(channels.read(channel, now.clone()))
            {
                *slot = x;
            }
            line.push(&input[..n]);
            sent[..n].copy_from_slice(&input[..n]);
            if send.is_closed() {
                // Not times 0, which a fault would survive.
                sent[..n].fill(T::zero());
            } else if !send.is_open() {
                let mut send = send.clone();
                sent[..n].iter_mut().for_each(|x| *x *= send.next());
            }
        }
        self.send.skip(n);
    }

    fn run_engines(&mut self, engine: &mut Engine<T>, n: usize, is_input: bool) {
        let Scratch {
            input,
            sent,
            made,
            other,
            ..
        } = &mut self.scratch;
        let fade = &self.fade;
        if let Some(Outgoing {
            parcel, since, cut, ..
        }) = &mut self.outgoing
        {
            let Fresh { engine, cut: hears } = &mut parcel.value;
            for (heard, sent) in input.iter_mut().zip(&*sent) {
                heard[..n].copy_from_slice(&sent[..n]);
                if !*hears {
                    // What this one loses the other gains: with equal responses nothing changes.
                    fade.fall(*since, &mut heard[..n]);
                }
            }
            let output = &mut *other;
            engine.run(n, &mut Planar { input, output });
            if is_input && (*hears || *since < fade.frames()) {
                engine.took_input(n);
            }
            *since += n;
            if let Some(since) = cut {
                for other in other.iter_mut() {
                    fade.fall(*since, &mut other[..n]);
                }
                *since += n;
            }
        }
        if self.entering < fade.frames() {
            for sent in &mut *sent {
                fade.rise(self.entering, &mut sent[..n]);
            }
            self.entering += n;
        }
        let (input, output) = (&*sent, &mut *made);
        engine.run(n, &mut Planar { input, output });
        if is_input {
            engine.took_input(n);
        }
        if self.outgoing.is_some() {
            for (made, other) in made.iter_mut().zip(other) {
                for (y, &x) in made[..n].iter_mut().zip(&other[..n]) {
                    *y += x;
                }
            }
        }
    }

    fn mix_output(&mut self, channels: &mut impl Channels<T>, now: Range<usize>) {
        let n = now.len();
        let Scratch { made, wet, dry, .. } = &mut self.scratch;
        let (only_wet, no_dry) = (self.wet.is_open(), self.dry.is_closed());
        let no_wet = self.wet.is_closed();
        wet[..n].iter_mut().for_each(|gain| *gain = self.wet.next());
        dry[..n].iter_mut().for_each(|gain| *gain = self.dry.next());
        for (channel, made) in made.iter().enumerate() {
            let line = &self.dry_lines[channel % self.dry_lines.len()];
            channels.write(channel, now.clone(), |target| {
                target.copy_from_slice(&made[..n]);
                if no_wet {
                    // Not times 0, which a fault would survive.
                    target.fill(T::zero());
                } else if !only_wet {
                    for (y, &gain) in target.iter_mut().zip(&wet[..n]) {
                        *y *= gain;
                    }
                }
                if !no_dry {
                    for (k, (y, &gain)) in target.iter_mut().zip(&dry[..n]).enumerate() {
                        *y += line.read(n, k, self.latency) * gain;
                    }
                }
            });
        }
    }
}

impl<T: Sample> Predelay<T> {
    /// The longest delay that is in use, or will be.
    fn longest(&self) -> usize {
        let leaving = self.leaving.map_or(0, |(frames, _)| frames);
        self.frames.max(leaving).max(self.wanted)
    }

    /// Delays `n` frames of all outputs; a new delay fades in when the last one has done so.
    fn delay(&mut self, made: &mut [Vec<T>], n: usize, fade: &Fade<T>) {
        if self.lines.is_empty() {
            return;
        }
        self.lines
            .iter_mut()
            .zip(&*made)
            .for_each(|(line, made)| line.push(&made[..n]));
        for k in 0..n {
            if self
                .leaving
                .is_some_and(|(_, since)| since >= fade.frames())
            {
                self.leaving = None;
            }
            if self.leaving.is_none() && self.wanted != self.frames {
                self.leaving = Some((self.frames, 0));
                self.frames = self.wanted;
            }
            for (line, made) in self.lines.iter().zip(&mut *made) {
                made[k] = line.read(n, k, self.frames);
                if let Some((old, since)) = self.leaving {
                    made[k] = fade.cross(since, line.read(n, k, old), made[k]);
                }
            }
            if let Some((_, since)) = &mut self.leaving {
                *since += 1;
            }
        }
    }
}
