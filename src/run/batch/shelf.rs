//! Responses made ready, each once, and shared by all workers.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::irs::Irs;
use crate::dsp::routing::Routing;
use crate::run::augment::{Augment, Kit};
use crate::signal::{Sample, SampleRate};

/// Which response, at which rate, for how many channels of input.
pub(super) type Place = (u32, u32, usize);

/// A response made ready.
#[derive(Debug)]
pub(super) struct Ready<T: Sample> {
    pub kit: Kit<T>,
    /// Channels of the result.
    pub outputs: usize,
    /// The rate that it had.
    pub resampled_from: Option<SampleRate>,
}

type Cell<T> = Arc<OnceLock<Result<Arc<Ready<T>>, String>>>;

/// Keeps them as long as there is room; the one that was not asked for the longest goes first.
#[derive(Debug)]
pub(super) struct Shelf<T: Sample> {
    slots: Mutex<Slots<T>>,
    /// Bytes, by estimate.
    room: usize,
}

#[derive(Debug)]
struct Slots<T: Sample> {
    map: HashMap<Place, Slot<T>>,
    /// Counts the times that something was asked for.
    clock: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Slot<T: Sample> {
    cell: Cell<T>,
    /// 0 until it is ready.
    bytes: usize,
    used: u64,
}

impl<T: Sample> Shelf<T> {
    pub fn new(room: usize) -> Self {
        let slots = Mutex::new(Slots {
            map: HashMap::new(),
            clock: 0,
            bytes: 0,
        });
        Self { slots, room }
    }

    fn slots(&self) -> MutexGuard<'_, Slots<T>> {
        // Whoever panicked was not in the middle of a change.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one of this place; whoever comes first makes it by `make`, which also tells its size
    /// in bytes, and the others wait for it. What cannot be made is not tried again.
    pub fn get(
        &self,
        place: Place,
        make: impl FnOnce() -> Result<(Ready<T>, usize), String>,
    ) -> Result<Arc<Ready<T>>, String> {
        let cell = {
            let mut slots = self.slots();
            slots.clock += 1;
            let now = slots.clock;
            let slot = slots.map.entry(place).or_insert_with(|| Slot {
                cell: Cell::default(),
                bytes: 0,
                used: 0,
            });
            slot.used = now;
            slot.cell.clone()
        };
        let mut made = None;
        let ready = cell.get_or_init(|| {
            let (ready, bytes) = make()?;
            made = Some(bytes);
            Ok(Arc::new(ready))
        });
        if let Some(bytes) = made {
            self.slots().book(place, bytes, self.room);
        }
        ready.clone()
    }

    #[cfg(test)]
    fn kept(&self) -> Vec<Place> {
        let mut kept: Vec<_> = self.slots().map.keys().copied().collect();
        kept.sort_unstable();
        kept
    }
}

impl<T: Sample> Slots<T> {
    /// Notes the size of what was made, and makes room.
    fn book(&mut self, place: Place, bytes: usize, room: usize) {
        if let Some(slot) = self.map.get_mut(&place) {
            slot.bytes = bytes;
            self.bytes += bytes;
        }
        while self.bytes > room {
            let ready = self
                .map
                .iter()
                .filter(|(at, slot)| **at != place && slot.bytes > 0);
            let Some(oldest) = ready.min_by_key(|(_, slot)| slot.used).map(|(at, _)| *at) else {
                return;
            };
            if let Some(slot) = self.map.remove(&oldest) {
                self.bytes -= slot.bytes;
            }
        }
    }
}

/// What was said of responses, so that it is said once.
#[derive(Debug, Default)]
pub(super) struct Said(Mutex<HashSet<String>>);

impl Said {
    /// True the first time.
    pub fn first(&self, text: &str) -> bool {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.insert(text.to_owned())
    }
}

/// Loads a response and makes it ready; gives `note` what people should know of it.
pub(super) fn make<T: Sample>(
    irs: &Irs,
    (at, _, inputs): Place,
    rate: SampleRate,
    how: &Augment,
    said: &Said,
    note: &dyn Fn(String),
) -> Result<(Ready<T>, usize), String> {
    let ir = irs.get(at);
    let loaded = ir.origin.load(rate).map_err(|error| error.to_string())?;
    let mut notes = match ir.origin.file() {
        Some(_) => loaded.notes(),
        None => Vec::new(),
    };
    if let Some(from) = loaded.resampled_from() {
        notes.push(format!("{}: resampled from {from} to {rate}", ir.called));
    }
    notes
        .into_iter()
        .filter(|text| said.first(text))
        .for_each(note);
    let channels = loaded.ir.channel_count();
    let routing = match &how.render.routing {
        Some(routing) => Ok(routing.clone()),
        None => Routing::for_channels(inputs, channels),
    };
    let routing = routing.map_err(|error| format!("{}: {error}", ir.called))?;
    let kit = Kit::new(&loaded.ir, inputs, how).map_err(|error| error.to_string())?;
    let ready = Ready {
        kit,
        outputs: routing.outputs(inputs, channels),
        resampled_from: loaded.resampled_from(),
    };
    // The taps, and spectra of twice their size, for the whole and for its early part.
    let taps = loaded.ir.frames() * channels * size_of::<T>();
    Ok((ready, 4096 + 5 * taps))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use super::*;
    use crate::ir::ImpulseResponse;
    use crate::signal::Audio;

    fn ready() -> Ready<f32> {
        let rate = SampleRate::new(48_000).unwrap();
        let audio = Audio::new(rate, vec![vec![1.0]]).unwrap();
        let ir = ImpulseResponse::new(audio).unwrap();
        Ready {
            kit: Kit::new(&ir, 1, &Augment::default()).unwrap(),
            outputs: 1,
            resampled_from: None,
        }
    }

    #[test]
    fn many_workers_make_a_response_once() {
        let (shelf, count) = (Shelf::new(1000), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let made = shelf.get((0, 48_000, 1), || {
                        count.fetch_add(1, SeqCst);
                        Ok((ready(), 10))
                    });
                    assert!(made.is_ok());
                });
            }
        });
        assert_eq!(count.into_inner(), 1);
    }

    #[test]
    fn what_was_not_asked_for_the_longest_makes_room() {
        let shelf = Shelf::new(100);
        let get = |ir: u32| shelf.get((ir, 48_000, 1), || Ok((ready(), 40))).unwrap();
        get(0);
        get(1);
        get(0);
        get(2);
        assert_eq!(shelf.kept(), [(0, 48_000, 1), (2, 48_000, 1)]);
        // What is larger than all the room is made and used all the same.
        shelf.get((3, 48_000, 1), || Ok((ready(), 1000))).unwrap();
        assert_eq!(shelf.kept(), [(3, 48_000, 1)]);
    }

    #[test]
    fn what_cannot_be_made_is_tried_once() {
        let (shelf, count) = (Shelf::<f32>::new(100), AtomicUsize::new(0));
        for _ in 0..3 {
            let made = shelf.get((0, 48_000, 1), || {
                count.fetch_add(1, SeqCst);
                Err("broken".into())
            });
            assert_eq!(made.err().as_deref(), Some("broken"));
        }
        assert_eq!(count.into_inner(), 1);
    }
}
