//! The sets of responses that are in use, while one takes over from another level by level.

use super::responses::Responses;
use crate::dsp::handover::Parcel;
use crate::signal::Sample;

/// Holds every set as long as something plays it. As many places as there can be users at once,
/// so that nothing is ever refused.
#[derive(Debug)]
pub(crate) struct Shelf<T: Sample> {
    places: Vec<Option<Place<T>>>,
    current: usize,
    /// Places that are taken.
    taken: usize,
    /// Sets that nothing plays any more, to be fetched: in the boxes in which they came.
    #[allow(clippy::vec_box)]
    done: Vec<Box<Parcel<Responses<T>>>>,
}

#[derive(Debug, Clone)]
struct Place<T: Sample> {
    set: Box<Parcel<Responses<T>>>,
    users: usize,
}

/// With the same room for what is done: a copy does not allocate while running, either.
impl<T: Sample> Clone for Shelf<T> {
    fn clone(&self) -> Self {
        let mut done = Vec::with_capacity(self.done.capacity());
        done.extend(self.done.iter().cloned());
        Self {
            places: self.places.clone(),
            current: self.current,
            taken: self.taken,
            done,
        }
    }
}

impl<T: Sample> Shelf<T> {
    /// With the first set, which `players` things begin to play; each of them may hold three.
    pub fn new(set: Box<Parcel<Responses<T>>>, players: usize) -> Self {
        let most = 3 * players + 2;
        let mut places: Vec<_> = std::iter::repeat_with(|| None).take(most).collect();
        places[0] = Some(Place {
            set,
            users: players + 1,
        });
        Self {
            places,
            current: 0,
            taken: 1,
            done: Vec::with_capacity(most),
        }
    }

    /// The newest set, which is also a user of its place.
    pub fn current(&self) -> usize {
        self.current
    }

    pub fn get(&self, place: usize) -> &Responses<T> {
        let place = self.places[place].as_ref();
        &place.expect("a place that is in use").set.value
    }

    /// Puts up a newer set.
    pub fn put(&mut self, set: Box<Parcel<Responses<T>>>) {
        let free = self.places.iter().position(Option::is_none);
        let free = free.expect("more places than users");
        self.places[free] = Some(Place { set, users: 1 });
        self.taken += 1;
        self.release(self.current);
        self.current = free;
    }

    /// One more user of the newest set.
    pub fn take(&mut self) -> usize {
        if let Some(place) = &mut self.places[self.current] {
            place.users += 1;
        }
        self.current
    }

    /// One user less.
    pub fn release(&mut self, place: usize) {
        let used = &mut self.places[place];
        if let Some(Place { users, .. }) = used {
            *users -= 1;
            if *users == 0
                && let Some(Place { set, .. }) = used.take()
            {
                self.taken -= 1;
                self.done.push(set);
            }
        }
    }

    /// A set that is to be sent back.
    pub fn fetch_done(&mut self) -> Option<Box<Parcel<Responses<T>>>> {
        self.done.pop()
    }

    /// Frames of the longest response in use.
    pub fn longest(&self) -> usize {
        let sets = self.places.iter().flatten();
        sets.map(|place| place.set.value.frames).max().unwrap_or(1)
    }

    /// Whether only the newest set is in use.
    pub fn is_settled(&self) -> bool {
        self.taken == 1
    }
}
