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
            (n, m) if n == m && n > 0 => Ok(Routing::Each),
            _ => Err(BuildError::Routing { inputs, irs }),
        }
    }

    /// Number of outputs for so many inputs and responses.
    pub fn outputs(&self, inputs: usize, irs: usize) -> usize {
        match self {
            Routing::Shared | Routing::Each => inputs,
            Routing::FanOut => irs,
            Routing::TrueStereo | Routing::TrueStereoOrder(_) => 2,
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
            Routing::Custom { outputs, routes } => {
                write!(f, "{} routes to {outputs} outputs", routes.len())
            }
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
