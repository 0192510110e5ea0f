#!/usr/bin/env python3
"""Golden results for tests/spectrum.rs, made by really running numpy and scipy.

    python3 assets/golden/spectrum.py            write spectrum.csv
    python3 assets/golden/spectrum.py --check    make it again in memory and compare with the file

The versions that made the committed file stand in requirements.txt.

The taps are not stored: n-th value of Knuth's MMIX generator (seed 41, top 24 bits, over 2^23) times
2^-(n // 512), 3000 of them at 48 kHz, so that any language has the same bits. One row per frequency,
all of them on bins of a transform of 131072 points:
    hz, |H|^2 by scipy.signal.freqz, group delay in frames by scipy.signal.group_delay,
    mean of |H|^2 over a third and over a 24th of an octave around it, by the integral of numpy's
    transform, each bin standing for half a step to either side.
"""

import argparse
import pathlib
import sys

import numpy as np
import scipy.signal

FILE = pathlib.Path(__file__).parent / "spectrum.csv"
RATE, SIZE, FRAMES, SEED = 48_000, 131_072, 3000, 41


def taps():
    x, h = SEED, np.zeros(FRAMES)
    for n in range(FRAMES):
        x = (x * 6364136223846793005 + 1442695040888963407) % 2**64
        top = x >> 40
        h[n] = (top - 2**24 if top >= 2**23 else top) / 2**23 * 2.0 ** -(n // 512)
    return h


def rows():
    h, step = taps(), RATE / SIZE
    bins = np.unique(np.round(np.geomspace(20, 20_000, 60) / step)).astype(int)
    hz = bins * step
    power = np.abs(scipy.signal.freqz(h, worN=hz, fs=RATE)[1]) ** 2
    delay = scipy.signal.group_delay((h, [1.0]), w=hz, fs=RATE)[1]
    spectrum = np.abs(np.fft.rfft(h, SIZE)) ** 2
    edges = np.arange(len(spectrum) + 1) - 0.5
    integral = np.concatenate([[0.0], np.cumsum(spectrum)])

    def mean(octaves):
        low, high = bins * 2.0 ** (-octaves / 2), bins * 2.0 ** (octaves / 2)
        area = np.interp(high, edges, integral) - np.interp(low, edges, integral)
        return area / (high - low)

    return np.column_stack([hz, power, delay, mean(1 / 3), mean(1 / 24)])


def main():
    args = argparse.ArgumentParser(description="Golden spectra of numpy and scipy.")
    args.add_argument("--check", action="store_true", help="compare, write nothing")
    args = args.parse_args()
    made, faults = rows(), []
    if args.check:
        stored = np.loadtxt(FILE, delimiter=",", skiprows=1)
        # Sums of 3000 products and of up to 10^5 bins, rounded in whatever order a library takes.
        close = stored.shape == made.shape and np.allclose(stored, made, rtol=1e-9, atol=1e-9)
        faults = [] if close else ["spectrum.csv differs from what spectrum.py makes"]
    else:
        head = "hz,power,group_delay,third,twenty_fourth"
        np.savetxt(FILE, made, fmt="%.15g", delimiter=",", header=head, comments="")
    print(f"spectrum: {len(made)} rows, numpy {np.__version__}, scipy {scipy.__version__}")
    for fault in faults:
        print(fault, file=sys.stderr)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
