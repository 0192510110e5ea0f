//! Subjects that run in turns, until each has rounds enough that nobody disturbed.

use crate::pace::Pace;
use crate::report::median;
use crate::subject::{Lengths, Round, Subject};

/// How often they run.
#[derive(Clone, Copy)]
pub struct Turns {
    /// So many rounds of each count.
    pub rounds: usize,
    /// So many are made where others disturb the machine.
    pub most: usize,
    pub lengths: Lengths,
    /// ns that are taken off each timed call.
    pub clock_cost: f64,
}

/// What came of it.
pub struct Outcome {
    /// Of each subject, the quietest first.
    pub rounds: Vec<Vec<Round>>,
    /// ns of the transform that tells the machine's pace, at the beginning of a turn.
    pub pace: f64,
    /// Whether most rounds of a subject were disturbed all the same.
    pub is_disturbed: bool,
}

/// A round, and the slower one of the readings around it.
struct Timed {
    round: Round,
    reading: f64,
}

impl Turns {
    pub fn run(self, pace: &mut Pace, subjects: &mut [Box<dyn Subject>]) -> Outcome {
        let mut timed: Vec<Vec<Timed>> = subjects.iter().map(|_| vec![]).collect();
        let mut readings = vec![];
        for _ in 0..self.most {
            let left = |timed: &[Timed]| quiet(timed, pace) < self.rounds;
            let left: Vec<bool> = timed.iter().map(|timed| left(timed)).collect();
            if !left.contains(&true) {
                break;
            }
            let mut before = pace.rest();
            readings.push(before);
            let all = subjects.iter_mut().zip(&mut timed).zip(left);
            for ((subject, timed), _) in all.filter(|&(_, left)| left) {
                let round = subject.round(self.lengths, self.clock_cost);
                let behind = pace.read();
                let reading = before.max(behind);
                timed.push(Timed { round, reading });
                before = behind;
            }
        }
        for timed in &mut timed {
            timed.sort_by(|a, b| a.reading.total_cmp(&b.reading));
            timed.truncate(self.rounds);
        }
        let is_disturbed = |timed: &Vec<Timed>| 2 * quiet(timed, pace) < self.rounds;
        Outcome {
            is_disturbed: timed.iter().any(is_disturbed),
            pace: median(&mut readings),
            rounds: timed
                .into_iter()
                .map(|timed| timed.into_iter().map(|timed| timed.round).collect())
                .collect(),
        }
    }
}

/// How many of them nobody disturbed.
fn quiet(timed: &[Timed], pace: &Pace) -> usize {
    let quiet = timed.iter().filter(|timed| pace.is_quiet(timed.reading));
    quiet.count()
}
