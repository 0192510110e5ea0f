//! What a `Control` and its audio half share: parcels in both directions and a few numbers.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize};

use crate::dsp::engine::Engine;
use crate::dsp::engine::responses::Responses;
use crate::dsp::handover::{Newest, Returned};
use crate::signal::Sample;

/// Whether the convolver is taken out of the way of the sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Bypass {
    /// It plays.
    #[default]
    Off,
    /// The input comes out as it is, delayed by the latency; the tail of what was heard before
    /// rings on.
    Trails,
    /// The input comes out as it is, delayed by the latency, and nothing else. The convolver
    /// listens on, so that it is warm when the bypass ends.
    Cut,
}

impl fmt::Display for Bypass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Bypass::Off => "off",
            Bypass::Trails => "trails",
            Bypass::Cut => "cut",
        })
    }
}

impl FromStr for Bypass {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Bypass::Off),
            "trails" => Ok(Bypass::Trails),
            "cut" => Ok(Bypass::Cut),
            _ => Err(format!(
                "unknown bypass `{text}`; there are off, trails and cut"
            )),
        }
    }
}

impl Bypass {
    pub(crate) fn from_code(code: u8) -> Self {
        match code {
            0 => Bypass::Off,
            1 => Bypass::Trails,
            _ => Bypass::Cut,
        }
    }
}

/// An engine that begins anew, and what becomes of the one before it.
#[derive(Debug, Clone)]
pub(crate) struct Fresh<T: Sample> {
    pub engine: Engine<T>,
    /// Fade the other out instead of letting it ring.
    pub cut: bool,
}

/// Everything is read and written whenever it suits: only the parcels are ordered.
#[derive(Debug)]
pub(crate) struct Link<T: Sample> {
    pub sets: Newest<Responses<T>>,
    pub engines: Newest<Fresh<T>>,
    pub old_sets: Returned<Responses<T>>,
    pub old_engines: Returned<Fresh<T>>,
    pub mix: Number,
    pub gain: Number,
    pub predelay: AtomicUsize,
    pub bypass: AtomicU8,
    /// Whether the audio half still exists.
    pub alive: AtomicBool,
    /// The set whose head plays, and the newest that has played alone.
    pub heard: AtomicU64,
    pub settled: AtomicU64,
}

impl<T: Sample> Link<T> {
    pub fn new() -> Self {
        Self {
            sets: Newest::new(),
            engines: Newest::new(),
            old_sets: Returned::new(),
            old_engines: Returned::new(),
            mix: Number::new(1.0),
            gain: Number::new(1.0),
            predelay: AtomicUsize::new(0),
            bypass: AtomicU8::new(0),
            alive: AtomicBool::new(true),
            heard: AtomicU64::new(0),
            settled: AtomicU64::new(0),
        }
    }
}

/// The link as the audio half holds it: when that is gone, the other half learns of it.
#[derive(Debug)]
pub(crate) struct AudioEnd<T: Sample>(Arc<Link<T>>);

impl<T: Sample> AudioEnd<T> {
    pub fn new(link: Arc<Link<T>>) -> Self {
        Self(link)
    }
}

impl<T: Sample> Deref for AudioEnd<T> {
    type Target = Link<T>;

    fn deref(&self) -> &Link<T> {
        &self.0
    }
}

/// The end of a link of its own, with the same wishes and nobody at the other end.
impl<T: Sample> Clone for AudioEnd<T> {
    fn clone(&self) -> Self {
        let link = Link::new();
        link.mix.set(self.mix.get());
        link.gain.set(self.gain.get());
        link.predelay.store(self.predelay.load(Relaxed), Relaxed);
        link.bypass.store(self.bypass.load(Relaxed), Relaxed);
        Self(Arc::new(link))
    }
}

impl<T: Sample> Drop for AudioEnd<T> {
    fn drop(&mut self) {
        self.alive.store(false, Relaxed);
    }
}

/// A number that is stored as a whole.
#[derive(Debug)]
pub(crate) struct Number(AtomicU64);

impl Number {
    fn new(value: f64) -> Self {
        Self(AtomicU64::new(value.to_bits()))
    }

    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Relaxed))
    }

    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Relaxed);
    }
}
