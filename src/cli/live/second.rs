//! What the looks at a session saw since the last line was written, in one.

use crate::run::live::{Level, Load, Status};

/// Levels and loads of several looks.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Gathered {
    looks: u32,
    load: Load,
    inputs: Vec<Level>,
    outputs: Vec<Level>,
}

impl Gathered {
    /// Adds a look.
    pub(super) fn add(&mut self, status: &Status) {
        self.looks += 1;
        self.load.mean += status.load.mean;
        self.load.worst = self.load.worst.max(status.load.worst);
        self.load.worst_ever = status.load.worst_ever;
        add(&mut self.inputs, &status.input_levels);
        add(&mut self.outputs, &status.output_levels);
    }

    /// Puts what was gathered in the place of the last look alone, and begins anew.
    pub(super) fn take(&mut self, status: &mut Status) {
        if self.looks == 0 {
            return;
        }
        let looks = self.looks as f32;
        status.load = Load {
            mean: self.load.mean / looks,
            ..self.load
        };
        let mean = |level: &Level| Level {
            rms: (level.rms / looks).sqrt(),
            ..*level
        };
        status.input_levels = self.inputs.iter().map(mean).collect();
        status.output_levels = self.outputs.iter().map(mean).collect();
        *self = Self::default();
    }
}

/// Largest peaks, sums of squares.
fn add(sum: &mut Vec<Level>, levels: &[Level]) {
    // A device that came back may have another number.
    sum.resize(levels.len(), Level::default());
    for (sum, level) in sum.iter_mut().zip(levels) {
        sum.peak = sum.peak.max(level.peak);
        sum.rms += level.rms * level.rms;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::status;
    use super::*;

    #[test]
    fn several_looks_become_one() {
        let mut gathered = Gathered::default();
        let mut look = status();
        for (peak, rms, mean, worst) in [(0.5, 0.3, 0.1, 0.2), (0.25, 0.1, 0.3, 0.9)] {
            look.input_levels = vec![Level { peak, rms }];
            look.output_levels = vec![Level { peak, rms }; 2];
            look.load = Load {
                mean,
                worst,
                worst_ever: 1.0,
            };
            gathered.add(&look);
        }
        gathered.take(&mut look);
        let rms = (0.05f32).sqrt();
        assert_eq!(look.output_levels.len(), 2);
        assert_eq!(look.input_levels[0].peak, 0.5);
        assert!((look.input_levels[0].rms - rms).abs() < 1e-6);
        assert!((look.load.mean - 0.2).abs() < 1e-6);
        assert_eq!((look.load.worst, look.load.worst_ever), (0.9, 1.0));
        assert_eq!(gathered, Gathered::default());
    }
}
