//! The responses of a session: loaded at the stream's rate, and fitted to one routing, so that
//! each may take over from any other.

use std::mem;
use std::sync::Arc;

use crate::dsp::error::BuildError;
use crate::dsp::routing::{Route, Routing};
use crate::io::{LoadError, Loaded, Origin};
use crate::ir::ImpulseResponse;
use crate::signal::SampleRate;

/// All responses that can be chosen, at one rate.
#[derive(Debug)]
pub(super) struct Library {
    entries: Vec<Entry>,
    rate: SampleRate,
}

#[derive(Debug)]
struct Entry {
    origin: Origin,
    /// Not there where it could not be loaded.
    loaded: Option<Arc<Loaded>>,
}

impl Entry {
    fn name(&self) -> String {
        match &self.loaded {
            Some(loaded) => loaded.ir.name().to_owned(),
            None => self.origin.to_string(),
        }
    }
}

impl Library {
    /// Loads all of them.
    pub fn new(origins: &[Origin], rate: SampleRate) -> Result<Self, LoadError> {
        let load = |origin: &Origin| -> Result<Entry, LoadError> {
            Ok(Entry {
                origin: origin.clone(),
                loaded: Some(Arc::new(origin.load(rate)?)),
            })
        };
        let entries = origins.iter().map(load).collect::<Result<_, _>>()?;
        Ok(Self { entries, rate })
    }

    /// Brings them to another rate. What cannot be loaded any more is made of what is in memory;
    /// only the chosen one must be there.
    pub fn at(&mut self, rate: SampleRate, chosen: usize) -> Result<(), LoadError> {
        if rate == self.rate {
            return Ok(());
        }
        let mut all = Vec::with_capacity(self.entries.len());
        for (k, entry) in self.entries.iter().enumerate() {
            let loaded = match (entry.origin.load(rate), &entry.loaded) {
                (Err(_), Some(old)) => old.at(rate),
                (loaded, _) => loaded,
            };
            all.push(match loaded {
                Err(error) if k == chosen => return Err(error),
                loaded => loaded.ok().map(Arc::new),
            });
        }
        for (entry, loaded) in self.entries.iter_mut().zip(all) {
            entry.loaded = loaded;
        }
        self.rate = rate;
        Ok(())
    }

    pub fn rate(&self) -> SampleRate {
        self.rate
    }

    pub fn count(&self) -> usize {
        self.entries.len()
    }

    pub fn origin(&self, index: usize) -> Option<&Origin> {
        self.entries.get(index).map(|entry| &entry.origin)
    }

    pub fn get(&self, index: usize) -> Option<&Arc<Loaded>> {
        self.entries.get(index)?.loaded.as_ref()
    }

    /// Appends one that is not loaded yet; returns its place.
    pub fn add(&mut self, origin: Origin) -> usize {
        self.entries.push(Entry {
            origin,
            loaded: None,
        });
        self.entries.len() - 1
    }

    /// Puts a response in its place, or takes it away; returns what was there.
    pub fn put(&mut self, index: usize, loaded: Option<Arc<Loaded>>) -> Option<Arc<Loaded>> {
        mem::replace(&mut self.entries[index].loaded, loaded)
    }

    pub fn names(&self) -> Vec<String> {
        self.entries.iter().map(Entry::name).collect()
    }

    pub fn name(&self, index: usize) -> String {
        self.entries[index].name()
    }

    fn loaded(&self) -> impl Iterator<Item = &ImpulseResponse> {
        let loaded = self.entries.iter().filter_map(|e| e.loaded.as_ref());
        loaded.map(|loaded| &loaded.ir)
    }

    /// Frames of the longest.
    pub fn longest(&self) -> usize {
        self.loaded()
            .map(ImpulseResponse::frames)
            .max()
            .unwrap_or(1)
    }

    /// The routing that serves all of them.
    pub fn fit(&self, inputs: usize) -> Result<Fit, BuildError> {
        let counts = self.loaded().map(ImpulseResponse::channel_count);
        Fit::new(inputs, &counts.collect::<Vec<_>>())
    }
}

/// One routing for responses of one or several channel counts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fit {
    pub routing: Routing,
    pub outputs: usize,
    inputs: usize,
    /// Where counts differ: every way from an input to an output that some response has.
    ways: Option<Vec<(usize, usize)>>,
}

impl Fit {
    pub fn new(inputs: usize, counts: &[usize]) -> Result<Self, BuildError> {
        let mut counts = counts.to_vec();
        counts.sort_unstable();
        counts.dedup();
        let mut outputs = 0;
        for &count in &counts {
            let routing = Routing::for_channels(inputs, count)?;
            outputs = outputs.max(routing.outputs(inputs, count));
        }
        if let [count] = counts[..] {
            return Ok(Self {
                routing: Routing::for_channels(inputs, count)?,
                outputs,
                inputs,
                ways: None,
            });
        }
        let mut ways = Vec::new();
        for &count in &counts {
            let routes = routes(inputs, count, outputs)?;
            ways.extend(routes.iter().map(|route| (route.input, route.output)));
        }
        ways.sort_unstable();
        ways.dedup();
        let route = |(ir, &(input, output)): (usize, &(usize, usize))| Route { input, output, ir };
        let routes = ways.iter().enumerate().map(route).collect();
        Ok(Self {
            routing: Routing::Custom { outputs, routes },
            outputs,
            inputs,
            ways: Some(ways),
        })
    }

    /// The taps in the order of the routing; none where the response has another form.
    pub fn taps(&self, ir: &ImpulseResponse) -> Option<Vec<Vec<f32>>> {
        let channels = ir.audio().channels();
        let Some(ways) = &self.ways else {
            let natural = Routing::for_channels(self.inputs, channels.len()).ok()?;
            return (natural == self.routing).then(|| channels.to_vec());
        };
        let routes = routes(self.inputs, channels.len(), self.outputs).ok()?;
        let has = |route: &Route| ways.contains(&(route.input, route.output));
        if !routes.iter().all(has) {
            return None;
        }
        let taps = |&(input, output): &(usize, usize)| {
            let mut routes = routes.iter();
            let route = routes.find(|route| (route.input, route.output) == (input, output));
            route.map_or_else(|| vec![0.0], |route| channels[route.ir].clone())
        };
        Some(ways.iter().map(taps).collect())
    }
}

/// The connections of a response; a single channel on a single input is heard on every output.
fn routes(inputs: usize, count: usize, outputs: usize) -> Result<Vec<Route>, BuildError> {
    if (inputs, count) == (1, 1) {
        let route = |output| Route {
            input: 0,
            output,
            ir: 0,
        };
        return Ok((0..outputs).map(route).collect());
    }
    Routing::for_channels(inputs, count)?.routes(inputs, count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::Audio;

    fn ir(channels: usize) -> ImpulseResponse {
        let rate = SampleRate::new(48_000).unwrap();
        let taps = (0..channels).map(|c| vec![1.0 + c as f32, 0.5]).collect();
        ImpulseResponse::new(Audio::new(rate, taps).unwrap()).unwrap()
    }

    #[test]
    fn equal_counts_keep_their_own_routing() {
        let fit = Fit::new(2, &[2, 2, 2]).unwrap();
        assert_eq!((fit.routing.clone(), fit.outputs), (Routing::Each, 2));
        assert_eq!(fit.taps(&ir(2)), Some(vec![vec![1.0, 0.5], vec![2.0, 0.5]]));
        assert_eq!(fit.taps(&ir(4)), None);
    }

    #[test]
    fn mono_stereo_and_true_stereo_share_one_routing() {
        let fit = Fit::new(2, &[1, 2, 4]).unwrap();
        let first = |count| {
            let taps = fit.taps(&ir(count)).unwrap();
            taps.iter().map(|taps| taps[0]).collect::<Vec<f32>>()
        };
        // LL, LR, RL, RR
        assert_eq!(first(1), [1.0, 0.0, 0.0, 1.0]);
        assert_eq!(first(2), [1.0, 0.0, 0.0, 2.0]);
        assert_eq!(first(4), [1.0, 2.0, 3.0, 4.0]);
        assert!(Fit::new(2, &[1, 3]).is_err());
    }

    #[test]
    fn a_hesuvi_response_shares_a_routing_with_a_stereo_one() {
        let fit = Fit::new(2, &[14]).unwrap();
        assert_eq!((fit.routing.clone(), fit.outputs), (Routing::HeSuVi, 2));
        assert_eq!(fit.taps(&ir(14)).unwrap().len(), 14);
        let fit = Fit::new(2, &[2, 14]).unwrap();
        let first = |count| {
            let taps = fit.taps(&ir(count)).unwrap();
            taps.iter().map(|taps| taps[0]).collect::<Vec<f32>>()
        };
        // LL, LR, RL, RR: of HeSuVi FL left, FL right, FR left, FR right.
        assert_eq!(first(2), [1.0, 0.0, 0.0, 2.0]);
        assert_eq!(first(14), [1.0, 2.0, 9.0, 8.0]);
    }

    #[test]
    fn a_mono_response_beside_a_stereo_one_is_heard_on_both_sides() {
        let fit = Fit::new(1, &[1, 2]).unwrap();
        assert_eq!(fit.outputs, 2);
        assert_eq!(fit.taps(&ir(1)), Some(vec![vec![1.0, 0.5]; 2]));
        assert_eq!(fit.taps(&ir(2)), Some(vec![vec![1.0, 0.5], vec![2.0, 0.5]]));
    }
}
