#!/usr/bin/env python3
"""Golden results for tests/golden.rs, made by really running numpy and scipy.

    python3 assets/golden/make.py            write small.csv, small.bin, long.csv, long.bin
    python3 assets/golden/make.py --check    make them again in memory and compare with the files

The versions that made the committed files stand in requirements.txt.

small.csv and small.bin: numpy.convolve, one row per pair of inputs and per sample type.
    name,type,a_at,a_len,v_at,v_len,full_at,full_len,same_at,same_len,valid_at,valid_len,wide_at
Places are byte offsets in small.bin, lengths are counted in samples, bytes are little-endian,
complex numbers are (re, im). The results have the type of the inputs. `wide` is the full result of
the same inputs in double precision, for f32 and c64; elsewhere it is empty.

long.csv and long.bin: scipy.signal on signals as long as real ones, in double precision.
    name,method,input_seed,input_len,ir_seed,ir_len,halving,ir_shift,stride,values_at,values_len
The inputs are not stored: `burst` and `decay` below make them from integers, so that any language
has the same bits. long.bin holds, from byte values_at on: every stride-th value of the full result
(values_len of them), then its 2-norm, then its greatest magnitude.
"""

import argparse
import pathlib
import sys

import numpy as np
import scipy.signal

HERE = pathlib.Path(__file__).parent

TYPES = {
    "i8": np.int8,
    "i16": np.int16,
    "i32": np.int32,
    "i64": np.int64,
    "u8": np.uint8,
    "u16": np.uint16,
    "u32": np.uint32,
    "u64": np.uint64,
    "f32": np.float32,
    "f64": np.float64,
    "c64": np.complex64,
    "c128": np.complex128,
}
WIDE = {"f32": np.float64, "c64": np.complex128}

# (length of a, length of v)
LENGTHS = [
    (1, 1), (1, 2), (2, 1), (1, 9), (9, 1), (2, 2), (2, 3), (3, 2), (7, 7), (8, 8),
    (16, 5), (5, 16), (17, 4), (4, 17), (33, 32), (32, 33), (130, 65), (65, 130), (301, 64), (64, 301),
]  # fmt: skip
# For the streaming modes too: shorter than the response, equal, longer, across block boundaries.
LENGTHS_FLOAT = [(100, 700), (699, 700), (700, 700), (701, 700), (1500, 700), (3, 1025), (1025, 3)]

LONG = [  # name, method, frames of input, frames of the response, halving time, stride
    ("0.05 s", "oaconvolve", 48_000, 2_400, 256, 11),
    ("0.5 s", "fftconvolve", 48_000, 24_000, 2_048, 13),
    ("2 s", "oaconvolve", 144_000, 96_000, 8_192, 53),
    ("10 s", "fftconvolve", 240_000, 480_000, 32_768, 157),
]


class Lcg:
    """Knuth's MMIX generator: x <- x * 6364136223846793005 + 1442695040888963407 mod 2^64."""

    def __init__(self, seed):
        self.x = seed

    def next(self, bits):
        """The top `bits` bits as a signed number."""
        self.x = (self.x * 6364136223846793005 + 1442695040888963407) % 2**64
        top = self.x >> (64 - bits)
        return top - 2**bits if top >= 2 ** (bits - 1) else top


def small(kind, n, rng):
    """Random numbers over the whole range of an integer type, or in [-1, 1) on a grid of 2^-23."""
    dtype = np.dtype(TYPES[kind])
    if dtype.kind in "iu":
        bits = 8 * dtype.itemsize
        return np.array([rng.next(64) >> (64 - bits) for _ in range(n)], np.int64).astype(dtype)
    if dtype.kind == "f":
        return np.array([rng.next(24) / 2**23 for _ in range(n)], dtype)
    return np.array([complex(rng.next(24) / 2**23, rng.next(24) / 2**23) for _ in range(n)], dtype)


def burst(seed, n):
    """Input: a saw of 320 frames and noise, opened and closed every 12,000 frames; on 2^-23."""
    rng = Lcg(seed)
    out = np.empty(n)
    for i in range(n):
        noise = rng.next(23)
        saw = (i % 320 - 160) * 2**13
        out[i] = (noise + saw) // 2 ** (2 * (i % 12_000 // 3_000))
    return out / 2**23


def decay(seed, n, halving, shift):
    """Response: noise whose level halves every `halving` frames (a power of two), straight lines
    between; rounded to f32, then times 2^-shift."""
    rng = Lcg(seed)
    out = np.empty(n)
    for i in range(n):
        octaves, inside = divmod(i, halving)
        out[i] = rng.next(24) * (2 * halving - inside) / 2**octaves / (2 * halving) / 2**23
    return out.astype(np.float32).astype(np.float64) / 2**shift


class Blob:
    def __init__(self):
        self.parts = []
        self.at = 0

    def add(self, array):
        """Appends the array, tells where."""
        array = np.ascontiguousarray(array)
        data = array.astype(array.dtype.newbyteorder("<")).tobytes()
        here = self.at
        self.parts.append(array)
        self.at += len(data)
        return here

    def bytes(self):
        return b"".join(p.astype(p.dtype.newbyteorder("<")).tobytes() for p in self.parts)


def make_small():
    """numpy.convolve: rows of small.csv, the blob, and how far a float may differ, per part."""
    blob, slack = Blob(), []
    rows = [
        "name,type,a_at,a_len,v_at,v_len,full_at,full_len,same_at,same_len,valid_at,valid_len,wide_at"
    ]

    def case(name, kind, a, v):
        a, v = np.array(a, TYPES[kind]), np.array(v, TYPES[kind])
        row, exact = [name, kind], a.dtype.kind in "iu"
        unit = 0.0 if exact else np.finfo(a.dtype).eps * np.linalg.norm(a) * np.linalg.norm(v)
        for part in (a, v):
            row += [blob.add(part), len(part)]
            slack.append(0.0)
        for mode in ("full", "same", "valid"):
            out = np.convolve(a, v, mode)
            assert out.dtype == a.dtype
            row += [blob.add(out), len(out)]
            slack.append(4 * unit)
        row.append("")
        if kind in WIDE:
            row[-1] = blob.add(np.convolve(a.astype(WIDE[kind]), v.astype(WIDE[kind])))
            slack.append(unit * 2**-20)
        rows.append(",".join(map(str, row)))

    # numpy warns of nothing here: integers wrap without a word.
    for kind in TYPES:
        case("worked", kind, [1, 5], [3, 4, 2])
    case("wraps", "i8", [100, 100], [2, 2])
    case("wraps", "u8", [200, 200], [2, 2])
    rng = Lcg(1)
    for kind in TYPES:
        lengths = LENGTHS + (LENGTHS_FLOAT if kind in ("f32", "f64") else [])
        for n, m in lengths:
            case(f"{n}x{m}", kind, small(kind, n, rng), small(kind, m, rng))
    return rows, blob, slack


def make_long():
    """scipy.signal: rows of long.csv, the blob, and how far a float may differ, per part."""
    blob, slack = Blob(), []
    rows = [
        "name,method,input_seed,input_len,ir_seed,ir_len,halving,ir_shift,stride,values_at,values_len"
    ]
    for number, (name, method, n, m, halving, stride) in enumerate(LONG):
        seeds = 10 + number, 20 + number
        x, h = burst(seeds[0], n), decay(seeds[1], m, halving, 0)
        y = getattr(scipy.signal, method)(x, h)
        other = {"oaconvolve": "fftconvolve", "fftconvolve": "oaconvolve"}[method]
        unit = np.finfo(np.float64).eps * np.linalg.norm(x) * np.linalg.norm(h)
        assert np.abs(getattr(scipy.signal, other)(x, h) - y).max() < 32 * unit
        # A power of two that brings the peak between a half and full scale; exact.
        shift = int(np.ceil(np.log2(np.abs(y).max())))
        y = y / 2.0**shift
        values = np.concatenate([y[::stride], [np.linalg.norm(y), np.abs(y).max()]])
        at = blob.add(values)
        slack.append(32 * unit / 2.0**shift)
        row = [name, method, seeds[0], n, seeds[1], m, halving, shift, stride, at, len(values) - 2]
        rows.append(",".join(map(str, row)))
    return rows, blob, slack


def check(stem, rows, blob, slack):
    """Complaints about the committed files, none if they agree."""
    if (HERE / f"{stem}.csv").read_text().splitlines() != rows:
        return [f"{stem}.csv differs from what make.py makes"]
    data = (HERE / f"{stem}.bin").read_bytes()
    if len(data) != blob.at:
        return [f"{stem}.bin has {len(data)} bytes where make.py makes {blob.at}"]
    faults, at = [], 0
    for part, allowed in zip(blob.parts, slack, strict=True):
        stored = np.frombuffer(data, part.dtype.newbyteorder("<"), len(part), at)
        if allowed == 0.0:
            if not np.array_equal(stored, part):
                faults.append(f"{stem}.bin: values at byte {at} differ")
        elif not np.abs(stored - part).max() <= allowed:
            worst = np.abs(stored - part).max()
            faults.append(f"{stem}.bin: values at byte {at} differ by {worst:g} (> {allowed:g})")
        at += part.nbytes
    return faults


def main():
    args = argparse.ArgumentParser(description="Golden results of numpy and scipy.")
    args.add_argument("--check", action="store_true", help="compare, write nothing")
    args = args.parse_args()
    versions = f"numpy {np.__version__}, scipy {scipy.__version__}"
    faults = []
    for stem, make in (("small", make_small), ("long", make_long)):
        rows, blob, slack = make()
        if args.check:
            faults += check(stem, rows, blob, slack)
        else:
            (HERE / f"{stem}.csv").write_text("\n".join(rows) + "\n")
            (HERE / f"{stem}.bin").write_bytes(blob.bytes())
        print(f"{stem}: {len(rows) - 1} rows, {blob.at} bytes, {versions}", flush=True)
    for fault in faults:
        print(fault, file=sys.stderr)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
