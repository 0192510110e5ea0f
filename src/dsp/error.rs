//! Why a convolver cannot be built.

use thiserror::Error;

/// Why a convolver cannot be built.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
#[allow(missing_docs)] // each variant's message says it
pub enum BuildError {
    #[error("the impulse response is empty; it needs at least one tap")]
    EmptyIr,
    #[error("tap {tap} of impulse response {ir} is {value}; repair or trim the response")]
    NotFinite { ir: usize, tap: usize, value: f64 },
    #[error(
        "impulse response has {frames} frames, the plan holds {capacity}; raise `capacity` or trim it"
    )]
    TooLong { frames: usize, capacity: usize },
    #[error("partitions of {block} frames cannot be; give a power of two from {least} to {most}")]
    Block {
        block: usize,
        least: usize,
        most: usize,
    },
    #[error(
        "{inputs} input channel(s) and {irs} impulse response channel(s) do not fit: give one IR channel, or one for each input channel, or four (LL, LR, RL, RR) for a stereo input, or two for a mono input, or HeSuVi's 7 or 14 for an input of 1, 2, 6 or 8 channels"
    )]
    Routing { inputs: usize, irs: usize },
    #[error(
        "the route from input {input} through response {ir} to output {output} leads nowhere; all are counted from 0"
    )]
    Route {
        input: usize,
        ir: usize,
        output: usize,
    },
    #[error("the responses were prepared with different plans; prepare all of them with one")]
    MixedPlans,
    #[error(
        "the plan is for a stream, not for a stored signal; make it with `Plan::for_throughput`"
    )]
    NotStored,
}
