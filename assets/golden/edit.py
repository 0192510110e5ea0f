#!/usr/bin/env python3
"""Golden results for src/ir/edit, made by really running scipy.

    python3 assets/golden/edit.py            write edit.csv, edit.bin
    python3 assets/golden/edit.py --check    make them again in memory and compare with the files

The versions that made the committed files stand in requirements.txt.

edit.csv: operation;rate;at;len
An operation as `faltung ir edit` takes it, the rate in Hz, a byte offset in edit.bin and a number of
little-endian 64-bit floats from there on.

eq=..            the filter's impulse response: Butterworth's by scipy.signal.butter, the others from
                 their analogue prototypes (Audio EQ Cookbook) by scipy.signal.bilinear, run by
                 sosfilt. Independent of the cookbook's digital formulas.
minimum-phase    the taps of scipy.signal.firwin(401, 3000), whose stop band a middle tap larger by
                 0.01 lifts to -40 dB so that it has no zeros; then those of minimum phase and the
                 same magnitude: scipy.signal.minimum_phase(half=False, n_fft=2^17).
"""

import argparse
import pathlib
import sys

import numpy as np
import scipy
import scipy.signal

HERE = pathlib.Path(__file__).parent
FRAMES = 512

CUTS = [  # type, Hz, dB per octave
    ("lowcut", 80, 12), ("lowcut", 200, 6), ("lowcut", 40, 24), ("lowcut", 1000, 48),
    ("highcut", 8000, 24), ("highcut", 2000, 18), ("highcut", 500, 30), ("highcut", 15000, 12),
]  # fmt: skip
BELLS = [  # type, Hz, dB, q
    ("peak", 1000, -3, 2.0), ("peak", 100, 12, 0.7), ("peak", 12000, 6, 5.0),
    ("lowshelf", 200, 2, 0.5**0.5), ("lowshelf", 80, -12, 1.5),
    ("highshelf", 6000, -4, 0.5**0.5), ("highshelf", 3000, 9, 0.4), ("notch", 50, None, 10.0),
]  # fmt: skip


def bell(kind, hz, db, q, rate):
    """One second-order section from the analogue prototype at 1 rad/s."""
    a = 1.0 if db is None else 10 ** (db / 40)
    root = np.sqrt(a)
    num, den = {
        "peak": ([1, a / q, 1], [1, 1 / (a * q), 1]),
        "lowshelf": ([a, a * root / q, a * a], [a, root / q, 1]),
        "highshelf": ([a * a, a * root / q, a], [1, root / q, a]),
        "notch": ([1, 0, 1], [1, 1 / q, 1]),
    }[kind]
    # s / w0 in place of s, with w0 prewarped so that it lands on hz.
    w0 = 2 * rate * np.tan(np.pi * hz / rate)
    scale = w0 ** -np.array([2.0, 1.0, 0.0])
    b, c = scipy.signal.bilinear(np.array(num) * scale, np.array(den) * scale, rate)
    return np.concatenate([b, c])[np.newaxis, :]


def cases():
    """Operation, rate, values."""
    impulse = np.zeros(FRAMES)
    impulse[0] = 1.0
    for rate in (44_100, 96_000):
        for kind, hz, slope in CUTS:
            side = {"lowcut": "highpass", "highcut": "lowpass"}[kind]
            sos = scipy.signal.butter(slope // 6, hz, side, fs=rate, output="sos")
            yield f"eq={kind}:{hz}:{slope}dB", rate, scipy.signal.sosfilt(sos, impulse)
        for kind, hz, db, q in BELLS:
            sos = bell(kind, hz, db, q, rate)
            gain = "" if db is None else f":{db:+}dB"
            yield f"eq={kind}:{hz}{gain}:q{q!r}", rate, scipy.signal.sosfilt(sos, impulse)
    linear = scipy.signal.firwin(401, 3000, fs=48_000)
    linear[200] += 0.01
    least = scipy.signal.minimum_phase(linear, half=False, n_fft=2**17)
    yield "minimum-phase", 48_000, np.concatenate([linear, least])


def make():
    rows, parts, at = ["operation;rate;at;len"], [], 0
    for text, rate, values in cases():
        rows.append(f"{text};{rate};{at};{len(values)}")
        parts.append(np.asarray(values, "<f8"))
        at += parts[-1].nbytes
    return rows, np.concatenate(parts)


def main():
    args = argparse.ArgumentParser(description="Golden results of scipy for `faltung ir edit`.")
    args.add_argument("--check", action="store_true", help="compare, write nothing")
    args = args.parse_args()
    rows, values = make()
    print(f"edit: {len(rows) - 1} rows, {values.nbytes} bytes, scipy {scipy.__version__}", flush=True)
    if not args.check:
        (HERE / "edit.csv").write_text("\n".join(rows) + "\n")
        (HERE / "edit.bin").write_bytes(values.tobytes())
        return
    faults = []
    if (HERE / "edit.csv").read_text().splitlines() != rows:
        faults.append("edit.csv differs from what edit.py makes")
    stored = np.frombuffer((HERE / "edit.bin").read_bytes(), "<f8")
    # Coefficients come from elementary functions that may round by one unit more elsewhere; poles
    # near the unit circle make some 10^4 of it.
    if stored.shape != values.shape or not np.abs(stored - values).max() <= 1e-11:
        faults.append("edit.bin differs from what edit.py makes")
    for fault in faults:
        print(fault, file=sys.stderr)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
