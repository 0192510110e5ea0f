#!/usr/bin/env python3
"""Golden results for the tests of src/ir/synth/filter.rs, made by really running scipy.

    python3 assets/golden/filters.py            write filters.csv, filters.bin
    python3 assets/golden/filters.py --check    make them again in memory and compare with the files

The versions that made the committed files stand in requirements.txt.

    rate,at,taps,recipe
The recipe is the same filter in faltung's words and may hold commas. filters.bin holds the taps of
scipy.signal.firwin and firwin2 as little-endian doubles from byte `at` on.
"""

import argparse
import pathlib
import sys

import numpy as np
import scipy
import scipy.signal

HERE = pathlib.Path(__file__).parent

WINDOWS = {
    "hamming": "hamming",
    "hann": "hann",
    "blackman": "blackman",
    "blackmanharris": "blackmanharris",
    "rect": "boxcar",
    "kaiser:8.6": ("kaiser", 8.6),
    "kaiser:0": ("kaiser", 0.0),
    "kaiser:14": ("kaiser", 14.0),
}
# Recipe, cut-off frequencies, kind, taps.
BANDS = [
    ("lowpass=3k", [3000], "lowpass", [3, 100, 101]),
    ("highpass=80", [80], "highpass", [101, 255]),
    ("bandpass=300-3400", [300, 3400], "bandpass", [64, 255]),
    ("bandstop=45-55", [45, 55], "bandstop", [511]),
    ("notch=1k", [900, 1100], "bandstop", [255]),
]
# Recipe, frequencies in Hz, levels in dB, taps.
CURVES = [
    ("curve=20:0dB/100:-3dB/10k:-20dB", [20, 100, 10000], [0, -3, -20], 1023),
    ("curve=1k:6dB", [1000], [6], 63),
    ("curve=100:-40dB/200:0dB/30k:-12dB", [100, 200, 30000], [-40, 0, -12], 501),
    ("tilt=-3dB", [20, 20e6], [3 * np.log2(50), -3 * np.log2(20000)], 1023),
    ("tilt=6dB,pivot=500", [20, 20e6], [-6 * np.log2(25), 6 * np.log2(40000)], 255),
]


def curve(hz, db, taps, window, rate):
    """firwin2 on a grid so fine that it has nothing left to interpolate."""
    points = 1 + 2 ** int(np.ceil(np.log2(8 * taps)))
    grid = np.linspace(0, rate / 2, points)
    level = np.interp(np.log(np.maximum(grid, 1e-9)), np.log(hz), db)
    return scipy.signal.firwin2(
        taps, grid, 10 ** (level / 20), nfreqs=points, window=window, fs=rate
    )


def make():
    head, arrays, at = ["rate,at,taps,recipe"], [], 0

    def add(rate, taps, recipe):
        nonlocal at
        head.append(f"{rate},{at},{len(taps)},{recipe}")
        arrays.append(np.ascontiguousarray(taps, "<f8"))
        at += arrays[-1].nbytes

    for rate in (44100, 48000):
        for recipe, cutoff, kind, counts in BANDS:
            for taps in counts:
                made = scipy.signal.firwin(taps, cutoff, pass_zero=kind, fs=rate)
                add(rate, made, f"{recipe},taps={taps}")
    for name, window in WINDOWS.items():
        for recipe, cutoff, kind, counts in BANDS[:3]:
            made = scipy.signal.firwin(counts[-1], cutoff, pass_zero=kind, fs=48000, window=window)
            add(48000, made, f"{recipe},taps={counts[-1]},window={name}")
    for recipe, hz, db, taps in CURVES:
        add(48000, curve(hz, db, taps, "hamming", 48000), f"{recipe},taps={taps}")
        made = curve(hz, db, taps, ("kaiser", 8.6), 44100)
        add(44100, made, f"{recipe},taps={taps},window=kaiser:8.6")
    return head, arrays


def check(head, arrays):
    """Complaints about the committed files, none if they agree."""
    if (HERE / "filters.csv").read_text().splitlines() != head:
        return ["filters.csv differs from what filters.py makes"]
    data, faults, at = (HERE / "filters.bin").read_bytes(), [], 0
    for row, array in zip(head[1:], arrays, strict=True):
        stored = np.frombuffer(data[at : at + array.nbytes], "<f8")
        worst = np.abs(stored - array).max()
        # Rounding of transforms and of the C library's sines.
        if not worst <= 1e-14:
            faults.append(f"filters.bin: {row} differs by {worst:g}")
        at += array.nbytes
    if at != len(data):
        faults.append(f"filters.bin has {len(data)} bytes where filters.py makes {at}")
    return faults


def main():
    args = argparse.ArgumentParser(description="Golden results of scipy's filter design.")
    args.add_argument("--check", action="store_true", help="compare, write nothing")
    args = args.parse_args()
    head, arrays = make()
    faults = []
    if args.check:
        faults = check(head, arrays)
    else:
        (HERE / "filters.csv").write_text("\n".join(head) + "\n")
        (HERE / "filters.bin").write_bytes(b"".join(array.tobytes() for array in arrays))
    size = sum(array.nbytes for array in arrays)
    versions = f"numpy {np.__version__}, scipy {scipy.__version__}"
    print(f"filters: {len(arrays)} rows, {size} bytes, {versions}")
    for fault in faults:
        print(fault, file=sys.stderr)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
