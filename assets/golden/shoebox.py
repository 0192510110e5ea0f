#!/usr/bin/env python3
"""Golden results for the tests of src/ir/synth/shoebox.rs, made by really running pyroomacoustics.

    python3 assets/golden/shoebox.py            write shoebox.csv, shoebox.bin
    python3 assets/golden/shoebox.py --check    make them again in memory and compare with the files

The versions that made the committed files stand in requirements.txt.

    kind,rate,bands,at,rows,recipe
The recipe is the same room in faltung's words and may hold commas; everything else is one field.
shoebox.bin holds little-endian doubles from byte `at` on, `rows` rows of
    images   the time of flight in s and the amplitude in every band (the source's at 1 m being 1)
    rir      one frame of the response at the rate, without high-pass, the first one at flight 0
    t30      the time to fall by 60 dB from -5 to -35 dB of the response from all images, in s, what
             Eyring's formula says, and how much of the response in s was measured
"""

import argparse
import pathlib
import sys

import numpy as np
import pyroomacoustics as pra

HERE = pathlib.Path(__file__).parent
BANDS = [125, 250, 500, 1000, 2000, 4000, 8000]
WALLS = ["west", "east", "south", "north", "floor", "ceiling"]
WORDS = ["left", "right", "front", "back", "floor", "ceiling"]

# Sides, source, microphone, absorption of the walls in the order of WALLS, order, rate.
EARLY = [
    ([6, 4, 3], [2, 1, 1.5], [4, 3, 1.2], [0.2] * 6, 8, 48000),
    ([5.2, 3.7, 2.6], [1.3, 2.9, 1.7], [4.1, 0.8, 1.1], [0.1, 0.3, 0.05, 0.6, 0.15, 0.8], 6, 44100),
    ([23, 40, 15], [10.3, 6, 2], [11.3, 18, 3], [0.15, 0.25, 0.1, 0.2, 0.5, 0.35], 5, 48000),
]
IN_BANDS = [
    ([7, 5, 3.1], [1.7, 1.2, 1.6], [5.1, 3.3, 1.3], [0.1, 0.12, 0.2, 0.3, 0.35, 0.4, 0.45], 4),
]
# At places where no two images come at once. Sides, source, microphone, absorption, seconds to
# measure: Eyring's time and a half, less a little for a response that begins with the direct sound.
DECAYS = [
    ([6, 4, 3], [2.2, 1.1, 1.4], [4.1, 2.7, 1.2], 0.2, 0.7),
    ([6, 4, 3], [2.2, 1.1, 1.4], [4.1, 2.7, 1.2], 0.4, 0.3),
    ([10, 8, 6], [3.2, 2, 1.5], [7.3, 5.5, 2.2], 0.3, 0.82),
    ([5, 4.3, 3.7], [1.7, 1.2, 1.5], [3.6, 2.9, 1.2], 0.15, 1.0),
]

pra.constants.set("rir_hpf_enable", False)
# Sums come out the same whatever the machine.
pra.constants.set("num_threads", 1)


def triple(values):
    return "x".join(f"{value:g}" for value in values)


def build(sides, source, mic, absorption, order, rate):
    """The room; absorption is one number per wall, or one per band for all of them."""
    if len(absorption) == len(WALLS):
        materials = dict(zip(WALLS, map(pra.Material, absorption)))
    else:
        materials = pra.Material({"coeffs": absorption, "center_freqs": BANDS})
    room = pra.ShoeBox(sides, fs=rate, materials=materials, max_order=order, air_absorption=False)
    room.add_source(source)
    room.add_microphone(mic)
    return room


def images(room, mic):
    """Rows of time and amplitudes, nearest first."""
    room.image_source_model()
    source = room.sources[0]
    away = np.linalg.norm(source.images.astype(float) - np.array(mic)[:, None], axis=0)
    rows = np.column_stack([away / pra.constants.get("c"), (source.damping / away).T])
    return rows[np.lexsort(rows.T[::-1])]


def make():
    """Rows of shoebox.csv, the arrays behind them, and how far a value may differ, per array."""
    head, arrays, slack, at = ["kind,rate,bands,at,rows,recipe"], [], [], 0

    def add(kind, rate, bands, array, allowed, recipe):
        nonlocal at
        head.append(f"{kind},{rate},{bands},{at},{len(array)},{recipe}")
        arrays.append(np.ascontiguousarray(array, "<f8"))
        slack.append(allowed)
        at += arrays[-1].nbytes

    for sides, source, mic, absorption, order, rate in EARLY:
        walls = ",".join(f"{word}={a:g}" for word, a in zip(WORDS, absorption))
        places = f"source={triple(source)},mic={triple(mic)},channels=1,order={order}"
        recipe = f"room={triple(sides)},{walls},{places},level=0dB,flight=keep,highpass=off"
        room = build(sides, source, mic, absorption, order, rate)
        # Single precision inside.
        add("images", 0, 1, images(room, mic), 1e-6, recipe)
        room.compute_rir()
        skip = pra.constants.get("frac_delay_length") // 2
        rir = room.rir[0][0][skip:]
        add("rir", rate, 1, rir[: int(0.07 * rate)], 1e-5, recipe)
    for sides, source, mic, absorption, order in IN_BANDS:
        room = build(sides, source, mic, absorption, order, 16000)
        places = f"source={triple(source)},mic={triple(mic)},channels=1,order={order}"
        bands = "/".join(f"{a:g}" for a in absorption)
        recipe = f"room={triple(sides)},absorption={bands},{places},level=0dB,flight=keep"
        add("images", 0, len(BANDS), images(room, mic), 1e-6, recipe)
    for sides, source, mic, absorption, seconds in DECAYS:
        # The images of one order lie on an octahedron; its faces are as far away as is measured.
        way = seconds * pra.constants.get("c") + np.linalg.norm(np.subtract(source, mic))
        order = int(np.ceil(way * np.linalg.norm(1 / np.array(sides)))) + 2
        room = build(sides, source, mic, [absorption] * 6, order, 16000)
        room.compute_rir()
        skip = pra.constants.get("frac_delay_length") // 2
        rir = room.rir[0][0][skip:][: round(seconds * 16000)]
        t30 = pra.experimental.measure_rt60(rir, fs=16000, decay_db=30)
        eyring = room.rt60_theory(formula="eyring")
        places = f"source={triple(source)},mic={triple(mic)},channels=1"
        recipe = f"room={triple(sides)},absorption={absorption:g},{places}"
        add("t30", 16000, 1, np.array([[t30, eyring, seconds]]), 1e-4, recipe)
    return head, arrays, slack


def check(head, arrays, slack):
    """Complaints about the committed files, none if they agree."""
    if (HERE / "shoebox.csv").read_text().splitlines() != head:
        return ["shoebox.csv differs from what shoebox.py makes"]
    data, faults, at = (HERE / "shoebox.bin").read_bytes(), [], 0
    for row, array, allowed in zip(head[1:], arrays, slack, strict=True):
        stored = np.frombuffer(data[at : at + array.nbytes], "<f8").reshape(array.shape)
        worst = np.abs(stored - array).max()
        if not worst <= allowed:
            faults.append(f"shoebox.bin: {row} differs by {worst:g} (> {allowed:g})")
        at += array.nbytes
    if at != len(data):
        faults.append(f"shoebox.bin has {len(data)} bytes where shoebox.py makes {at}")
    return faults


def main():
    args = argparse.ArgumentParser(description="Golden results of pyroomacoustics.")
    args.add_argument("--check", action="store_true", help="compare, write nothing")
    args = args.parse_args()
    head, arrays, slack = make()
    faults = []
    if args.check:
        faults = check(head, arrays, slack)
    else:
        (HERE / "shoebox.csv").write_text("\n".join(head) + "\n")
        (HERE / "shoebox.bin").write_bytes(b"".join(array.tobytes() for array in arrays))
    size = sum(array.nbytes for array in arrays)
    print(f"shoebox: {len(arrays)} rows, {size} bytes, pyroomacoustics {pra.__version__}")
    for fault in faults:
        print(fault, file=sys.stderr)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
