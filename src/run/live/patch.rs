//! Which channels of the devices are heard and played.

use super::library::{Fit, Library};
use super::setup::{LiveError, Setup};
use crate::io::port::{Direction, Port};

/// The routing for all responses.
pub(super) fn fit(library: &Library, inputs: usize) -> Result<Fit, LiveError> {
    library.fit(inputs).map_err(|source| LiveError::Build {
        irs: library.names().join(", "),
        source,
    })
}

/// Channels of the input device that are heard.
pub(super) fn inputs(setup: &Setup, port: &Port) -> Result<Vec<usize>, LiveError> {
    let channels = port.channels;
    let inputs = match &setup.inputs {
        Some(inputs) => inputs.clone(),
        None => (0..channels.min(2)).collect(),
    };
    check(&inputs, Direction::Input, port)?;
    Ok(inputs)
}

/// For each signal the channels of the output device that play it.
pub(super) fn speakers(
    setup: &Setup,
    port: &Port,
    signals: usize,
) -> Result<Vec<Vec<usize>>, LiveError> {
    let channels = port.channels;
    let speakers: Vec<Vec<usize>> = match &setup.outputs {
        Some(outputs) if signals == 1 => vec![outputs.clone()],
        Some(outputs) if outputs.len() == signals => outputs.iter().map(|&c| vec![c]).collect(),
        Some(outputs) => {
            return Err(LiveError::Outputs {
                given: outputs.len(),
                made: signals,
            });
        }
        // One signal is heard on both sides.
        None if signals == 1 => vec![(0..channels.min(2)).collect()],
        None => (0..signals).map(|c| vec![c]).collect(),
    };
    check(&speakers.concat(), Direction::Output, port)?;
    Ok(speakers)
}

pub(in crate::run) fn check(
    asked: &[usize],
    direction: Direction,
    port: &Port,
) -> Result<(), LiveError> {
    if asked.is_empty() {
        let device = port.device.clone();
        return Err(LiveError::NoChannel { direction, device });
    }
    match asked.iter().find(|&&channel| channel >= port.channels) {
        None => Ok(()),
        Some(&channel) => Err(LiveError::Channel {
            direction,
            device: port.device.clone(),
            channels: port.channels,
            asked: channel + 1,
        }),
    }
}
