//! Conversions against what one sample after the other would give, and the noise.

use super::noise::Noise;
use super::*;

fn encode<T: Sample>(format: SampleFormat, block: &[Vec<T>]) -> (Vec<u8>, Levels) {
    let mut encoder = Encoder::new(format, block.len());
    let mut bytes = Vec::new();
    encoder.encode(block, &mut bytes);
    (bytes, encoder.levels)
}

#[test]
fn what_was_read_is_written_as_it_was() {
    // Every byte value in every place, as 1, 2 and 3 channels.
    let raw: Vec<u8> = (0..12_288u32).map(|i| (i * 167 + i / 256) as u8).collect();
    for format in [
        SampleFormat::U8,
        SampleFormat::I16,
        SampleFormat::I24,
        SampleFormat::I32,
    ] {
        for channels in [1, 2, 3] {
            let frames = raw.len() / (format.bytes() * channels);
            let raw = &raw[..frames * format.bytes() * channels];
            let mut block = vec![vec![0.0f64; frames]; channels];
            decode(Layout::Plain(format), raw, &mut block, 0..frames);
            let (bytes, levels) = encode(format, &block);
            assert_eq!(bytes, raw, "{format}");
            assert_eq!((levels.dithered, levels.clipped), (0, 0));
            if format != SampleFormat::I32 {
                let narrow: Vec<Vec<f32>> = block
                    .iter()
                    .map(|c| c.iter().map(|&v| v as f32).collect())
                    .collect();
                assert_eq!(encode(format, &narrow).0, raw, "{format} through f32");
            }
        }
    }
}

#[test]
fn the_dither_does_not_depend_on_how_the_signal_is_cut() {
    let channel = |k: usize| {
        (0..1000)
            .map(|i| ((i * 7 + k) as f32 * 0.37).sin() * 0.4)
            .collect()
    };
    let block: Vec<Vec<f32>> = (0..2).map(channel).collect();
    let (whole, _) = encode(SampleFormat::I16, &block);
    let mut encoder = Encoder::new(SampleFormat::I16, 2);
    let (mut pieces, mut bytes) = (Vec::new(), Vec::new());
    for piece in [0..1, 1..1, 1..500, 500..1000] {
        let cut: Vec<Vec<f32>> = block.iter().map(|c| c[piece.clone()].to_vec()).collect();
        encoder.encode(&cut, &mut bytes);
        pieces.extend_from_slice(&bytes);
    }
    assert_eq!(whole, pieces);
}

#[test]
fn blocks_may_be_encoded_in_any_order_and_counted_together() {
    // Also across 2^32 frames, where the noise has another key.
    for start in [0, 12_345, (1 << 32) - 700, 5 << 32] {
        let channel = |k: usize| (0..2500).map(move |i| ((i * 7 + k) as f32 * 0.37).sin() * 1.01);
        let block: Vec<Vec<f32>> = (0..3).map(|k| channel(k).collect()).collect();
        let mut whole = Vec::new();
        let mut encoder = Encoder::new(SampleFormat::I24, 3);
        encoder.encode_at(start, &block, &mut whole);
        let (mut pieces, mut bytes) = (vec![0; whole.len()], Vec::new());
        let mut levels = Levels::default();
        for piece in [600..1800, 0..600, 1801..2500, 1800..1801] {
            let cut: Vec<Vec<f32>> = block.iter().map(|c| c[piece.clone()].to_vec()).collect();
            let mut other = Encoder::new(SampleFormat::I24, 3);
            other.encode_at(start + piece.start as u64, &cut, &mut bytes);
            pieces[piece.start * 9..piece.end * 9].copy_from_slice(&bytes);
            levels.merge(&other.levels);
        }
        assert!(whole == pieces, "from frame {start}");
        assert_eq!(levels, encoder.levels);
        assert!(levels.clipped > 0 && levels.high > 1.0 && levels.low < -1.0);
    }
}

/// Mean and variance of the error, in steps, where every sample lies so far between two integers.
fn error<T: Sample>(format: SampleFormat, part: f64) -> (f64, f64) {
    const N: usize = 200_000;
    let steps = format.steps().unwrap();
    let (bytes, levels) = encode(format, &[vec![T::of((100.0 + part) / steps); N]]);
    assert_eq!(levels.dithered, N as u64);
    let mut block = [vec![0.0f64; N]];
    decode(Layout::Plain(format), &bytes, &mut block, 0..N);
    let errors = block[0].iter().map(|v| v * steps - 100.0 - part);
    let mean = errors.clone().sum::<f64>() / N as f64;
    (mean, errors.map(|e| e * e).sum::<f64>() / N as f64)
}

#[test]
fn mean_and_variance_of_the_error_do_not_depend_on_the_signal() {
    // Mean 0 and variance 1/4 of a step squared (1/6 of the noise and 1/12 of the rounding),
    // wherever between the steps the value lies.
    for part in [0.0625, 0.25, 0.5, 0.75, 0.90625] {
        for (what, (mean, power)) in [
            ("u8 of f32", error::<f32>(SampleFormat::U8, part - 50.0)),
            ("i16 of f32", error::<f32>(SampleFormat::I16, part)),
            ("i16 of f64", error::<f64>(SampleFormat::I16, part)),
            ("i24 of f32", error::<f32>(SampleFormat::I24, part)),
            ("i24 of f64", error::<f64>(SampleFormat::I24, part)),
            ("i32 of f32", error::<f32>(SampleFormat::I32, part)),
            ("i32 of f64", error::<f64>(SampleFormat::I32, part)),
        ] {
            // Four standard deviations of the mean of 200,000 draws.
            assert!(mean.abs() < 0.0045, "{what}, {part}: mean {mean}");
            assert!((power - 0.25).abs() < 0.005, "{what}, {part}: {power}");
        }
    }
}

/// Noise of a channel in steps, from a frame on.
fn noise(channel: usize, start: u64, frames: usize) -> Vec<f64> {
    let value = |i: u64| {
        let frame = start + i;
        f64::from(Noise::of(channel, frame).triangle(frame as u32)) / 65_536.0
    };
    (0..frames as u64).map(value).collect()
}

/// Correlation of two stretches of noise, in standard deviations from none.
fn alike(a: &[f64], b: &[f64]) -> f64 {
    let sum: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
    // Each has a variance of 1/6.
    sum * 6.0 / (a.len() as f64).sqrt()
}

#[test]
fn the_noise_is_triangular() {
    const N: usize = 1 << 20;
    for (channel, start) in [(0, 0), (1, 0), (7, 3 << 32)] {
        let noise = noise(channel, start, N);
        let mean = noise.iter().sum::<f64>() / N as f64;
        let power = noise.iter().map(|v| v * v).sum::<f64>() / N as f64;
        // Five standard deviations; the fourth moment of the triangle is 1/15.
        assert!(mean.abs() < 5.0 * (1.0 / 6.0 / N as f64).sqrt(), "{mean}");
        let spread = ((1.0 / 15.0 - 1.0 / 36.0) / N as f64).sqrt();
        assert!((power - 1.0 / 6.0).abs() < 5.0 * spread, "{power}");
        // Pearson's chi-square over 64 equal parts of the range: 63 and five times sqrt(126).
        let mut counts = [0.0; 64];
        for v in noise {
            counts[((v + 1.0) * 32.0) as usize] += 1.0;
        }
        let chi: f64 = (0..64)
            .map(|k| {
                let below = |x: f64| 0.5 + x - 0.5 * x * x.abs();
                let x = k as f64 / 32.0 - 1.0;
                let expected = N as f64 * (below(x + 1.0 / 32.0) - below(x));
                (counts[k] - expected).powi(2) / expected
            })
            .sum();
        assert!((chi - 63.0).abs() < 57.0, "channel {channel}: {chi}");
    }
}

#[test]
fn the_noise_is_white_differs_between_channels_and_has_no_period_in_a_day() {
    const N: usize = 1 << 16;
    let first = noise(0, 0, N);
    // Near lags, and those at which a counter looks like itself; a day at 192 kHz is 1.7e10 frames.
    let near = 1..200;
    let far = (8..34).map(|k| 1u64 << k);
    for lag in near.chain(far).chain([3 << 32, 48_000 * 86_400]) {
        let off = alike(&first, &noise(0, lag, N));
        assert!(off.abs() < 5.0, "lag {lag}: {off}");
    }
    for channel in [1, 2, 3, 7, 8, 63, 1000] {
        for lag in 0..32 {
            let off = alike(&first, &noise(channel, lag, N));
            assert!(off.abs() < 5.0, "channel {channel}, lag {lag}: {off}");
        }
    }
}

/// One sample after the other, as the formulas have it.
fn one_by_one<T: Sample>(format: SampleFormat, start: u64, block: &[Vec<T>]) -> (Vec<u8>, Levels) {
    let (mut bytes, mut levels) = (Vec::new(), Levels::default());
    levels.watch(block);
    for i in 0..block[0].len() {
        for (k, channel) in block.iter().enumerate() {
            let (value, frame) = (channel[i].wide(), start + i as u64);
            let Some(steps) = format.steps() else {
                let finite = match format {
                    SampleFormat::F32 => (value as f32).is_finite(),
                    _ => value.is_finite(),
                };
                levels.nonfinite += u64::from(!finite);
                let value = if finite { value } else { 0.0 };
                match format {
                    SampleFormat::F32 => bytes.extend((value as f32).to_le_bytes()),
                    _ => bytes.extend(value.to_le_bytes()),
                }
                continue;
            };
            let exact = value * steps;
            let nearest = exact.round_ties_even();
            let (lowest, highest) = (-steps, steps - 1.0);
            let whole = if value.is_nan() {
                levels.nonfinite += 1;
                0
            } else if nearest < lowest || nearest > highest {
                levels.clipped += 1;
                levels.nonfinite += u64::from(value.is_infinite());
                exact.clamp(lowest, highest) as i32
            } else if nearest == exact {
                nearest as i32
            } else {
                levels.dithered += 1;
                let noise = Noise::of(k, frame).triangle(frame as u32);
                let dithered = (exact + f64::from(noise) / 65_536.0).round_ties_even();
                dithered.clamp(lowest, highest) as i32
            };
            match format {
                SampleFormat::U8 => bytes.push((whole + 128) as u8),
                _ => bytes.extend(&whole.to_le_bytes()[..format.bytes()]),
            }
        }
    }
    (bytes, levels)
}

/// Ordinary samples and all that is odd about some, in eighths of a step.
fn samples<T: Sample>(format: SampleFormat, channels: usize, frames: usize) -> Vec<Vec<T>> {
    let steps = format.steps().unwrap_or(32_768.0);
    let odd = [
        f64::NAN,
        f64::INFINITY,
        -f64::INFINITY,
        1.0,
        -1.0,
        1.0 - 0.5 / steps,
        1.0 - 1.0 / steps,
        1.0 - 1.125 / steps,
        -1.0 - 0.5 / steps,
        -1.0 - 1.0 / steps,
        1e30,
        -1e30,
        -0.0,
        1.0 / steps,
        f64::MAX,
    ];
    let mut state = 7u64;
    let mut sample = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005);
        state = state.wrapping_add(1_442_695_040_888_963_407);
        let random = (state >> 33) as f64 / f64::from(1 << 31);
        match (state >> 20) as usize % 40 {
            k if k < odd.len() => odd[k],
            k if k < 20 => (random - 0.5) * 200.0 / steps,
            _ => ((random - 0.5) * 2.0 * steps * 8.0).round() / 8.0 / steps,
        }
    };
    (0..channels)
        .map(|_| (0..frames).map(|_| T::of(sample())).collect())
        .collect()
}

fn every_cpu_encodes_the_same<T: Sample>() {
    for format in SampleFormat::ALL {
        for (channels, frames) in [(1, 2500), (2, 1301), (3, 700), (8, 257), (1500, 3), (2, 0)] {
            let block = samples::<T>(format, channels, frames);
            let start = (1 << 32) - 150;
            let (expected, counted) = one_by_one(format, start, &block);
            for cpu in Cpu::available() {
                let (mut bytes, mut levels) = (vec![1; expected.len()], Levels::default());
                encode::run(cpu, format, start, &block, &mut bytes, &mut levels);
                let wrong = bytes.iter().zip(&expected).position(|(a, b)| a != b);
                assert_eq!(wrong, None, "{cpu}: {format}, {channels} channels");
                assert_eq!(levels, counted, "{cpu}: {format}, {channels} channels");
            }
        }
    }
}

#[test]
fn every_cpu_encodes_as_one_sample_after_the_other_would_be() {
    every_cpu_encodes_the_same::<f32>();
    every_cpu_encodes_the_same::<f64>();
}

fn every_cpu_decodes_the_same<T: Sample>() {
    let raw: Vec<u8> = (0..40_000u32).map(|i| (i * 167 + i / 256) as u8).collect();
    let plain = SampleFormat::ALL.map(Layout::Plain);
    for layout in [
        &plain[..],
        &[Layout::Low24In32, Layout::ALaw, Layout::MuLaw],
    ]
    .concat()
    {
        let value = |raw: &[u8]| -> f64 {
            let top = |bytes: [u8; 4]| f64::from(i32::from_le_bytes(bytes)) / f64::from(1u32 << 31);
            match (layout, raw) {
                (Layout::Plain(SampleFormat::U8), &[a]) => (f64::from(a) - 128.0) / 128.0,
                (Layout::ALaw, &[a]) => f64::from(law::A_LAW[usize::from(a)]) / 32_768.0,
                (Layout::MuLaw, &[a]) => f64::from(law::MU_LAW[usize::from(a)]) / 32_768.0,
                (_, &[a, b]) => top([0, 0, a, b]),
                (_, &[a, b, c]) => top([0, a, b, c]),
                (Layout::Low24In32, &[a, b, c, _]) => top([0, a, b, c]),
                (Layout::Plain(SampleFormat::F32), &[a, b, c, d]) => {
                    f32::from_le_bytes([a, b, c, d]).into()
                }
                (_, &[a, b, c, d]) => top([a, b, c, d]),
                (_, &[a, b, c, d, e, f, g, h]) => f64::from_le_bytes([a, b, c, d, e, f, g, h]),
                other => panic!("{other:?}"),
            }
        };
        for (channels, frames) in [(1, 2500), (2, 1301), (3, 700), (8, 257), (1500, 3), (2, 0)] {
            let raw = &raw[..channels * frames * layout.bytes()];
            for cpu in Cpu::available() {
                let mut block = vec![vec![T::zero(); frames + 2]; channels];
                decode::run(cpu, layout, raw, &mut block, 1..frames + 1);
                for (i, raw) in raw.chunks(layout.bytes()).enumerate() {
                    let (got, expected) = (block[i % channels][1 + i / channels], value(raw));
                    let same = got.wide().to_bits() == T::of(expected).wide().to_bits();
                    assert!(
                        same || got.is_nan() && expected.is_nan(),
                        "{cpu}: {layout:?} {i}"
                    );
                }
                let beside = |c: &Vec<T>| c[0] == T::zero() && c[frames + 1] == T::zero();
                assert!(block.iter().all(beside), "{cpu}: {layout:?}");
            }
        }
    }
}

#[test]
fn every_cpu_decodes_as_one_sample_after_the_other_would_be() {
    every_cpu_decodes_the_same::<f32>();
    every_cpu_decodes_the_same::<f64>();
}

#[test]
fn full_scale_is_one_step_less_above_than_below() {
    let (bytes, levels) = encode(
        SampleFormat::I16,
        &[vec![1.0, -1.0, 0.0, 32_767.0 / 32_768.0]],
    );
    assert_eq!(bytes, [0xff, 0x7f, 0x00, 0x80, 0, 0, 0xff, 0x7f]);
    assert_eq!((levels.clipped, levels.dithered), (1, 0));
    assert_eq!((levels.high, levels.low), (1.0, -1.0));
}

#[test]
fn dither_alone_never_counts_as_clipping() {
    let (bytes, levels) = encode(SampleFormat::I16, &[vec![32_766.9 / 32_768.0; 1000]]);
    assert_eq!(levels.clipped, 0);
    let (samples, _) = bytes.as_chunks::<2>();
    assert!(samples.iter().all(|&s| i16::from_le_bytes(s) >= 32_765));
}

#[test]
fn what_is_no_number_is_counted_and_written_as_zero_or_clipped() {
    let (_, levels) = encode(SampleFormat::I24, &[vec![f64::NAN, f64::INFINITY, 1e300]]);
    assert_eq!((levels.nonfinite, levels.clipped), (2, 2));
    let (bytes, levels) = encode(SampleFormat::F32, &[vec![f64::NAN, f64::INFINITY, 1e300]]);
    assert_eq!((levels.nonfinite, bytes), (3, vec![0; 12]));
}

#[test]
fn twenty_four_bits_in_four_bytes_are_found_on_either_side() {
    let low = |v: i32| v.to_le_bytes();
    let high = |v: i32| (v << 8).to_le_bytes();
    assert_eq!(lies_low(&[0; 64]), None);
    assert_eq!(lies_low(&[low(0), low(-5)].concat()), Some(true));
    assert_eq!(lies_low(&[low(0), low(8_000_001)].concat()), Some(true));
    assert_eq!(lies_low(&[high(0), high(-4_000_000)].concat()), Some(false));
    assert_eq!(lies_low(&[high(0), high(8_000_001)].concat()), Some(false));
}
