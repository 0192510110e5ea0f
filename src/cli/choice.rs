//! Which devices and channels are meant: what all commands with a microphone and a loudspeaker ask.

use crate::io::device::Choice;
use crate::signal::SampleRate;

/// A microphone, a loudspeaker, and how they shall be opened.
#[derive(Debug, clap::Args)]
pub(super) struct Devices {
    /// Sound server or driver: `jack`, `alsa`, `pulseaudio` [default: the system's]
    #[arg(long, value_name = "NAME")]
    host: Option<String>,

    /// Microphone: a part of its name that no other has, or its number
    #[arg(long, value_name = "DEVICE")]
    input: Option<String>,

    /// Loudspeaker, likewise
    #[arg(long, value_name = "DEVICE")]
    output: Option<String>,

    /// Sample rate of the devices: `48k` [default: theirs]
    #[arg(short, long, value_parser = super::rate)]
    rate: Option<SampleRate>,

    /// Frames that a device hands over at a time [default: its own]
    #[arg(short, long, value_name = "FRAMES", value_parser = period)]
    period: Option<usize>,

    /// Channels of the microphone that are heard, from 1: `1,2` or `1-4`
    #[arg(long, value_name = "LIST", value_parser = channels)]
    in_ch: Option<Channels>,

    /// Channels of the loudspeaker that are played, likewise
    #[arg(long, value_name = "LIST", value_parser = channels)]
    out_ch: Option<Channels>,
}

impl Devices {
    /// What the ports are asked for.
    pub fn choice(&self) -> Choice {
        Choice {
            host: self.host.clone(),
            input: self.input.clone(),
            output: self.output.clone(),
            rate: self.rate,
            period: self.period,
            inputs: Channels::least(&self.in_ch),
            outputs: Channels::least(&self.out_ch),
        }
    }

    /// Channels of the microphone, from 0, where they were named.
    pub fn inputs(&self) -> Option<Vec<usize>> {
        self.in_ch.as_ref().map(|list| list.0.clone())
    }

    /// The same of the loudspeaker.
    pub fn outputs(&self) -> Option<Vec<usize>> {
        self.out_ch.as_ref().map(|list| list.0.clone())
    }
}

/// Channels from 0, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Channels(Vec<usize>);

impl Channels {
    /// Channels that a device must have.
    fn least(list: &Option<Self>) -> usize {
        let list = list.as_ref().map(|list| list.0.as_slice());
        list.and_then(|list| list.iter().max())
            .map_or(1, |&last| last + 1)
    }
}

/// The highest channel that can be named; no device is known to have so many.
const MOST_CHANNELS: usize = 1024;

/// `1,2`, `3-6`, `1,3-4`: from 1, each once.
fn channels(text: &str) -> Result<Channels, String> {
    let mut list = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.trim().parse::<usize>().ok();
        let (Some(first), Some(last)) = (number(first), number(last)) else {
            return Err(format!(
                "`{text}` is no list of channels; write for example 1,2 or 1-4"
            ));
        };
        if first == 0 {
            return Err(format!("`{text}`: channels are counted from 1"));
        }
        if last < first {
            return Err(format!(
                "`{text}`: {first}-{last} runs backwards; write {last}-{first}, or each channel"
            ));
        }
        if last > MOST_CHANNELS {
            return Err(format!(
                "`{text}`: there is no channel {last}; at most {MOST_CHANNELS} are looked for"
            ));
        }
        list.extend(first - 1..last);
    }
    let mut sorted = list.clone();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!(
            "`{text}`: channel {} is named twice; name each once",
            pair[0] + 1
        )),
        None => Ok(Channels(list)),
    }
}

/// Longer ones are no live sound any more.
const MOST_PERIOD: usize = 8192;

fn period(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(frames @ 1..=MOST_PERIOD) => Ok(frames),
        _ => Err(format!(
            "`{text}` is no number of frames from 1 to {MOST_PERIOD}; write for example 256"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_counted_from_one_and_named_once() {
        assert_eq!(channels("1,2"), Ok(Channels(vec![0, 1])));
        assert_eq!(channels("3, 1"), Ok(Channels(vec![2, 0])));
        assert_eq!(channels("1-4"), Ok(Channels(vec![0, 1, 2, 3])));
        assert_eq!(channels("5,1-2"), Ok(Channels(vec![4, 0, 1])));
        for (wrong, hint) in [
            ("0", "from 1"),
            ("0-2", "from 1"),
            ("1,1", "twice"),
            ("1-3,2", "twice"),
            ("4-2", "2-4"),
            ("", "1,2"),
            ("1,", "1,2"),
            ("-1", "1,2"),
            ("left", "1,2"),
            ("1-99999999999", "1024"),
        ] {
            let error = channels(wrong).unwrap_err();
            assert!(error.contains(&format!("`{wrong}`")), "{error}");
            assert!(error.contains(hint), "{error}");
        }
    }

    #[test]
    fn the_least_channels_follow_from_the_highest_one_named() {
        assert_eq!(Channels::least(&None), 1);
        assert_eq!(Channels::least(&Some(Channels(vec![3, 1]))), 4);
    }
}
