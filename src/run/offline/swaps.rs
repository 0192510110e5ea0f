//! Responses that take over from others while a session runs.

use std::collections::VecDeque;

use super::{RunError, SwapAt};
use crate::dsp::control::{Control, Swap};
use crate::dsp::mode::Mode;
use crate::ir::ImpulseResponse;
use crate::signal::Sample;

/// The responses that are still to take over.
#[derive(Debug)]
pub(super) struct Swaps<T: Sample> {
    pub control: Control<T>,
    /// In the order of time.
    pub waiting: VecDeque<Waiting<T>>,
    pub made: usize,
    /// Frames of the response that has taken over last, or the first.
    pub newest: usize,
}

#[derive(Debug)]
pub(super) struct Waiting<T> {
    pub frame: u64,
    pub name: String,
    pub taps: Vec<Vec<T>>,
    pub swap: Swap,
}

impl<T: Sample> Swaps<T> {
    /// Makes the swap of frame `now`, if there is one.
    pub fn make(&mut self, now: u64) -> Result<(), RunError> {
        if let Some(next) = self.waiting.front().filter(|next| next.frame == now) {
            let done = self.control.set_irs(&next.taps, next.swap);
            done.map_err(|source| RunError::Swap {
                ir: next.name.clone(),
                frame: now,
                source,
            })?;
            self.newest = next.taps[0].len();
            self.made += 1;
            self.waiting.pop_front();
        }
        Ok(())
    }

    /// Frames from `now` on that one call may take.
    pub fn until_next(&self, now: u64) -> usize {
        let next = self.waiting.front().map_or(u64::MAX, |next| next.frame);
        usize::try_from(next - now).unwrap_or(usize::MAX)
    }
}

/// The swaps in the order of time, if they fit together and fit the first response.
pub(super) fn in_order<'a>(
    swaps: &[SwapAt<'a>],
    first: &ImpulseResponse,
    mode: Mode,
) -> Result<Vec<SwapAt<'a>>, RunError> {
    if !swaps.is_empty() && mode != Mode::Full {
        return Err(RunError::SwapInMode { mode });
    }
    let expected = first.channel_count();
    let fits = |swap: &&SwapAt| swap.ir.channel_count() == expected;
    if let Some(SwapAt { ir, .. }) = swaps.iter().find(|swap| !fits(swap)) {
        return Err(RunError::SwapChannels {
            ir: ir.name().to_owned(),
            channels: ir.channel_count(),
            first: first.name().to_owned(),
            expected,
        });
    }
    let mut swaps = swaps.to_vec();
    swaps.sort_by_key(|swap| swap.frame);
    if let Some(pair) = swaps.windows(2).find(|pair| pair[0].frame == pair[1].frame) {
        return Err(RunError::SwapTwice {
            frame: pair[0].frame,
            one: pair[0].ir.name().to_owned(),
            other: pair[1].ir.name().to_owned(),
        });
    }
    Ok(swaps)
}
