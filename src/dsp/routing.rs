//! Which response connects which input with which output.

use std::fmt;
use std::str::FromStr;

use super::error::BuildError;

/// One response on its way from an input to an output; all counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Route {
    /// Channel that is heard.
    pub input: usize,
    /// Channel that is written.
    pub output: usize,
    /// Response between them.
    pub ir: usize,
}

/// How responses connect inputs with outputs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Routing {
    /// Response 0 on every channel.
    #[default]
    Shared,
    /// Response k on channel k.
    Each,
    /// One input; response k makes output k.
    FanOut,
    /// Two inputs, two outputs, four responses in the order LL, LR, RL, RR.
    TrueStereo,
    /// True stereo with the responses in another order.
    TrueStereoOrder(StereoOrder),
    /// Virtual loudspeakers on two ears, the outputs: 14 responses in HeSuVi's order, or 7, its
    /// left half, which is mirrored. The inputs are 1 (the centre), 2, 6 (5.1) or 8 (7.1) in the
    /// order of WAV; the LFE is heard through the centre, at its own level.
    HeSuVi,
    /// Any sparse matrix. Several routes to one output are summed in the order given.
    Custom {
        /// Number of outputs; those without a route are silent.
        outputs: usize,
        /// The connections.
        routes: Vec<Route>,
    },
}

impl Routing {
    /// The routing that the channel counts suggest.
    ///
    /// # Errors
    /// [`BuildError::Routing`] with both counts and the way out.
    pub fn for_channels(inputs: usize, irs: usize) -> Result<Self, BuildError> {
        match (inputs, irs) {
            (1.., 1) => Ok(Routing::Shared),
            (2, 4) => Ok(Routing::TrueStereo),
            (1, 2) => Ok(Routing::FanOut),
            (1 | 2 | 6 | 8, 7 | 14) => Ok(Routing::HeSuVi),
            (n, m) if n == m && n > 0 => Ok(Routing::Each),
            _ => Err(BuildError::Routing { inputs, irs }),
        }
    }

    /// Inputs that a set of so many responses is usually made for.
    pub fn usual_inputs(irs: usize) -> usize {
        match irs {
            4 => 2,
            7 | 14 => 8,
            irs => irs,
        }
    }

    /// Number of outputs for so many inputs and responses.
    pub fn outputs(&self, inputs: usize, irs: usize) -> usize {
        match self {
            Routing::Shared | Routing::Each => inputs,
            Routing::FanOut => irs,
            Routing::TrueStereo | Routing::TrueStereoOrder(_) | Routing::HeSuVi => 2,
            Routing::Custom { outputs, .. } => *outputs,
        }
    }

    /// The connections one by one.
    ///
    /// # Errors
    /// [`BuildError::Routing`] where the counts do not fit, [`BuildError::Route`] for a custom
    /// route to nowhere.
    pub fn routes(&self, inputs: usize, irs: usize) -> Result<Vec<Route>, BuildError> {
        let fits = match self {
            Routing::Shared => inputs > 0 && irs == 1,
            Routing::Each => inputs > 0 && irs == inputs,
            Routing::FanOut => inputs == 1 && irs > 0,
            Routing::TrueStereo | Routing::TrueStereoOrder(_) => inputs == 2 && irs == 4,
            Routing::HeSuVi => speakers(inputs).is_some() && matches!(irs, 7 | 14),
            Routing::Custom { .. } => inputs > 0 && irs > 0,
        };
        if !fits {
            return Err(BuildError::Routing { inputs, irs });
        }
        let route = |input, output, ir| Route { input, output, ir };
        Ok(match self {
            Routing::Shared => (0..inputs).map(|k| route(k, k, 0)).collect(),
            Routing::Each => (0..inputs).map(|k| route(k, k, k)).collect(),
            Routing::FanOut => (0..irs).map(|k| route(0, k, k)).collect(),
            Routing::TrueStereo => StereoOrder::default().routes(),
            Routing::TrueStereoOrder(order) => order.routes(),
            Routing::HeSuVi => speakers(inputs)
                .into_iter()
                .flatten()
                .enumerate()
                .flat_map(|(input, speaker)| {
                    let irs = speaker.irs(irs == 7);
                    [0, 1].map(|ear| route(input, ear, irs[ear]))
                })
                .collect(),
            Routing::Custom { outputs, routes } => {
                let outside = |r: &&Route| r.input >= inputs || r.output >= *outputs || r.ir >= irs;
                if let Some(&Route { input, output, ir }) = routes.iter().find(outside) {
                    return Err(BuildError::Route { input, ir, output });
                }
                routes.clone()
            }
        })
    }
}

impl fmt::Display for Routing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Routing::Shared => f.write_str("one IR channel on every channel"),
            Routing::Each => f.write_str("IR channel k on channel k"),
            Routing::FanOut => f.write_str("one channel in, one out for each IR channel"),
            Routing::TrueStereo => write!(f, "true stereo ({})", StereoOrder::default()),
            Routing::TrueStereoOrder(order) => write!(f, "true stereo ({order})"),
            Routing::HeSuVi => f.write_str(
                "HeSuVi, each loudspeaker on both ears (one channel is the centre, and the LFE goes through the centre's response)",
            ),
            Routing::Custom { outputs, routes } => {
                write!(f, "{} routes to {outputs} outputs", routes.len())
            }
        }
    }
}

/// A virtual loudspeaker of HeSuVi.
#[derive(Debug, Clone, Copy)]
enum Speaker {
    FrontLeft,
    FrontRight,
    Centre,
    SideLeft,
    SideRight,
    BackLeft,
    BackRight,
}

/// The loudspeakers of so many input channels, in the order of WAV's channel mask.
fn speakers(inputs: usize) -> Option<&'static [Speaker]> {
    use Speaker::*;
    match inputs {
        1 => Some(&[Centre]),
        2 => Some(&[FrontLeft, FrontRight]),
        // Two channels of surround stand beside the listener (ITU-R BS.775), whatever WAV's mask
        // calls them. The fourth is the LFE.
        6 => Some(&[FrontLeft, FrontRight, Centre, Centre, SideLeft, SideRight]),
        8 => Some(&[
            FrontLeft, FrontRight, Centre, Centre, BackLeft, BackRight, SideLeft, SideRight,
        ]),
        _ => None,
    }
}

impl Speaker {
    /// The responses to the left and the right ear. HeSuVi's order is FL left, FL right, SL left,
    /// SL right, BL left, BL right, FC left, and then the mirror image of these seven: FR right,
    /// FR left, and so on. A file with the first seven alone serves both sides.
    fn irs(self, mirrored: bool) -> [usize; 2] {
        let right = if mirrored { 0 } else { 7 };
        match self {
            Self::FrontLeft => [0, 1],
            Self::SideLeft => [2, 3],
            Self::BackLeft => [4, 5],
            Self::Centre => [6, 6 + right],
            Self::FrontRight => [1 + right, right],
            Self::SideRight => [3 + right, 2 + right],
            Self::BackRight => [5 + right, 4 + right],
        }
    }
}

/// The order of the four responses of true stereo; `LR` goes from the left input to the right
/// output. Parsed from and printed as `LL,LR,RL,RR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StereoOrder([(usize, usize); 4]);

impl StereoOrder {
    fn routes(self) -> Vec<Route> {
        let routes = self.0.into_iter().enumerate();
        routes
            .map(|(ir, (input, output))| Route { input, output, ir })
            .collect()
    }
}

impl Default for StereoOrder {
    /// LL, LR, RL, RR.
    fn default() -> Self {
        Self([(0, 0), (0, 1), (1, 0), (1, 1)])
    }
}

const SIDES: [&str; 2] = ["L", "R"];

impl fmt::Display for StereoOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = self.0.map(|(i, o)| [SIDES[i], SIDES[o]].concat());
        write!(f, "{a}, {b}, {c}, {d}")
    }
}

impl FromStr for StereoOrder {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let paths: Vec<_> = text
            .split(',')
            .map(|name| match name.trim().to_ascii_uppercase().as_str() {
                "LL" => Some((0, 0)),
                "LR" => Some((0, 1)),
                "RL" => Some((1, 0)),
                "RR" => Some((1, 1)),
                _ => None,
            })
            .collect();
        let known: Option<Vec<_>> = paths.into_iter().collect();
        let order: Option<[(usize, usize); 4]> = known.and_then(|p| p.try_into().ok());
        match order {
            Some(order) if (1..4).all(|k| !order[..k].contains(&order[k])) => Ok(Self(order)),
            _ => Err(format!(
                "`{text}` is no order of true stereo; name LL, LR, RL and RR once each, such as LL,RL,LR,RR"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What HeSuVi's 14 channels are: loudspeaker and ear.
    const ORDER: [(&str, usize); 14] = [
        ("FL", 0),
        ("FL", 1),
        ("SL", 0),
        ("SL", 1),
        ("BL", 0),
        ("BL", 1),
        ("FC", 0),
        ("FR", 1),
        ("FR", 0),
        ("SR", 1),
        ("SR", 0),
        ("BR", 1),
        ("BR", 0),
        ("FC", 1),
    ];

    #[test]
    fn hesuvi_leads_every_loudspeaker_to_both_ears() {
        let layouts: [&[&str]; 4] = [
            &["FC"],
            &["FL", "FR"],
            &["FL", "FR", "FC", "LFE", "SL", "SR"],
            &["FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"],
        ];
        for layout in layouts {
            let inputs = layout.len();
            for irs in [14, 7] {
                let routing = Routing::for_channels(inputs, irs).unwrap();
                assert_eq!(routing, Routing::HeSuVi);
                assert_eq!(routing.outputs(inputs, irs), 2);
                let routes = routing.routes(inputs, irs).unwrap();
                assert_eq!(routes.len(), 2 * inputs);
                for (input, speaker) in layout.iter().enumerate() {
                    for ear in [0, 1] {
                        let speaker = if *speaker == "LFE" { "FC" } else { speaker };
                        let find = |want| ORDER.iter().position(|&at| at == want);
                        let mut ir = find((speaker, ear)).unwrap();
                        if irs == 7 && ir >= 7 {
                            // The other ear of the loudspeaker opposite.
                            let opposite = speaker.replace('R', "L");
                            ir = find((opposite.as_str(), 1 - ear)).unwrap();
                        }
                        let route = Route {
                            input,
                            output: ear,
                            ir,
                        };
                        assert!(routes.contains(&route), "{inputs} {irs}: {route:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn hesuvi_is_for_known_layouts_only() {
        assert_eq!(Routing::for_channels(7, 7).unwrap(), Routing::Each);
        assert_eq!(Routing::for_channels(14, 14).unwrap(), Routing::Each);
        for inputs in [3, 4, 5, 7, 9] {
            assert!(Routing::HeSuVi.routes(inputs, 14).is_err(), "{inputs}");
        }
        assert!(Routing::HeSuVi.routes(2, 12).is_err());
        assert!(Routing::for_channels(4, 14).is_err());
    }
}
