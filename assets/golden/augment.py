#!/usr/bin/env python3
"""Golden results for the tests of src/run/augment, made by really running numpy and scipy.

    python3 assets/golden/augment.py            write augment.csv, augment.bin
    python3 assets/golden/augment.py --check    make them again in memory and compare with the files

The versions that made the committed files stand in requirements.txt.

augment.csv: dry;ir;align;length;level;gain;early;noise;place;snr;shift;fraction;level_db;noise_db;
             channels;frames;energy;early_energy;at
What goes in (signals, below; gain and SNR in dB, early in s, `-` where there is none), what is told
of it (frames, dB) and what comes out: channels, frames, the sum of all squares of either file, and
from byte `at` of augment.bin on every 211th frame from 0 on, channel after channel, of the
reverberant file and then of the early one, in little-endian 64-bit floats.
"""

import argparse
import pathlib
import sys

import numpy as np
import scipy
import scipy.signal
import soundfile

HERE = pathlib.Path(__file__).parent
RATE = 48_000
STEP = 211
PULSE = [0.125, 0.5, 1.0, 0.75, 0.25]

SETUPS = [("voice", "hall"), ("voice", "made"), ("duo", "studio")]
NOISES = [None, ("clap", 0.0, 10.0), ("talk", 0.5, 20.0), ("clap", 0.7, -3.0), ("talk", 0.999, 0.0)]


def asset(name):
    """Channels of a file."""
    return soundfile.read(HERE.parent / f"{name}.wav", always_2d=True)[0].T


def lcg(count):
    """Knuth's MMIX generator, 16 bits a value, as in make.py."""
    state, values = 1, []
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        values.append((state >> 48) - (state >> 63 << 16))
    return np.array(values) / 2.0**15


def signal(name):
    voice = asset("voice")
    if name == "voice":
        return voice[:, 12_000:60_000]
    if name == "duo":
        return np.stack([voice[0, 12_000:36_000], voice[0, 60_000:84_000]])
    if name == "talk":
        return voice
    if name == "clap":
        return asset("clap")
    # Both begin with their direct sound: the left one 2 ms later here, the right one 2.5 ms.
    if name == "hall":
        left, right = asset("hall")[:, :9_600]
        return np.stack([np.pad(left, (96, 24)), np.pad(right, (120, 0))])
    if name == "studio":
        return np.pad(asset("studio-4ch")[:, :4_800], ((0, 0), (30, 0)))
    # A direct sound between two frames, and noise that halves every 512 frames.
    taps = 0.125 * lcg(6_000) * 0.5 ** (np.arange(6_000) // 512)
    taps[:400] = 0
    taps[135:140] = PULSE
    return taps[np.newaxis]


def direct(ir):
    """Frame and fraction of the direct sound: within 1 ms of the first tap within 20 dB."""
    found = []
    for taps in ir:
        size = np.abs(taps)
        if size.max() < 0.01 * np.abs(ir).max():
            continue
        onset = int(np.argmax(size >= 0.1 * size.max()))
        frame = onset + int(np.argmax(size[onset : onset + 1 + RATE // 1000]))
        while frame + 1 < len(taps) and size[frame + 1] > size[frame]:
            frame += 1
        # The curve through all taps (Whittaker, Shannon), without a window.
        away = np.arange(-500, 501) / 1000
        curve = np.array([np.dot(np.sinc(frame + t - np.arange(len(taps))), taps) for t in away])
        found.append((frame, away[np.argmax(np.sign(taps[frame]) * curve)]))
    return min(found, key=sum)


def convolved(x, ir):
    """The full convolution of every output channel."""
    full = scipy.signal.fftconvolve
    if len(x) == 1:
        return np.stack([full(x[0], taps) for taps in ir])
    if len(ir) == 2 * len(x):
        left_left, left_right, right_left, right_right = ir
        return np.stack([
            full(x[0], left_left) + full(x[1], right_left),
            full(x[0], left_right) + full(x[1], right_right),
        ])  # fmt: skip
    return np.stack([full(channel, taps) for channel, taps in zip(x, ir)])


def power(signal):
    return np.mean(signal**2)


def augmented(case):
    dry, ir, align, length, level, gain_db, early, noise = case
    x, h = signal(dry), signal(ir)
    frame, fraction = direct(h)
    shift = frame if align == "onset" else 0
    frames = x.shape[1]
    full = convolved(x, h)[:, shift:]
    total = frames if length == "same" else full.shape[1]
    gain, level_gain = 10 ** (gain_db / 20), 1.0
    if level == "keep":
        level_gain = np.sqrt(power(x) / power(full[:, :frames]))
    wet = full[:, :total] * gain * level_gain
    parts, noise_db = None, "-"
    if early:
        part = h[:, : frame + round(early * RATE)]
        parts = np.zeros_like(wet)
        heard = convolved(x, part)[:, shift : shift + total]
        parts[:, : heard.shape[1]] = heard * gain * level_gain
    if noise:
        name, place, snr = noise
        clip = signal(name)
        if len(clip) != len(wet):
            clip = clip.mean(axis=0, keepdims=True)
        start = int(place * clip.shape[1])
        laid = np.take(clip, start + np.arange(total), axis=1, mode="wrap")
        laid = np.broadcast_to(laid, wet.shape)
        scale = np.sqrt(power(wet) / power(laid) / 10 ** (snr / 10))
        noise_db = 20 * np.log10(scale)
        wet = wet + scale * laid
    told = [shift, fraction if shift else 0.0, 20 * np.log10(level_gain), noise_db]
    return told, wet, parts


def make():
    rows, arrays, at = [], [], 0
    for setup, (dry, ir) in enumerate(SETUPS):
        for index in range(8):
            align, length = ["none", "onset"][index & 1], ["full", "same"][index >> 1 & 1]
            level = ["none", "keep"][index >> 2]
            noise = NOISES[(index * 3 + setup) % len(NOISES)]
            early = [None, 0.05, 0.002][(index + setup) % 3]
            gain_db = [0.0, -6.0][(index + index // 2 + setup) % 2]
            told, wet, parts = augmented((dry, ir, align, length, level, gain_db, early, noise))
            name, place, snr = noise or ("-", "-", "-")
            known = [] if parts is None else [parts]
            energy = [float(np.sum(signal**2)) for signal in [wet, *known]] + ["-"]
            fields = [dry, ir, align, length, level, gain_db, early or "-", name, place, snr]
            fields += [*told, wet.shape[0], wet.shape[1], *energy[:2], at]
            rows.append(fields)
            for signal in [wet, *known]:
                arrays.append(np.ascontiguousarray(signal[:, ::STEP], "<f8").ravel())
                at += arrays[-1].nbytes
    return rows, np.concatenate(arrays)


HEAD = (
    "dry;ir;align;length;level;gain;early;noise;place;snr;shift;fraction;level_db;noise_db;"
    "channels;frames;energy;early_energy;at"
)


def text(field):
    return f"{field:.12g}" if isinstance(field, float) else str(field)


def check(rows, values):
    """Complaints about the committed files, none if they agree."""
    head, *stored = (HERE / "augment.csv").read_text().splitlines()
    if head != HEAD or len(stored) != len(rows):
        return ["augment.csv has other columns or rows than augment.py makes"]
    faults = []
    for line, row in zip(stored, rows):
        for old, new in zip(line.split(";"), row, strict=True):
            number = isinstance(new, float)
            if abs(float(old) - new) > 1e-8 * max(1, abs(new)) if number else old != str(new):
                faults.append(f"augment.csv: {line}: {old} where augment.py makes {new}")
    old = np.frombuffer((HERE / "augment.bin").read_bytes(), "<f8")
    if old.shape != values.shape or not np.abs(old - values).max() <= 1e-10:
        faults.append("augment.bin differs from what augment.py makes")
    return faults


def main():
    args = argparse.ArgumentParser(description="Golden results of numpy and scipy for augmentation.")
    args.add_argument("--check", action="store_true", help="compare, write nothing")
    args = args.parse_args()
    rows, values = make()
    faults = []
    if args.check:
        faults = check(rows, values)
    else:
        lines = [";".join(text(field) for field in row) for row in rows]
        (HERE / "augment.csv").write_text("\n".join([HEAD, *lines]) + "\n")
        (HERE / "augment.bin").write_bytes(values.astype("<f8").tobytes())
    print(f"augment: {len(rows)} rows, {values.nbytes} bytes, scipy {scipy.__version__}")
    for fault in faults:
        print(fault, file=sys.stderr)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
