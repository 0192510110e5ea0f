//! The hand-over between the thread that may wait and the audio thread, which may not.
//!
//! Both ways are single pointers that are exchanged: no step of either side waits for the other,
//! and the audio thread neither allocates nor frees. A thing travels in a [`Parcel`] that the
//! waiting side has made and that goes back to it as a whole.

#[cfg(faltung_loom)]
use loom::sync::atomic::{AtomicPtr, Ordering};
#[cfg(not(faltung_loom))]
use std::sync::atomic::{AtomicPtr, Ordering};

use std::fmt;
use std::ptr;

/// Something on its way, with room for a link so that many can wait for their way back.
pub(crate) struct Parcel<T> {
    pub value: T,
    next: AtomicPtr<Parcel<T>>,
}

impl<T> Parcel<T> {
    pub fn new(value: T) -> Box<Self> {
        let next = AtomicPtr::new(ptr::null_mut());
        Box::new(Self { value, next })
    }
}

impl<T: Clone> Clone for Parcel<T> {
    fn clone(&self) -> Self {
        *Self::new(self.value.clone())
    }
}

impl<T: fmt::Debug> fmt::Debug for Parcel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

/// A place for one parcel: a newer one displaces one that has not been taken.
#[derive(Debug)]
pub(crate) struct Newest<T>(AtomicPtr<Parcel<T>>);

impl<T: Send> Newest<T> {
    pub fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Puts a parcel there and returns the one that was there before.
    pub fn post(&self, parcel: Box<Parcel<T>>) -> Option<Box<Parcel<T>>> {
        own(self.0.swap(Box::into_raw(parcel), Ordering::AcqRel))
    }

    /// Takes the parcel that is there.
    pub fn take(&self) -> Option<Box<Parcel<T>>> {
        if !self.is_waiting() {
            return None;
        }
        own(self.0.swap(ptr::null_mut(), Ordering::AcqRel))
    }

    /// Whether there is one.
    pub fn is_waiting(&self) -> bool {
        !self.0.load(Ordering::Relaxed).is_null()
    }
}

impl<T> Drop for Newest<T> {
    fn drop(&mut self) {
        drop(own(self.0.swap(ptr::null_mut(), Ordering::AcqRel)));
    }
}

/// Parcels on their way back, of which there may be any number. One thread pushes.
#[derive(Debug)]
pub(crate) struct Returned<T>(AtomicPtr<Parcel<T>>);

impl<T: Send> Returned<T> {
    pub fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Sends a parcel back. With one thread that pushes, and others that only take all, this
    /// succeeds at the second attempt at the latest.
    pub fn push(&self, parcel: Box<Parcel<T>>) {
        let mut first = self.0.load(Ordering::Relaxed);
        let parcel = Box::into_raw(parcel);
        loop {
            // SAFETY: from `into_raw` above, and nobody else has it yet.
            unsafe { (*parcel).next.store(first, Ordering::Relaxed) };
            let put = self
                .0
                .compare_exchange(first, parcel, Ordering::AcqRel, Ordering::Relaxed);
            match put {
                Ok(_) => return,
                Err(now) => first = now,
            }
        }
    }

    /// Frees all that have come back, and returns their number.
    pub fn free_all(&self) -> usize {
        free_chain(self.0.swap(ptr::null_mut(), Ordering::AcqRel))
    }
}

impl<T> Drop for Returned<T> {
    fn drop(&mut self) {
        free_chain(self.0.swap(ptr::null_mut(), Ordering::AcqRel));
    }
}

fn free_chain<T>(mut first: *mut Parcel<T>) -> usize {
    let mut count = 0;
    while let Some(parcel) = own(first) {
        first = parcel.next.load(Ordering::Relaxed);
        count += 1;
    }
    count
}

/// The owner of a pointer that was taken out of its place.
fn own<T>(parcel: *mut Parcel<T>) -> Option<Box<Parcel<T>>> {
    // SAFETY: every pointer in these places comes from `Box::into_raw`, and only the exchange that
    // removed it from there has it.
    (!parcel.is_null()).then(|| unsafe { Box::from_raw(parcel) })
}

// These also run under loom (RUSTFLAGS="--cfg faltung_loom"), Miri (cargo +nightly miri test --lib
// handover) and the thread sanitizer (RUSTFLAGS=-Zsanitizer=thread with -Zbuild-std).
#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(faltung_loom)]
    use loom::{
        model,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering::SeqCst},
        },
        thread,
    };
    #[cfg(not(faltung_loom))]
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering::SeqCst},
        },
        thread,
    };

    /// Without loom the same code runs many times on real threads.
    #[cfg(not(faltung_loom))]
    fn model(run: impl Fn() + Sync + Send + 'static) {
        for _ in 0..if cfg!(miri) { 50 } else { 2_000 } {
            run();
        }
    }

    /// Counts the living.
    struct Token(usize, Arc<AtomicUsize>);

    impl Token {
        fn new(id: usize, alive: &Arc<AtomicUsize>) -> Box<Parcel<Self>> {
            alive.fetch_add(1, SeqCst);
            Parcel::new(Self(id, alive.clone()))
        }
    }

    impl Drop for Token {
        fn drop(&mut self) {
            self.1.fetch_sub(1, SeqCst);
        }
    }

    /// Both ways, and the number of tokens alive.
    type Both = (Newest<Token>, Returned<Token>);

    fn both() -> (Arc<Both>, Arc<AtomicUsize>) {
        let link = (Newest::new(), Returned::new());
        (Arc::new(link), Arc::new(AtomicUsize::new(0)))
    }

    /// The audio thread: looks so many times, and sends back what it finds.
    fn audio(link: &Arc<Both>, times: usize) -> thread::JoinHandle<()> {
        let link = link.clone();
        thread::spawn(move || {
            let mut last = 0;
            for parcel in (0..times).filter_map(|_| link.0.take()) {
                assert!(parcel.value.0 > last, "an older one after a newer one");
                last = parcel.value.0;
                link.1.push(parcel);
            }
        })
    }

    #[test]
    fn every_parcel_arrives_newest_first_and_is_freed_once() {
        model(|| {
            let (link, alive) = both();
            let audio = audio(&link, 2);
            let mut freed = 0;
            for id in 1..=2 {
                freed += usize::from(link.0.post(Token::new(id, &alive)).is_some());
                freed += link.1.free_all();
            }
            audio.join().unwrap();
            freed += usize::from(link.0.take().is_some());
            freed += link.1.free_all();
            assert_eq!((freed, alive.load(SeqCst)), (2, 0));
        });
    }

    #[test]
    fn what_is_left_on_its_way_is_freed_with_the_link() {
        model(|| {
            let (link, alive) = both();
            let audio = audio(&link, 1);
            drop(link.0.post(Token::new(1, &alive)));
            drop(link.0.post(Token::new(2, &alive)));
            drop(link);
            audio.join().unwrap();
            assert_eq!(alive.load(SeqCst), 0);
        });
    }

    #[test]
    fn two_threads_that_control_lose_nothing() {
        model(|| {
            let (link, alive) = both();
            let other = {
                let (link, alive) = (link.clone(), alive.clone());
                thread::spawn(move || {
                    drop(link.0.post(Token::new(1, &alive)));
                    link.1.free_all();
                })
            };
            drop(link.0.post(Token::new(2, &alive)));
            if let Some(parcel) = link.0.take() {
                link.1.push(parcel);
            }
            other.join().unwrap();
            link.1.free_all();
            drop(link.0.take());
            assert_eq!(alive.load(SeqCst), 0);
        });
    }
}
