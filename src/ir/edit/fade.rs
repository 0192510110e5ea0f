//! Fades and windows: how a response begins and ends.

use std::f64::consts::PI;

use super::reading::{Reading, keyed};
use super::{EditError, frames};
use crate::ir::ImpulseResponse;
use crate::ir::window;

/// Raises the taps from silence as half a cosine, taken at the middle of each frame: a rise and a
/// [`fall`] over the same frames add up to 1.
pub(super) fn rise(taps: &mut [f64]) {
    let count = taps.len() as f64;
    for (n, tap) in taps.iter_mut().enumerate() {
        *tap *= (PI * 0.5 * (n as f64 + 0.5) / count).sin().powi(2);
    }
}

/// Lets the taps fall to silence as half a cosine.
pub(super) fn fall(taps: &mut [f64]) {
    let count = taps.len() as f64;
    for (n, tap) in taps.iter_mut().enumerate() {
        *tap *= (PI * 0.5 * (n as f64 + 0.5) / count).cos().powi(2);
    }
}

impl ImpulseResponse {
    /// Fades the first seconds in, as half a cosine; all of it where it is shorter.
    ///
    /// # Errors
    /// None but what [`EditError::Response`] may bring.
    pub fn fade_in(self, seconds: f64) -> Result<Self, EditError> {
        let (rate, count) = (self.rate(), self.rate().frames(seconds).min(self.frames()));
        Ok(self.mapped(rate, |taps| {
            let mut taps = taps.to_vec();
            rise(&mut taps[..count]);
            Ok(taps)
        })?)
    }

    /// Fades the last seconds out, as half a cosine; all of it where it is shorter.
    ///
    /// # Errors
    /// None but what [`EditError::Response`] may bring.
    pub fn fade_out(self, seconds: f64) -> Result<Self, EditError> {
        let (rate, count) = (self.rate(), self.rate().frames(seconds).min(self.frames()));
        Ok(self.mapped(rate, |taps| {
            let mut taps = taps.to_vec();
            let from = taps.len() - count;
            fall(&mut taps[from..]);
            Ok(taps)
        })?)
    }

    /// Multiplies by a window; see [`Window`].
    ///
    /// # Errors
    /// [`EditError::Silent`] where the window begins at the onset and all taps are 0.
    pub fn window(self, window: &Window) -> Result<Self, EditError> {
        Ok(window.run(self)?.0)
    }
}

pub(super) fn fade_in(
    ir: ImpulseResponse,
    seconds: f64,
) -> Result<(ImpulseResponse, String), EditError> {
    let count = ir.rate().frames(seconds).min(ir.frames());
    let report = format!("the first {}", frames(count, ir.rate()));
    Ok((ir.fade_in(seconds)?, report))
}

pub(super) fn fade_out(
    ir: ImpulseResponse,
    seconds: f64,
) -> Result<(ImpulseResponse, String), EditError> {
    let count = ir.rate().frames(seconds).min(ir.frames());
    let report = format!("the last {}", frames(count, ir.rate()));
    Ok((ir.fade_out(seconds)?, report))
}

/// The shape of a window, by its falling half: 1 in the middle, 0 or little at the edge.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Shape {
    /// Half a cosine, 0 at the edge.
    Hann,
    /// Half a cosine on a pedestal, 0.08 at the edge.
    Hamming,
    /// Blackman's three terms, 0 at the edge.
    Blackman,
    /// Flat, then half a cosine over this share of the half, 0 to 1.
    Tukey(f64),
    /// Kaiser's, with this beta.
    Kaiser(f64),
}

impl Shape {
    /// At a place from 0, the middle, to 1, the edge.
    fn at(self, x: f64) -> f64 {
        match self {
            Self::Hann => window::Window::Hann.at(x),
            Self::Hamming => window::Window::Hamming.at(x),
            Self::Blackman => window::Window::Blackman.at(x),
            Self::Tukey(share) if x <= 1.0 - share => 1.0,
            Self::Tukey(share) => window::Window::Hann.at((x - 1.0 + share) / share),
            Self::Kaiser(beta) => window::Window::Kaiser(beta).at(x),
        }
    }
}

/// A window and where it lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// Its shape.
    pub shape: Shape,
    /// Where it lies.
    pub over: Over,
}

/// Where a window lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Over {
    /// The falling half from the onset of the earliest channel to the end; what lies before the
    /// onset stays. For responses of rooms.
    Tail,
    /// The falling half from the onset, this many seconds long, and nothing after it: the gate
    /// that keeps a loudspeaker's sound and drops the room's.
    Gate(f64),
    /// Both halves, over the whole length. For linear-phase filters.
    Whole,
}

impl Window {
    pub(super) fn read(reading: &Reading) -> Result<Self, EditError> {
        let mut items = reading.items();
        let item = items.next().unwrap_or_default();
        let known = "hann, hamming, blackman, tukey:0.2 and kaiser:9";
        let shape = match keyed(item) {
            ("hann", None) => Shape::Hann,
            ("hamming", None) => Shape::Hamming,
            ("blackman", None) => Shape::Blackman,
            ("tukey", Some(share)) => {
                let share = reading.factor(share)?;
                let problem = "tukey's share lies between 0 and 1";
                Shape::Tukey(reading.within(share, 0.0, 1.0, problem)?)
            }
            ("kaiser", Some(beta)) => {
                let beta = reading.factor(beta)?;
                let problem = "kaiser's beta lies between 0 and 50";
                Shape::Kaiser(reading.within(beta, 0.0, 50.0, problem)?)
            }
            _ => return Err(reading.unknown(item, known)),
        };
        let over = match items.next() {
            None => Over::Tail,
            Some("whole") => Over::Whole,
            Some(time) => match reading.seconds(time)? {
                0.0 => return Err(reading.usage("a gate needs a time above 0")),
                seconds => Over::Gate(seconds),
            },
        };
        match items.next() {
            None => Ok(Self { shape, over }),
            Some(item) => Err(reading.unknown(item, "a shape, and `whole` or a time")),
        }
    }

    pub(super) fn run(&self, ir: ImpulseResponse) -> Result<(ImpulseResponse, String), EditError> {
        let (rate, length) = (ir.rate(), ir.frames());
        let (start, end) = match self.over {
            Over::Whole => (0, length),
            Over::Tail | Over::Gate(_) => {
                let operation = "window";
                let onset = ir.onset().ok_or(EditError::Silent { operation })?;
                match self.over {
                    Over::Gate(seconds) => {
                        let gate = rate.frames(seconds).max(1);
                        (onset, onset.saturating_add(gate).min(length))
                    }
                    _ => (onset, length),
                }
            }
        };
        // Frames from the middle of the window to its edge, which lies on the last frame.
        let (middle, half) = match self.over {
            Over::Whole => ((length - 1) as f64 / 2.0, (length - 1) as f64 / 2.0),
            Over::Tail => (start as f64, (end - 1 - start) as f64),
            // A gate that reaches beyond the end keeps its own length.
            Over::Gate(seconds) => (start as f64, (rate.frames(seconds).max(1) - 1) as f64),
        };
        let ir = ir.mapped(rate, |taps| {
            let mut taps = taps[..end].to_vec();
            for (n, tap) in taps.iter_mut().enumerate().skip(start) {
                *tap *= self.shape.at((n as f64 - middle).abs() / half.max(1.0));
            }
            Ok(taps)
        })?;
        let report = match self.over {
            Over::Whole => format!("over all {}", frames(length, rate)),
            _ => format!(
                "falls from {} to {}",
                frames(start, rate),
                frames(end, rate)
            ),
        };
        Ok((ir, report))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::edit::tests::{edit, ir, refused};

    #[test]
    fn fades_are_half_cosines_at_the_ends_and_touch_nothing_between() {
        let flat = ir(1000, vec![vec![1.0; 100], vec![-1.0; 100]]);
        let (risen, said) = edit(&flat, "fade-in=20ms");
        let (fallen, _) = edit(&flat, "fade-out=20ms");
        assert!(said.contains("the first 20 frames"), "{said}");
        for n in 0..100 {
            let (up, down) = (risen.channel(0)[n], fallen.channel(0)[n]);
            let want = match n {
                0..20 => (0.5 - 0.5 * (PI * (n as f64 + 0.5) / 20.0).cos()) as f32,
                _ => 1.0,
            };
            assert!((up - want).abs() < 1e-6, "{n}: {up}, {want}");
            assert_eq!(risen.channel(1)[n], -up);
            assert!((fallen.channel(0)[99 - n] - want).abs() < 1e-6);
            if n < 20 {
                let crossed = f64::from(up) + f64::from(fallen.channel(0)[80 + n]);
                assert!((crossed - 1.0).abs() < 1e-7, "{n}: {crossed}, {down}");
            }
        }
        let (all, said) = edit(&flat, "fade-out=1s");
        assert!(said.contains("the last 100 frames"), "{said}");
        assert!(all.channel(0)[0] > 0.999 && all.channel(0)[99] < 1e-3);
    }

    #[test]
    fn a_window_falls_from_the_onset_to_the_end() {
        let mut taps = vec![1.0; 101];
        taps[..20].fill(0.01);
        for (text, at_quarter, at_end) in [
            ("window=hann", 0.5 + 0.5 * (PI * 0.25).cos(), 0.0),
            ("window=hamming", 0.54 + 0.46 * (PI * 0.25).cos(), 0.08),
            ("window=blackman", 0.42 + 0.5 * (PI * 0.25).cos(), 0.0),
            ("window=tukey:0.5", 1.0, 0.0),
            // numpy.kaiser(161, 9)[100] and [160].
            ("window=kaiser:9", 0.764_041_11, 0.000_914_42),
        ] {
            let (shaped, _) = edit(&ir(1000, vec![taps.clone()]), text);
            let got = shaped.channel(0);
            assert_eq!(&got[..21], &[&[0.01; 20][..], &[1.0]].concat(), "{text}");
            assert!(
                (f64::from(got[40]) - at_quarter).abs() < 1e-6,
                "{text}: {}",
                got[40]
            );
            assert!(
                (f64::from(got[100]) - at_end).abs() < 1e-6,
                "{text}: {}",
                got[100]
            );
        }
    }

    #[test]
    fn a_whole_window_is_symmetric_and_a_gate_ends_the_response() {
        let flat = ir(1000, vec![vec![1.0; 101]]);
        let (whole, _) = edit(&flat, "window=hann,whole");
        let taps = whole.channel(0);
        assert!(taps.iter().eq(taps.iter().rev()) && taps[50] == 1.0 && taps[0] == 0.0);
        let (gated, said) = edit(&flat, "window=tukey:0.2,50ms");
        assert_eq!(gated.frames(), 50, "{said}");
        assert_eq!(gated.channel(0)[38], 1.0);
        assert!(gated.channel(0)[49] < 1e-6);
    }

    #[test]
    fn what_is_no_window_is_refused() {
        for text in [
            "window",
            "window=rect",
            "window=tukey",
            "window=tukey:2",
            "window=kaiser:x",
            "window=hann,0s",
            "window=hann,whole,5ms",
            "fade-in",
            "fade-out=50",
        ] {
            refused(text, text);
        }
    }
}
