//! One channel of a response, with what is found out about it at most once.

use std::cell::OnceCell;

use crate::ir::ImpulseResponse;
use crate::ir::decay::{Decay, Unjudged};
use crate::ir::spectrum::Spectrum;
use crate::signal::SampleRate;

/// Highest frequency that is shown, where the rate has it.
const HIGHEST: f64 = 20_000.0;
/// Lowest frequency that is shown.
const LOWEST: f64 = 20.0;

/// A channel to draw.
pub(super) struct Trace<'a> {
    pub(super) ir: &'a ImpulseResponse,
    pub(super) rate: SampleRate,
    /// Taps in f64.
    pub(super) taps: Vec<f64>,
    /// What a legend calls it.
    pub(super) label: String,
    /// Which colour, counted from 0.
    pub(super) colour: usize,
    decay: OnceCell<Result<Decay, Unjudged>>,
    spectrum: OnceCell<Spectrum>,
}

impl<'a> Trace<'a> {
    /// A channel, counted from 0.
    pub(super) fn new(
        ir: &'a ImpulseResponse,
        channel: usize,
        label: String,
        colour: usize,
    ) -> Self {
        Self {
            ir,
            rate: ir.rate(),
            taps: ir
                .channel(channel)
                .iter()
                .map(|&tap| f64::from(tap))
                .collect(),
            label,
            colour,
            decay: OnceCell::new(),
            spectrum: OnceCell::new(),
        }
    }

    pub(super) fn seconds(&self) -> f64 {
        self.rate.seconds(self.taps.len())
    }

    /// Largest absolute tap.
    pub(super) fn peak(&self) -> f64 {
        self.taps.iter().fold(0.0, |peak, tap| tap.abs().max(peak))
    }

    pub(super) fn decay(&self) -> Result<&Decay, &Unjudged> {
        let decay = || Decay::of(&self.taps, self.rate);
        self.decay.get_or_init(decay).as_ref()
    }

    pub(super) fn spectrum(&self) -> &Spectrum {
        let spectrum = || Spectrum::of(&self.taps, self.rate);
        self.spectrum.get_or_init(spectrum)
    }

    /// Frame at which it begins to sound; 0 where it never does.
    pub(super) fn onset(&self) -> usize {
        match self.decay() {
            Ok(decay) => decay.onset,
            Err(_) => self.ir.onset().unwrap_or(0),
        }
    }

    /// Lowest and highest frequency in Hz that are shown of it.
    pub(super) fn band(&self) -> (f64, f64) {
        let nyquist = f64::from(self.rate.hz()) / 2.0;
        (LOWEST.min(nyquist / 100.0), HIGHEST.min(nyquist))
    }
}

/// Lowest and highest frequency in Hz that are shown of any.
pub(super) fn widest_band(traces: &[Trace<'_>]) -> (f64, f64) {
    let bands = traces.iter().map(Trace::band);
    bands.fold((LOWEST, 0.0), |(low, high), (from, to)| {
        (from.min(low), to.max(high))
    })
}

/// Seconds from a little before the first frame, so that an onset there is seen, to the end of
/// the longest.
pub(super) fn time_span(traces: &[Trace<'_>]) -> (f64, f64) {
    let longest = traces.iter().map(Trace::seconds).fold(0.0, f64::max);
    let frame = traces.iter().map(|trace| trace.rate.seconds(1));
    let before = frame.fold(0.012 * longest, f64::max);
    (-before, longest)
}
