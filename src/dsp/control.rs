//! The half for the thread that may wait: new responses, mix, gain, pre-delay, bypass.

mod delay;
mod link;
pub(crate) mod machine;
mod stage;

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thiserror::Error;

use super::engine::Engine;
use super::engine::responses::Responses;
use super::error::BuildError;
use super::fade::Fade;
use super::handover::Parcel;
use super::plan::{Plan, Prepared, Workbench};
use super::routing::{Route, Routing};
use crate::signal::Sample;
pub use link::Bypass;
use link::{AudioEnd, Fresh, Link};
use machine::Machine;
use stage::Stage;

/// How a controlled convolver makes its changes.
///
/// ```
/// use faltung::{Convolver, Settings};
/// let settings = Settings { fade: 480, ..Settings::default() };
/// let (reverb, control) = Convolver::builder()
///     .capacity(48_000)
///     .settings(settings)
///     .build_with_control(&[1.0f32, 0.5])?;
/// # let _ = (reverb, control);
/// # Ok::<(), faltung::BuildError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Frames of every transition; 0 makes all changes hard. A gain moves by at most 1 / `fade` of
    /// its whole way in a frame; responses are exchanged along w(x) = x^2 (3 - 2 x).
    pub fade: usize,
    /// Longest pre-delay in frames that [`Control::set_predelay`] will accept.
    pub max_predelay: usize,
}

impl Default for Settings {
    /// Fades of 1,024 frames, a pre-delay of up to 48,000.
    fn default() -> Self {
        Self {
            fade: 1024,
            max_predelay: 48_000,
        }
    }
}

/// How new responses take over from those that play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Swap {
    /// They answer to the input that was already heard, too: the history stays, and the head and
    /// each level fade over at their own next step, early taps first. For one fade each of them
    /// does its products and its inverse transform twice, no more.
    #[default]
    Warm,
    /// They hear only what comes from now on, and the old ones ring out on what they have heard.
    /// Until then two engines run. Only one may ring: another one before it fades out.
    Ring,
    /// They hear only what comes from now on, and the old ones fade out.
    Cut,
}

impl fmt::Display for Swap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Swap::Warm => "warm",
            Swap::Ring => "ring",
            Swap::Cut => "cut",
        })
    }
}

impl FromStr for Swap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "warm" => Ok(Swap::Warm),
            "ring" => Ok(Swap::Ring),
            "cut" => Ok(Swap::Cut),
            _ => Err(format!(
                "unknown way to swap `{text}`; there are warm, ring and cut"
            )),
        }
    }
}

/// How far things are. While they go on, one field may be newer than another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Status {
    /// Number of exchanges that were asked for.
    pub requested: u64,
    /// The exchange whose first taps play, 0 before the first one. Requests that a newer one
    /// overtook are never heard.
    pub heard: u64,
    /// The latest exchange that was complete: nothing of any other was heard any more.
    pub settled: u64,
    /// Wet part of the output, from 0 to 1.
    pub mix: f64,
    /// Gain of the wet part, linear.
    pub gain: f64,
    /// Delay of the wet part in frames, beside the latency.
    pub predelay: usize,
    /// Whether the convolver is bypassed.
    pub bypass: Bypass,
}

impl Status {
    /// Whether something that was asked for is still to come, or to be completed.
    pub fn is_pending(&self) -> bool {
        self.settled < self.requested
    }
}

/// Why a wish cannot be fulfilled.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
#[allow(missing_docs)] // each variant's message says it
pub enum ControlError {
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error("the convolver that this controls no longer exists; build another one")]
    Gone,
    #[error("{given} impulse response(s) given, the convolver has {expected}")]
    Count { given: usize, expected: usize },
    #[error("there is no impulse response {index}, the convolver has {count}, counted from 0")]
    Index { index: usize, count: usize },
    #[error("a mix of {0} has no meaning; give 0 (dry) to 1 (wet)")]
    Mix(f64),
    #[error("a gain of {0} cannot be; give a finite factor, such as 0.5 for -6 dB")]
    Gain(f64),
    #[error(
        "a pre-delay of {frames} frames is more than the {most} that there is room for; raise `max_predelay`"
    )]
    Predelay { frames: usize, most: usize },
}

/// Controls a convolver that runs in another thread. It may be cloned and shared: every method
/// takes `&self`, may allocate and may wait for another clone, but never for the audio thread.
///
/// Wishes are fulfilled from the beginning of the convolver's next call on. New responses are
/// taken over by the head at its next step, less than a block of the smallest level later (64
/// frames usually), and by a level of block B within 2 B frames, before the first input that was
/// heard after the exchange reaches its taps. The newest request wins; a fade that has begun is
/// completed before the next.
///
/// ```
/// use faltung::{Convolver, Swap};
/// let (mut reverb, control) = Convolver::builder()
///     .capacity(4_800)
///     .build_with_control(&[1.0f32, 0.0, 0.5])?;
/// std::thread::spawn(move || control.set_ir(&[0.25f32; 4_800])).join().unwrap()?;
/// let mut wet = [0.0; 64];
/// reverb.process(&[0.0; 64], &mut wet);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Control<T: Sample = f32> {
    shared: Arc<Shared<T>>,
}

impl<T: Sample> Clone for Control<T> {
    fn clone(&self) -> Self {
        let shared = self.shared.clone();
        Self { shared }
    }
}

#[derive(Debug)]
struct Shared<T: Sample> {
    plan: Plan,
    bench: Arc<Workbench<T>>,
    inputs: usize,
    outputs: usize,
    routes: Vec<Route>,
    max_predelay: usize,
    fade: Fade<T>,
    /// What a task may cost.
    task: u32,
    wanted: Mutex<Wanted<T>>,
    link: Arc<Link<T>>,
}

/// What was asked for last.
#[derive(Debug)]
struct Wanted<T: Sample> {
    irs: Vec<Prepared<T>>,
    requests: u64,
}

impl<T: Sample> Control<T> {
    pub(super) fn new(
        plan: Plan,
        inputs: usize,
        irs: Vec<Prepared<T>>,
        routing: &Routing,
        settings: Settings,
    ) -> Result<(Machine<T>, Self), BuildError> {
        let routes = routing.routes(inputs, irs.len())?;
        let outputs = routing.outputs(inputs, irs.len());
        let set = Responses::new(0, inputs, outputs, &routes, &irs, None)?;
        let Settings { fade, max_predelay } = settings;
        let (bench, task, fade) = (set.bench.clone(), set.task, Fade::new(fade));
        let engine = Engine::with_set(inputs, Parcel::new(set), Some(fade.clone()));
        let link = Arc::new(Link::new());
        let end = AudioEnd::new(link.clone());
        let stage = Stage::new(end, &engine, fade.clone(), max_predelay);
        let wanted = Mutex::new(Wanted { irs, requests: 0 });
        let shared = Shared {
            plan,
            bench,
            inputs,
            outputs,
            routes,
            max_predelay,
            fade,
            task,
            wanted,
            link,
        };
        let shared = Arc::new(shared);
        Ok((Machine::new(engine, Some(stage)), Self { shared }))
    }

    /// Cuts and transforms a response of up to the convolver's capacity, so that
    /// [`set_prepared`](Self::set_prepared) has little left to do.
    ///
    /// # Errors
    /// As [`Plan::prepare`].
    pub fn prepare(&self, ir: &[T]) -> Result<Prepared<T>, BuildError> {
        let Shared { plan, bench, .. } = &*self.shared;
        let mut all = plan.prepare_on(bench, &[ir])?;
        Ok(all.remove(0))
    }

    /// Exchanges the response of a convolver that has one, as [`Swap::Warm`].
    ///
    /// # Errors
    /// As [`Plan::prepare`]; another number of responses; the convolver is gone.
    pub fn set_ir(&self, ir: &[T]) -> Result<(), ControlError> {
        self.set_irs(&[ir], Swap::Warm)
    }

    /// Exchanges all responses.
    ///
    /// # Errors
    /// As [`Plan::prepare`]; another number of responses; the convolver is gone.
    pub fn set_irs<I: AsRef<[T]>>(&self, irs: &[I], swap: Swap) -> Result<(), ControlError> {
        self.check_alive()?;
        let Shared { plan, bench, .. } = &*self.shared;
        let irs = plan.prepare_on(bench, irs)?;
        self.set_prepared(&irs, swap)
    }

    /// Exchanges one response of several; the others, and every output that does not hear this
    /// one, play on unchanged when the swap is warm.
    ///
    /// # Errors
    /// As [`Plan::prepare`]; no such response; the convolver is gone.
    pub fn set_ir_at(&self, index: usize, ir: &[T], swap: Swap) -> Result<(), ControlError> {
        self.check_alive()?;
        let ready = self.prepare(ir)?;
        let mut wanted = self.wanted();
        let mut irs = wanted.irs.clone();
        let count = irs.len();
        let place = irs.get_mut(index);
        *place.ok_or(ControlError::Index { index, count })? = ready;
        self.request(&mut wanted, irs, swap)
    }

    /// Exchanges all responses for such as [`prepare`](Self::prepare) has made, or the convolver's own
    /// plan [for swaps](crate::Plan::for_swaps).
    ///
    /// # Errors
    /// Another number of responses; responses of another plan; the convolver is gone.
    pub fn set_prepared(&self, irs: &[Prepared<T>], swap: Swap) -> Result<(), ControlError> {
        let mut wanted = self.wanted();
        let (given, expected) = (irs.len(), wanted.irs.len());
        if given != expected {
            return Err(ControlError::Count { given, expected });
        }
        if !irs[0].bench.fits(&self.shared.bench) {
            return Err(BuildError::MixedPlans.into());
        }
        self.request(&mut wanted, irs.to_vec(), swap)
    }

    fn request(
        &self,
        wanted: &mut Wanted<T>,
        irs: Vec<Prepared<T>>,
        swap: Swap,
    ) -> Result<(), ControlError> {
        self.check_alive()?;
        let shared = &*self.shared;
        let Shared {
            inputs,
            outputs,
            link,
            ..
        } = shared;
        let id = wanted.requests + 1;
        let task = Some(shared.task);
        let set = Responses::new(id, *inputs, *outputs, &shared.routes, &irs, task)?;
        let set = Parcel::new(set);
        // What a newer request overtakes is freed here.
        match swap {
            Swap::Warm => {
                drop(link.engines.take());
                drop(link.sets.post(set));
            }
            Swap::Ring | Swap::Cut => {
                let engine = Engine::with_set(*inputs, set, Some(shared.fade.clone()));
                let cut = swap == Swap::Cut;
                drop(link.sets.take());
                drop(link.engines.post(Parcel::new(Fresh { engine, cut })));
            }
        }
        *wanted = Wanted { irs, requests: id };
        self.collect();
        Ok(())
    }

    /// Sets the wet part of the output, from 0 (dry) to 1 (wet): wet and dry are scaled by `mix`
    /// and 1 - `mix`. The dry part of an output is the input of the same number, counted round
    /// where there are fewer, delayed by the latency.
    ///
    /// # Errors
    /// A value outside 0 to 1; the convolver is gone.
    pub fn set_mix(&self, mix: f64) -> Result<(), ControlError> {
        if !(0.0..=1.0).contains(&mix) {
            return Err(ControlError::Mix(mix));
        }
        self.shared.link.mix.set(mix);
        self.check_alive()
    }

    /// Sets the gain of the wet part, as a factor.
    ///
    /// # Errors
    /// A value that is not finite, or not in the sample type; the convolver is gone.
    pub fn set_gain(&self, gain: f64) -> Result<(), ControlError> {
        if !T::of(gain).is_finite() {
            return Err(ControlError::Gain(gain));
        }
        self.shared.link.gain.set(gain);
        self.check_alive()
    }

    /// Sets the delay of the wet part in frames.
    ///
    /// # Errors
    /// More than [`Settings::max_predelay`]; the convolver is gone.
    pub fn set_predelay(&self, frames: usize) -> Result<(), ControlError> {
        let most = self.shared.max_predelay;
        if frames > most {
            return Err(ControlError::Predelay { frames, most });
        }
        self.shared.link.predelay.store(frames, Relaxed);
        self.check_alive()
    }

    /// Takes the convolver out of the way of the sound, or back.
    ///
    /// # Errors
    /// The convolver is gone.
    pub fn bypass(&self, bypass: Bypass) -> Result<(), ControlError> {
        self.shared.link.bypass.store(bypass as u8, Relaxed);
        self.check_alive()
    }

    /// How far things are.
    ///
    /// # Errors
    /// The convolver is gone.
    pub fn status(&self) -> Result<Status, ControlError> {
        self.check_alive()?;
        let link = &self.shared.link;
        let status = Status {
            settled: link.settled.load(Relaxed),
            heard: link.heard.load(Relaxed),
            requested: self.wanted().requests,
            mix: link.mix.get(),
            gain: link.gain.get(),
            predelay: link.predelay.load(Relaxed),
            bypass: Bypass::from_code(link.bypass.load(Relaxed)),
        };
        self.collect();
        Ok(status)
    }

    /// Frees responses that have come back from the audio thread and returns how many there were.
    /// Every exchange and every look at the status does it too.
    pub fn collect(&self) -> usize {
        self.shared.link.old_sets.free_all() + self.shared.link.old_engines.free_all()
    }

    fn check_alive(&self) -> Result<(), ControlError> {
        let alive = self.shared.link.alive.load(Relaxed);
        alive.then_some(()).ok_or(ControlError::Gone)
    }

    fn wanted(&self) -> MutexGuard<'_, Wanted<T>> {
        let lock = self.shared.wanted.lock();
        lock.unwrap_or_else(PoisonError::into_inner)
    }
}
