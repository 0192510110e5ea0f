//! What all operations have in common.

use std::f64::consts::TAU;

use proptest::prelude::*;

use super::*;
use crate::ir::Recipe;
use crate::signal::Audio;

pub(super) fn ir(hz: u32, channels: Vec<Vec<f32>>) -> ImpulseResponse {
    let audio = Audio::new(SampleRate::new(hz).unwrap(), channels).unwrap();
    ImpulseResponse::new(audio).unwrap()
}

/// The response after an operation, and what was told.
#[track_caller]
pub(super) fn edit(ir: &ImpulseResponse, text: &str) -> (ImpulseResponse, String) {
    let operation = text.parse::<Operation>().unwrap();
    operation.apply(ir.clone(), &mut ()).unwrap()
}

/// Refused while it is read, with `word` in the message and an example.
#[track_caller]
pub(super) fn refused(text: &str, word: &str) {
    let error = text.parse::<Operation>().unwrap_err().to_string();
    let example = error.contains("for example");
    assert!(error.contains(word) && example, "{text}: {error}");
}

/// Magnitude of the frequency response at `f` Hz.
pub(super) fn magnitude(taps: &[f32], hz: u32, f: f64) -> f64 {
    let step = TAU * f / f64::from(hz);
    let (re, im) = taps
        .iter()
        .enumerate()
        .fold((0.0, 0.0), |(re, im), (n, &tap)| {
            let (sin, cos) = (step * n as f64).sin_cos();
            (re + f64::from(tap) * cos, im + f64::from(tap) * sin)
        });
    re.hypot(im)
}

/// Recipes, and no files.
struct Recipes;

impl Supply for Recipes {
    fn response(&mut self, name: &str, rate: SampleRate) -> Result<ImpulseResponse, String> {
        let recipe = name.parse::<Recipe>().map_err(|error| error.to_string())?;
        recipe.render(rate).map_err(|error| error.to_string())
    }
}

#[test]
fn every_line_of_the_catalogue_works_as_it_stands_and_tells_what_it_did() {
    let rate = SampleRate::new(48_000).unwrap();
    let room = "room".parse::<Recipe>().unwrap().render(rate).unwrap();
    let room = room.predelay(0.003).unwrap();
    for entry in catalogue() {
        let operation = entry.usage.parse::<Operation>().unwrap();
        assert_eq!(operation.to_string(), entry.usage);
        let (changed, told) = operation.apply(room.clone(), &mut Recipes).unwrap();
        println!("{}: {told}", entry.usage);
        let idle = told.contains("nothing is cut");
        assert!(idle || changed != room, "{}", entry.usage);
        assert_eq!(changed.name(), room.name(), "{}", entry.usage);
        assert!(!told.is_empty() && !told.contains(['\n', '{']), "{told}");
        assert!(
            !entry.about.contains('\n') && entry.about.len() <= 72,
            "{}",
            entry.about
        );
    }
}

#[test]
fn what_has_no_such_name_is_refused_with_all_names() {
    for text in ["", "=", "trimm", "Trim", "gain -3dB", "synth:hall"] {
        let error = text.parse::<Operation>().unwrap_err().to_string();
        assert!(error.contains("trim, trim-noise, fade-in"), "{error}");
        for name in catalogue().iter().map(CatalogueEntry::name) {
            assert!(error.contains(name), "{name}: {error}");
        }
    }
}

#[test]
fn a_tap_beyond_f32_is_refused_with_the_operation() {
    let one = ir(1000, vec![vec![1.0]]);
    let operation = "gain=+800dB".parse::<Operation>().unwrap();
    let error = operation.apply(one, &mut ()).unwrap_err().to_string();
    assert!(
        error.contains("`gain=+800dB`") && error.contains("less gain"),
        "{error}"
    );
}

/// Responses that have broken others: silent, of one tap, of many channels, hardly or hugely loud.
fn odd() -> impl Strategy<Value = ImpulseResponse> {
    let channels = prop::sample::select(vec![1usize, 2, 3, 4, 7, 14]);
    let frames = prop_oneof![Just(1usize), Just(2), 3usize..40, 200usize..1500];
    let rate = prop::sample::select(vec![100u32, 8000, 44_100, 192_000]);
    let level = prop::sample::select(vec![0.0f32, 1e-38, 1e-6, 1.0, 1e30]);
    (channels, frames, rate, level, any::<u64>(), any::<bool>()).prop_map(
        |(channels, frames, hz, level, seed, falls)| {
            let channel = |number: usize| {
                let mut noise = crate::ir::synth::noise::Noise::new(seed, number);
                let fall = |n: usize| {
                    if falls {
                        (-20.0 * n as f32 / frames as f32).exp()
                    } else {
                        1.0
                    }
                };
                // One channel of a set is silent.
                let level = if number == 1 { 0.0 } else { level };
                (0..frames)
                    .map(|n| level * fall(n) * noise.normal() as f32)
                    .collect()
            };
            ir(hz, (0..channels).map(channel).collect())
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_operations_in_any_order_give_a_response_or_a_reason(
        odd in odd(),
        chosen in prop::collection::vec(prop::sample::select(catalogue()), 1..4),
    ) {
        let mut ir = odd;
        for entry in chosen {
            let operation = entry.usage.parse::<Operation>().unwrap();
            match operation.apply(ir.clone(), &mut Recipes) {
                Ok((changed, told)) => {
                    // Taps are finite, or `ImpulseResponse::new` had refused them.
                    prop_assert!(!told.contains("NaN"), "{}: {told}", entry.usage);
                    ir = changed;
                }
                Err(error) => {
                    let text = error.to_string();
                    prop_assert!(!text.is_empty() && !text.contains("NaN"), "{text}");
                }
            }
        }
    }
}

#[test]
fn what_is_written_twice_is_refused() {
    for text in [
        "invert=max:3dB,max:9dB",
        "trim=start,keep:5ms",
        "early=5ms,fade:1ms,fade:3ms",
    ] {
        refused(text, "a second time");
    }
}

#[test]
fn a_split_beyond_any_response_is_refused() {
    let one = ir(8000, vec![vec![1.0, 0.5]]);
    for text in [
        "early=1e300s,fade:1e300s",
        "late=1e20s,fade:1e20s",
        "early=1000min",
    ] {
        let operation = text.parse::<Operation>().unwrap();
        let error = operation.apply(one.clone(), &mut ()).unwrap_err();
        assert!(
            matches!(error, EditError::TooLong { .. }),
            "{text}: {error}"
        );
    }
}

#[test]
fn the_worst_case_counts_all_that_meets_in_one_output() {
    // HeSuVi's seven: eight inputs, of which two, centre and LFE, take the same response.
    for (channels, meet) in [(1, 1.0), (2, 1.0), (3, 1.0), (4, 2.0), (7, 8.0), (14, 8.0)] {
        let (set, _) = edit(&ir(48_000, vec![vec![0.5, 0.5]; channels]), "normalize=l1");
        let each: f32 = set.channel(0).iter().sum();
        assert!(
            (f64::from(each) * meet - 1.0).abs() < 1e-6,
            "{channels}: {each}"
        );
    }
}
