#!/usr/bin/env python3
"""Golden results for tests/info_cli.rs, made by really running pyroomacoustics, pyrato and numpy.

    python3 assets/golden/acoustics.py            write acoustics.csv
    python3 assets/golden/acoustics.py --check    make it again in memory and compare with the file

The versions that made the committed file stand in requirements.txt.

acoustics.csv: name,rate,channel,hz,tool,quantity,value
`name` is a file in assets/ or a synthetic decay (see SYNTHETIC; the same integers and formula in the
test). `channel` is counted from 1; `hz` is the octave band, 0 for all frequencies. Tools:
    pyroomacoustics   measure_rt60: Schroeder's curve as it is, so only where there is no noise floor
    pyrato            Chu's subtraction, Lundeby's truncation and compensation, then its parameters
    numpy             C50, C80, D50 and Ts by their definitions, from spectra: bands by their magnitude
                      response alone, of what was cut before; only where there is no noise floor
All responses begin at their onset (the first tap within 20 dB of the largest). Bands are
Butterworth's of order 3, of order 4 above a quarter of the rate, run backwards in time by scipy.
"""

import argparse
import csv
import io
import pathlib
import sys
import warnings

import numpy as np
import pyfar
import pyrato
import pyroomacoustics
import scipy.signal
import soundfile
from pyroomacoustics.experimental import measure_rt60

from make import Lcg

HERE = pathlib.Path(__file__).parent
OCTAVES = [125, 250, 500, 1000, 2000, 4000, 8000]
FILES = [("hall.wav", 1), ("hall.wav", 2), ("room.wav", 1), ("studio-4ch.wav", 1), ("studio-4ch.wav", 2)]
# name, rate, seed, frames, RT60 in s, floor in dB relative to the decay's beginning
SYNTHETIC = [("plain", 48_000, 31, 60_000, 0.8, None), ("floor", 44_100, 32, 80_000, 0.8, -55.0)]


def synthetic(rate, seed, frames, rt60, floor):
    """Uniform noise that decays, and noise that stays; rounded to f32."""
    rng = Lcg(seed)
    level = 0.0 if floor is None else 10.0 ** (floor / 20.0)
    out = np.empty(frames)
    for n in range(frames):
        decay = 10.0 ** (-3.0 * n / (rate * rt60))
        out[n] = 0.25 * (rng.next(24) * decay + rng.next(24) * level) / 2**23
    return out.astype(np.float32).astype(np.float64)


def sounding(taps):
    """From the onset to the last tap that is not 0."""
    onset = np.argmax(np.abs(taps) >= 0.1 * np.abs(taps).max())
    return taps[onset : np.flatnonzero(taps)[-1] + 1]


def octave(hz, rate):
    """Second-order sections; the exact midband frequency is 10^0.3 to a whole power."""
    exact = 1e3 * 10.0 ** (0.3 * round(np.log10(hz / 1e3) / 0.3))
    edges = [exact * 10.0**-0.15, exact * 10.0**0.15]
    order = 4 if edges[1] > rate / 4 else 3
    return scipy.signal.butter(order, edges, "bandpass", fs=rate, output="sos")


def backwards(sos, taps, hz, rate):
    """Filtered from the last tap to the first and on, until the ringing is over."""
    lead = np.zeros(round(20 * rate / hz))
    return scipy.signal.sosfilt(sos, np.concatenate([taps[::-1], lead]))[::-1]


def definitions(taps, rate, sos):
    """C50, C80, D50 and Ts from spectra."""
    size = 2 ** int(np.ceil(np.log2(2 * len(taps) + rate)))
    power = 1.0
    if sos is not None:
        _, response = scipy.signal.sosfreqz(sos, worN=size, whole=True)
        power = np.abs(response) ** 2

    def energy(part):
        return np.sum(power * np.abs(np.fft.fft(part, size)) ** 2) / size

    def split(ms):
        frame = round(ms / 1e3 * rate)
        return energy(taps[:frame]), energy(taps[frame:])

    spectrum = np.fft.fft(taps, size)
    moment = np.fft.fft(taps * np.arange(len(taps)), size)
    centre = np.sum(power * np.real(np.conj(spectrum) * moment)) / size / energy(taps) / rate
    (early, late), (music, rest) = split(50), split(80)
    return {
        "c50": 10.0 * np.log10(early / late),
        "c80": 10.0 * np.log10(music / rest),
        "d50": early / (early + late),
        "ts": centre,
    }


def lundeby(heard, onset, rate, hz):
    """pyrato's curve of Chu and Lundeby, from the onset on: what rings before it counts as if it came
    there, as a silence that slowly fills would mislead the search for the floor."""
    energy = heard[onset:] ** 2
    energy[0] += np.sum(heard[:onset] ** 2)
    smoothing = "broadband" if hz == 0 else hz
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pyrato.edc.energy_decay_curve_chu_lundeby(
            pyfar.Signal(energy, rate),
            smoothing_parameter=smoothing,
            is_energy=True,
            time_shift=False,
        )


def case(name, rate, channel, taps, floor):
    taps = sounding(taps)
    for hz in [0, *OCTAVES]:
        sos = None if hz == 0 else octave(hz, rate)
        heard = taps if hz == 0 else backwards(sos, taps, hz, rate)

        def row(tool, quantity, value):
            return [name, rate, channel, hz, tool, quantity, float(np.squeeze(value))]

        if not floor:
            for quantity, decay_db in (("t20", 20), ("t30", 30)):
                yield row("pyroomacoustics", quantity, measure_rt60(heard, rate, decay_db=decay_db))
            for quantity, value in definitions(taps, rate, sos).items():
                yield row("numpy", quantity, value)
        curve = lundeby(heard, len(heard) - len(taps), rate, hz)
        for quantity in ("T20", "T30"):
            time = pyrato.parameters.reverberation_time_linear_regression(curve, T=quantity)
            yield row("pyrato", quantity.lower(), time)
        if hz == 0:
            # Its own EDT is fitted from -0.1 to -10.1 dB, which leaves out a quiet beginning.
            level = 10.0 * np.log10(np.squeeze(curve.time))
            count = np.argmax(level <= -10.0)
            slope = np.polyfit(np.arange(count) / rate, level[:count], 1)[0]
            yield row("pyrato", "edt", -60.0 / slope)
            yield row("pyrato", "c50", pyrato.parameters.clarity(curve, 50))
            yield row("pyrato", "c80", pyrato.parameters.clarity(curve, 80))
            yield row("pyrato", "d50", pyrato.parameters.definition(curve, 50))
            yield row("pyrato", "ts", pyrato.parameters.center_time(curve))


def make():
    rows = []
    for file, channel in FILES:
        taps, rate = soundfile.read(HERE.parent / file, always_2d=True)
        rows += case(file, rate, channel, taps[:, channel - 1], floor=False)
    for name, rate, seed, frames, rt60, floor in SYNTHETIC:
        taps = synthetic(rate, seed, frames, rt60, floor)
        rows += case(name, rate, 1, taps, floor=floor is not None)
    return rows


HEADER = ["name", "rate", "channel", "hz", "tool", "quantity", "value"]


def check(rows):
    """Complaints about the committed file. Other libraries round otherwise in the last digits, which
    can move the end of a fit by a frame: a millionth of a decay of 10,000 frames and more is still
    far below the digits that are compared."""
    with open(HERE / "acoustics.csv", newline="") as file:
        stored = list(csv.reader(file))[1:]
    if [row[:-1] for row in stored] != [[str(cell) for cell in row[:-1]] for row in rows]:
        return ["acoustics.csv has other rows than acoustics.py makes"]
    return [
        f"acoustics.csv: {','.join(old)} is now {new[-1]:.6g}"
        for old, new in zip(stored, rows, strict=True)
        if not abs(float(old[-1]) - new[-1]) <= 1e-4 * max(1.0, abs(new[-1]))
    ]


def main():
    args = argparse.ArgumentParser(description="Golden results of pyroomacoustics and pyrato.")
    args.add_argument("--check", action="store_true", help="compare, write nothing")
    args = args.parse_args()
    rows, faults = make(), []
    if args.check:
        faults = check(rows)
    else:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows([*row[:-1], f"{row[-1]:.6g}"] for row in rows)
        (HERE / "acoustics.csv").write_text(text.getvalue())
    versions = f"pyroomacoustics {pyroomacoustics.__version__}, pyrato {pyrato.__version__}"
    print(f"acoustics: {len(rows)} rows, {versions}, numpy {np.__version__}", flush=True)
    for fault in faults:
        print(fault, file=sys.stderr)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
