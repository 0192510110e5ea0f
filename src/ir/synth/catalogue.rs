//! What there is to ask for: every recipe with its parameters.

/// One line of [`catalogue`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CatalogueEntry {
    /// An example that works as it stands, without `synth:` in front.
    pub usage: &'static str,
    /// Channels, length, level and the like, on one line.
    pub about: &'static str,
    /// What may follow the usage, in any order, each behind a comma.
    pub parameters: &'static [Parameter],
}

/// What may follow a recipe, behind a comma.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// An example that works behind the recipe's usage.
    pub usage: &'static str,
    /// What it does and what it is without it, on one line.
    pub about: &'static str,
}

impl CatalogueEntry {
    const fn new(usage: &'static str, about: &'static str) -> Self {
        Self::with(usage, about, &[])
    }

    const fn with(
        usage: &'static str,
        about: &'static str,
        parameters: &'static [Parameter],
    ) -> Self {
        Self {
            usage,
            about,
            parameters,
        }
    }

    /// What stands before the first `=` or comma.
    pub(super) fn name(&self) -> &'static str {
        self.usage.split(['=', ',']).next().unwrap_or(self.usage)
    }

    /// Names of the parameters.
    pub(super) fn keys(&self) -> Vec<&'static str> {
        let key = |parameter: &Parameter| parameter.usage.rsplit(',').next();
        let keys = self.parameters.iter().filter_map(key);
        keys.filter_map(|usage| usage.split('=').next()).collect()
    }
}

const fn takes(usage: &'static str, about: &'static str) -> Parameter {
    Parameter { usage, about }
}

const SPACE: &[Parameter] = &[
    takes(
        "rt60=3s",
        "time to fall by 60 dB, or seven for 125 Hz to 8 kHz: 3.4/3.2/3/3/2.7/2/1.3",
    ),
    takes("channels=1", "mono in place of stereo"),
    takes("seed=7", "another noise of the same kind"),
];

const SHOEBOX: &[Parameter] = &[
    takes(
        "rt60=0.5s",
        "absorption from the time to fall by 60 dB (Eyring), or from seven, 125 Hz to 8 kHz",
    ),
    takes(
        "absorption=30%",
        "of all walls, 20 % without; or seven, 125 Hz to 8 kHz: 0.1/0.12/0.2/0.3/0.35/0.4/0.45",
    ),
    takes(
        "floor=0.5",
        "absorption of one wall, one value or seven, the others as above",
    ),
    takes("ceiling=0.5", "likewise"),
    takes("left=0.5", "likewise, the wall where length is 0"),
    takes("right=0.5", "likewise, the wall across"),
    takes("front=0.5", "likewise, the wall where width is 0"),
    takes("back=0.5", "likewise, the wall across"),
    takes("source=2x1x1.5", "place along length, width, height"),
    takes(
        "mic=4x3x1.2",
        "place of the microphone, or the middle of two",
    ),
    takes("channels=1", "one microphone in place of two"),
    takes(
        "spacing=50cm",
        "between two microphones side by side that face the source; 20 cm without",
    ),
    takes(
        "humidity=50%",
        "air absorbs too, at 20 degrees (ISO 9613-1)",
    ),
    takes(
        "order=3",
        "images of up to so many reflections and no noise behind; `all` for every image",
    ),
    takes("seed=7", "another noise of the same kind"),
    takes(
        "level=0dB",
        "level of the direct sound at 1 m, falling as 1/r; without: 0 dB at 1 kHz in all",
    ),
    takes(
        "flight=keep",
        "the direct sound comes when it has crossed the room, not at once",
    ),
    takes("highpass=off", "or a frequency; 20 Hz without"),
];

const BAND: &[Parameter] = &[
    takes(
        "taps=101",
        "so many, with a window, -6 dB at the edges, as scipy.signal.firwin has it",
    ),
    takes(
        "taps=101,window=kaiser:8.6",
        "hamming without; hann, blackman, blackmanharris, rect, kaiser:BETA",
    ),
];

const SHAPE: &[Parameter] = &[
    takes(
        "taps=1023",
        "an odd number; without: four periods of the lowest frequency",
    ),
    takes(
        "window=kaiser:8.6",
        "hamming without; hann, blackman, blackmanharris, rect, kaiser:BETA",
    ),
];

const TILT: &[Parameter] = &[
    takes("pivot=500", "frequency at 0 dB; 1 kHz without"),
    SHAPE[0],
    SHAPE[1],
];

/// What the spaces are; their tests hold it to the truth.
pub(super) const ROOM: &str =
    "stereo, RT60 0.4 s, 0.6 s long, 5 x 4 x 2.6 m heard from 2 m, 0 dB at 1 kHz";
pub(super) const HALL: &str =
    "stereo, RT60 2.0 s, 3 s long, 23 x 40 x 15 m heard from 12 m, 0 dB at 1 kHz";
pub(super) const CATHEDRAL: &str =
    "stereo, RT60 6.0 s, 9 s long, 30 x 90 x 22 m heard from 15 m, 0 dB at 1 kHz";
pub(super) const PLATE: &str =
    "stereo, RT60 1.8 s, 2.7 s long, dense from the start, bright, 0 dB at 1 kHz";

/// Every recipe there is, with an example.
pub fn catalogue() -> &'static [CatalogueEntry] {
    const {
        &[
            CatalogueEntry::new("identity", "mono, one tap of 1: what goes in comes out"),
            CatalogueEntry::new("delay=250ms", "mono, one tap of 1 after a time"),
            CatalogueEntry::new(
                "echo=300ms,0.5",
                "mono, repeats, each 0.5 (or -6dB) of the one before, down to -100 dB",
            ),
            CatalogueEntry::with("room", ROOM, SPACE),
            CatalogueEntry::with("plate", PLATE, SPACE),
            CatalogueEntry::with("hall", HALL, SPACE),
            CatalogueEntry::with("cathedral", CATHEDRAL, SPACE),
            CatalogueEntry::with(
                "room=6x4x3",
                "stereo, length x width x height in metres, by image sources, 0 dB at 1 kHz",
                SHOEBOX,
            ),
            CatalogueEntry::with(
                "lowpass=3k",
                "mono, linear phase, 0 dB below, -6 dB at 3 kHz, -100 dB from 12.5 % above",
                BAND,
            ),
            CatalogueEntry::with(
                "highpass=80",
                "mono, linear phase, 0 dB above, -6 dB at 80 Hz, -100 dB from 12.5 % below",
                BAND,
            ),
            CatalogueEntry::with(
                "bandpass=300-3400",
                "mono, linear phase, 0 dB between, -6 dB at both, -100 dB outside",
                BAND,
            ),
            CatalogueEntry::with(
                "bandstop=300-3400",
                "mono, linear phase, -100 dB between, -6 dB at both, 0 dB outside",
                BAND,
            ),
            CatalogueEntry::with(
                "notch=50",
                "mono, linear phase, -100 dB at 50 Hz, -6 dB 10 % beside, 0 dB from 20 %",
                BAND,
            ),
            CatalogueEntry::with(
                "min:lowpass=3k",
                "min: before any filter: minimum phase, the same magnitude, hardly any delay",
                BAND,
            ),
            CatalogueEntry::with(
                "curve=100:0dB/1k:-6dB/8k:3dB",
                "mono, linear phase, through these gains, in dB straight over log frequency",
                SHAPE,
            ),
            CatalogueEntry::with(
                "hilbert",
                "mono, 90 degrees later at every frequency, 0 dB from 20 Hz up",
                SHAPE,
            ),
            CatalogueEntry::with(
                "tilt=-3dB",
                "mono, linear phase, so much per octave from 20 Hz up, 0 dB at 1 kHz",
                TILT,
            ),
        ]
    }
}

/// The entry for a recipe by its name, without `min:`; some come with a value and without one.
pub(super) fn entry(name: &str, valued: bool) -> Option<&'static CatalogueEntry> {
    let named = || catalogue().iter().filter(|entry| entry.name() == name);
    let alike = named().find(|entry| entry.usage.contains('=') == valued);
    alike.or_else(|| named().next())
}
