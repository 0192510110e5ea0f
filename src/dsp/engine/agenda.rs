//! In what order, and in what pieces, a level does the work of one block.

use std::ops::Range;

use crate::dsp::fft::Transform;
use crate::dsp::pairs::Turns;
use crate::dsp::product::Path;
use crate::signal::Sample;

/// A piece of work that is done in one go, small against a block's share of all work.
#[derive(Debug, Clone)]
pub(crate) enum Task {
    /// Steps of an input's transform.
    Forward { input: usize, steps: Range<usize> },
    /// Which products an output consists of.
    Collect { output: usize },
    /// Steps of an output's transform, the products included.
    Inverse { output: usize, steps: Range<usize> },
}

/// The order of one block's work: outputs that hear the same inputs go side by side, so that
/// they find the inputs' spectra in the cache; an input is transformed just before it is needed.
/// Where neighbouring tiles take turns they stay together, one that leads and one that follows, so
/// that the cost is the same in every block.
pub(crate) fn agenda<T: Sample>(
    transform: &Transform<T>,
    inputs: usize,
    paths: &[Vec<Path<T>>],
    task: u32,
    turns: Option<Turns>,
) -> Vec<(Task, u32)> {
    let heard = |output: usize| -> Vec<usize> { paths[output].iter().map(|p| p.input).collect() };
    let mut agenda = Vec::new();
    let mut transformed = vec![false; inputs];
    let mut output = 0;
    while output < paths.len() {
        let together = (output + 1..paths.len())
            .take_while(|&next| next < output + 4 && heard(next) == heard(output));
        let group = output..output + 1 + together.count();
        output = group.end;
        for input in heard(group.start) {
            if !std::mem::replace(&mut transformed[input], true) {
                let cost = |step| transform.forward_cost(step);
                for (steps, cost) in pieces(transform.steps(), task, cost, |_| false) {
                    agenda.push((Task::Forward { input, steps }, cost));
                }
            }
        }
        for output in group.clone() {
            let runs: usize = paths[output]
                .iter()
                .map(|p| p.partitions.silent.len())
                .sum();
            agenda.push((Task::Collect { output }, 10 + runs as u32));
        }
        let products = |output: usize| {
            paths[output]
                .iter()
                .map(|p| p.partitions.silent.len())
                .sum()
        };
        let cost = |output, step| transform.inverse_cost(step, products(output), turns.is_some());
        let each = |step| cost(group.start, step);
        let joined = |step| turns == Some(Turns::Tiles) && transform.ends_pair(step);
        for (steps, _) in pieces(transform.steps(), task, each, joined) {
            for output in group.clone() {
                let cost = steps.clone().map(|step| cost(output, step)).sum();
                agenda.push((
                    Task::Inverse {
                        output,
                        steps: steps.clone(),
                    },
                    cost,
                ));
            }
        }
    }
    agenda
}

/// Cuts steps into pieces of about one task's cost, but never before a step that is joined to the
/// one before.
fn pieces(
    steps: usize,
    task: u32,
    cost: impl Fn(usize) -> u32,
    joined: impl Fn(usize) -> bool,
) -> Vec<(Range<usize>, u32)> {
    let mut pieces: Vec<(Range<usize>, u32)> = Vec::new();
    for step in 0..steps {
        match pieces.last_mut() {
            Some((range, sum)) if joined(step) || *sum + cost(step) <= task => {
                range.end += 1;
                *sum += cost(step);
            }
            _ => pieces.push((step..step + 1, cost(step))),
        }
    }
    pieces
}
