"""Two small SOFA files, and what netCDF4 and numpy read from them.

hrir.sofa: SimpleFreeFieldHRIR, spherical positions at two distances, compressed in chunks, with
delays of whole and of broken frames. brir.sofa: SingleRoomDRIR, a listener who turns before a fixed
loudspeaker, 32-bit floats, the ears exchanged as in files of the conventions before 1.0. sofa.csv: a
line for each question asked of them.

python3 assets/golden/sofa.py [--check]
"""

import argparse
import pathlib
import sys
import tempfile

import netCDF4
import numpy as np

HERE = pathlib.Path(__file__).parent
RATE = 48000.0
TAPS = 24


def noise(seed, count):
    """Whole multiples of 2^-15, so that every format holds them."""
    state, out = seed, []
    for _ in range(count):
        state = (state * 1664525 + 1013904223) % 2**32
        out.append(((state >> 16) - 32768) / 32768)
    return np.array(out)


def hrir():
    """Attributes, dimensions and variables of hrir.sofa."""
    places = [(az, 0, r) for r in (1.4, 0.5) for az in range(0, 360, 30)]
    places += [(az, el, 1.4) for el in (-30, 45) for az in (0, 90, 180, 270)] + [(0, 90, 1.4)]
    count = len(places)
    delays = np.array([[k % 5, (3 * k) % 7 + (0.25 if k % 2 else 0.0)] for k in range(count)])
    variables = {
        "Data.IR": ("MRN", "f8", noise(1, count * 2 * TAPS).reshape(count, 2, TAPS), {}),
        "Data.SamplingRate": ("I", "f8", [RATE], {"Units": "hertz"}),
        "Data.Delay": ("MR", "f8", delays, {}),
        "SourcePosition": ("MC", "f8", places, {"Type": "spherical", "Units": "degree, degree, metre"}),
        "ListenerPosition": ("IC", "f8", [[0, 0, 0]], {"Type": "cartesian", "Units": "metre"}),
        "ListenerView": ("IC", "f8", [[1, 0, 0]], {"Type": "cartesian", "Units": "metre"}),
        "ListenerUp": ("IC", "f8", [[0, 0, 1]], {}),
        "ReceiverPosition": ("RCI", "f8", [[[0], [0.09], [0]], [[0], [-0.09], [0]]], {"Type": "cartesian"}),
        "EmitterPosition": ("ECI", "f8", [[[0], [0], [0]]], {"Type": "cartesian"}),
    }
    return "SimpleFreeFieldHRIR", count, variables


def brir():
    """The same of brir.sofa."""
    turned = np.radians(np.arange(-80, 81, 40))
    count = len(turned)
    views = np.stack([np.cos(turned), np.sin(turned), 0 * turned], axis=1)
    ears = [[[0], [-0.09], [0]], [[0], [0.09], [0]]]
    variables = {
        "Data.IR": ("MRN", "f4", noise(2, count * 2 * TAPS).reshape(count, 2, TAPS), {}),
        "Data.SamplingRate": ("I", "f8", [44100.0], {"Units": "hertz"}),
        "Data.Delay": ("IR", "f8", [[0, 0]], {}),
        "SourcePosition": ("IC", "f8", [[3, 1, 1.2]], {"Type": "cartesian", "Units": "metre"}),
        "ListenerPosition": ("IC", "f8", [[1, 1, 1.2]], {"Type": "cartesian", "Units": "metre"}),
        "ListenerView": ("MC", "f8", views, {"Type": "cartesian", "Units": "metre"}),
        "ListenerUp": ("IC", "f8", [[0, 0, 1]], {"Type": "cartesian", "Units": "metre"}),
        "ReceiverPosition": ("RCI", "f8", ears, {"Type": "cartesian"}),
        "EmitterPosition": ("ECI", "f8", [[[0], [0], [0]]], {"Type": "cartesian"}),
    }
    return "SingleRoomDRIR", count, variables


FILES = {"hrir": hrir, "brir": brir}
# File, what is asked for, and the measurement that is meant: found by hand, on paper.
ASKED = [
    ("hrir", "az=30,el=0", 1),
    ("hrir", "az=-30", 11),
    ("hrir", "az=44,el=4", 1),
    ("hrir", "az=100,el=40", 29),
    ("hrir", "el=88", 32),
    ("hrir", "az=30,r=0.4", 13),
    ("hrir", "az=330,el=0,r=2", 11),
    ("brir", "az=0", 2),
    # Who has turned 40 degrees to the left has the loudspeaker 40 degrees to the right.
    ("brir", "az=-40", 3),
    ("brir", "az=75", 0),
]


def write(path, make):
    convention, count, variables = make()
    with netCDF4.Dataset(path, "w", format="NETCDF4") as file:
        for name, size in (("I", 1), ("C", 3), ("R", 2), ("E", 1), ("N", TAPS), ("M", count)):
            file.createDimension(name, size)
        file.Conventions, file.Version, file.SOFAConventions = "SOFA", "2.1", convention
        file.SOFAConventionsVersion, file.DataType, file.RoomType = "1.0", "FIR", "free field"
        file.Title, file.License = "A small set for tests", "as the code beside it"
        for name, (dimensions, kind, values, attributes) in variables.items():
            packed = {"zlib": True, "shuffle": True} if make is hrir else {}
            variable = file.createVariable(name, kind, tuple(dimensions), **packed)
            variable[:] = np.asarray(values)
            variable.setncatts(attributes)


def contents(path):
    """Everything a reader sees, for comparison."""
    with netCDF4.Dataset(path) as file:
        found = {name: file.getncattr(name) for name in file.ncattrs()}
        for name, variable in file.variables.items():
            found[name] = np.asarray(variable[:]).tolist(), variable.dimensions, variable.__dict__
        return found


def answers(folder):
    """Rows of sofa.csv: taps as netCDF4 reads them, delays as numpy rounds them."""
    rows = ["file,asked,rate,frames,taps of the left ear,taps of the right ear"]
    for name, asked, index in ASKED:
        with netCDF4.Dataset(folder / f"{name}.sofa") as file:
            taps = np.asarray(file["Data.IR"][index], dtype=np.float64)
            delays = np.asarray(file["Data.Delay"][:])
            delays = delays[index if len(delays) > 1 else 0]
            # Half a frame never occurs, so every way to round agrees.
            delays = np.rint(delays).astype(int)
            rate = int(file["Data.SamplingRate"][0])
        frames = TAPS + delays.max()
        planes = np.zeros((2, frames))
        for ear in (0, 1):
            planes[ear, delays[ear] :][:TAPS] = taps[ear]
        # As whole multiples of 2^-15.
        words = [" ".join(str(int(x)) for x in plane * 32768) for plane in planes]
        rows.append(",".join([name, asked.replace(",", ";"), str(rate), str(frames), *words]))
    return rows


def main():
    args = argparse.ArgumentParser(description="Golden SOFA files, by netCDF4.")
    args.add_argument("--check", action="store_true", help="compare, write nothing")
    args = args.parse_args()
    faults = []
    with tempfile.TemporaryDirectory() as scratch:
        for name, make in FILES.items():
            made, kept = pathlib.Path(scratch) / f"{name}.sofa", HERE / f"{name}.sofa"
            write(made, make)
            if not args.check:
                kept.write_bytes(made.read_bytes())
            # The bytes tell the versions of the libraries, the contents do not.
            elif contents(kept) != contents(made):
                faults.append(f"{name}.sofa differs from what sofa.py makes")
            print(f"{name}: {kept.stat().st_size} bytes, netCDF4 {netCDF4.__version__}", flush=True)
    rows, table = answers(HERE), HERE / "sofa.csv"
    if not args.check:
        table.write_text("\n".join(rows) + "\n")
    elif table.read_text().splitlines() != rows:
        faults.append("sofa.csv differs from what sofa.py makes")
    print(f"sofa: {len(rows) - 1} rows", flush=True)
    for fault in faults:
        print(fault, file=sys.stderr)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
