//! Where a response begins to sound.

use super::ImpulseResponse;
use crate::signal::Sample;

/// Level of the first sound, relative to the largest tap: -20 dB, as ISO 3382-1:2009, 5.3.3, has it.
const BEGIN: f64 = 0.1;

impl ImpulseResponse {
    /// Frame at which the response begins to sound: in the earliest channel, the first tap within
    /// 20 dB of that channel's largest (ISO 3382-1). The frames before it are the pre-delay. None
    /// where all taps are 0.
    pub fn onset(&self) -> Option<usize> {
        let channels = self.audio().channels().iter();
        channels.filter_map(|taps| onset(taps)).min()
    }
}

/// The same for one channel.
pub(crate) fn onset<T: Sample>(taps: &[T]) -> Option<usize> {
    let peak = taps
        .iter()
        .fold(0.0, |peak, tap| tap.wide().abs().max(peak));
    let begin = |tap: &T| tap.wide().abs() >= BEGIN * peak;
    taps.iter().position(begin).filter(|_| peak > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::{Audio, SampleRate};

    #[test]
    fn sound_begins_within_20_db_of_the_largest_tap() {
        assert_eq!(onset(&[0.0, 0.0999, 0.1, -1.0, 0.5]), Some(2));
        assert_eq!(onset(&[-1.0f32]), Some(0));
        assert_eq!(onset(&[0.0f32; 5]), None);
        assert_eq!(onset::<f32>(&[]), None);
    }

    #[test]
    fn a_set_begins_with_its_earliest_channel() {
        let audio = |channels| Audio::new(SampleRate::new(48_000).unwrap(), channels).unwrap();
        let ir = |channels| ImpulseResponse::new(audio(channels)).unwrap();
        let (late, faint) = (vec![0.0, 0.0, 1.0], vec![0.0, 0.01, 0.0]);
        assert_eq!(ir(vec![late.clone(), faint]).onset(), Some(1));
        assert_eq!(ir(vec![late, vec![0.0; 3]]).onset(), Some(2));
    }
}
