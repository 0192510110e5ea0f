#!/usr/bin/env python3
"""Whole files through impulse responses: faltung and its peers, in turns, in one run.

    cargo build --release
    python -m venv venv && venv/bin/pip install -r benches/offline/requirements.txt
    venv/bin/python benches/offline/offline.py [--quick] [--write] [--tune] [--only WORD]

--quick  shorter sounds, one round: to see that everything runs
--write  put the tables between the marks in benches/RESULTS.md
--tune   search each peer's best settings again, and print what was found
--only   cases whose name holds the word

Peers that are not there are left out and named. Looked for: ffmpeg, sox, fconvolver (package
jconvolver) and camilladsp in PATH (or --camilladsp), and the ffmpeg that imageio-ffmpeg brings.
"""

import argparse
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import soundfile as sf
from scipy.signal import fftconvolve, resample_poly

ROOT = Path(__file__).resolve().parents[2]
CHILD = Path(__file__).with_name("child.py")
MARKS = "<!-- offline: begin -->", "<!-- offline: end -->"


# ---------------------------------------------------------------- a process and its cost


class Failed(Exception):
    pass


def cost(argv):
    """Wall seconds, CPU seconds and peak MB of a command."""
    argv = [str(word) for word in argv]
    launcher = [sys.executable, "-SE", CHILD, "launch", *argv]
    ran = subprocess.run(launcher, capture_output=True, text=True)
    if ran.returncode != 0:
        raise Failed(f"{' '.join(argv)}\n{ran.stderr.strip()}")
    return dict(zip(("wall", "cpu", "mb"), map(float, ran.stdout.split())))


# ---------------------------------------------------------------- sounds


def clips(rate):
    """The recordings of assets/ at a rate, mono, peak 1."""
    found = []
    for name in ("voice", "guitar", "clap"):
        x, own = sf.read(ROOT / "assets" / f"{name}.wav", dtype="float32", always_2d=True)
        x = resample_poly(x.mean(axis=1), rate, own) if own != rate else x.mean(axis=1)
        found.append((x / np.abs(x).max()).astype(np.float32))
    return found


def sound(path, seconds, channels, rate, subtype, seed=1):
    """Real sound, again and again with other levels, gaps and signs; peak below 0.6."""
    rng = np.random.default_rng(seed)
    pieces = clips(rate)
    block = 60 * rate
    with sf.SoundFile(path, "w", rate, channels, subtype, format="WAV") as file:
        left = int(seconds * rate)
        while left > 0:
            x = np.zeros((min(block, left), channels), np.float32)
            for k in range(channels):
                at = int(rng.integers(0, rate))
                while at < len(x):
                    piece = pieces[rng.integers(len(pieces))][: len(x) - at]
                    level = rng.uniform(0.1, 0.5) * rng.choice([-1, 1])
                    x[at : at + len(piece), k] += level * piece
                    at += int(len(piece) + rng.integers(0, rate // 2))
            # A floor as recordings have it, so that no zeros help anybody.
            x += rng.standard_normal(x.shape, np.float32) * 1e-4
            file.write(x)
            left -= len(x)


def response(path, seconds, channels, rate, seed=7):
    """Noise that falls by 60 dB, after a first tap; f32, and quiet enough that nothing clips."""
    rng = np.random.default_rng(seed)
    n = int(seconds * rate)
    fall = 10 ** (-3 * np.arange(n) / n)
    h = rng.standard_normal((n, channels)) * fall[:, None]
    h *= 0.25 / np.sqrt((h**2).sum(axis=0))
    h[0] = 0.4
    sf.write(path, h.astype(np.float32), rate, subtype="FLOAT", format="WAV")


# ---------------------------------------------------------------- who takes part

FORMATS = {"PCM_16": "pcm_s16le", "PCM_24": "pcm_s24le", "FLOAT": "pcm_f32le"}


class Case:
    def __init__(self, name, what, seconds, channels, rate, subtype, ir_seconds, ir_channels=None):
        self.name, self.what, self.seconds, self.channels = name, what, seconds, channels
        self.rate, self.subtype, self.ir_seconds = rate, subtype, ir_seconds
        self.ir_channels = ir_channels or channels

    def make(self, work, seconds=None, subtype=None):
        self.dir = Path(tempfile.mkdtemp(prefix=f"{self.name}-", dir=work))
        self.source, self.ir = self.dir / "in.wav", self.dir / "ir.wav"
        self.out_subtype = subtype or self.subtype
        sound(self.source, seconds or self.seconds, self.channels, self.rate, self.out_subtype)
        response(self.ir, self.ir_seconds, self.ir_channels, self.rate)
        self.taps = sf.info(self.ir).frames
        return self

    def target(self, who):
        path = self.dir / f"out-{re.sub('[^a-z0-9]+', '-', who.lower())}.wav"
        path.unlink(missing_ok=True)
        return path


EIGHT = "2 min, 8 channels, 96 kHz, f32"
CASES = [
    Case("stereo", "10 min, 2 channels, 48 kHz, 24-bit; IR 2 s", 600, 2, 48000, "PCM_24", 2),
    Case("mono", "1 h, 1 channel, 44.1 kHz, 16-bit; IR 0.5 s", 3600, 1, 44100, "PCM_16", 0.5),
    Case("eight", f"{EIGHT}; one IR of 10 s for all", 120, 8, 96000, "FLOAT", 10, 1),
    Case("eight-own", f"{EIGHT}; an IR of 10 s for each", 120, 8, 96000, "FLOAT", 10),
]

# Found by --tune on two cores of an EPYC (Zen 5) that others used too: the least of wall and CPU
# time together among the settings that it tries. Not searched, guessed: fconvolver and camilladsp
# for eight channels. ffmpeg 9 takes partitions of up to 65536, ffmpeg 5 of up to 32768, fconvolver
# of up to 8192.
BEST = {
    "ffmpeg-old": {"stereo": (16384, 16384), "mono": (8192, 8192), "eight": (32768, 32768)},
    "ffmpeg-new": {"stereo": (16384, 16384), "mono": (16384, 16384), "eight": (65536, 65536)},
    "fconvolver": {"stereo": (8192, "-V"), "mono": (1024, "-V"), "eight": (8192, "-V")},
    "camilladsp": {"stereo": (131072, True), "mono": (32768, True), "eight": (65536, True)},
}


class Subject:
    """Somebody who takes part: `argv` for a case, and what to try."""

    tries = [None]

    def __init__(self, key, label):
        self.key, self.label = key, label

    def best(self, case):
        return BEST.get(self.key, {}).get(case.name.split("-")[0])

    def can(self, _case):
        return True

    def offset(self, _case):
        return 0


class Faltung(Subject):
    def __init__(self, program, threads):
        label = "faltung" if threads is None else f"faltung -j {threads}"
        super().__init__("faltung", label)
        self.program, self.threads = program, threads

    def argv(self, case, target, _how):
        threads = [] if self.threads is None else ["-j", self.threads]
        return [self.program, "render", case.source, case.ir, target, "-y", "-q", *threads]


class Ffmpeg(Subject):
    """afir; the input is padded, for it ends with its input. No gain of its own (gtype, irnorm)."""

    def __init__(self, key, program):
        ran = subprocess.run([program, "-version"], capture_output=True, text=True)
        version = re.search(r"version n?(\d+\.\d+(?:\.\d+)?)", ran.stdout)
        super().__init__(key, f"ffmpeg {version[1] if version else '?'}")
        self.program = program
        ran = subprocess.run(
            [program, "-hide_banner", "-h", "filter=afir"], capture_output=True, text=True
        )
        # The older one doubles the level then, which half the gain of its response takes back.
        self.norm = ":irnorm=-1:irlink=0" if "irnorm" in ran.stdout else ":irgain=0.5"
        most = int(re.search(r"maxp .*from 8 to (\d+)", ran.stdout)[1])
        sizes = [2**k for k in range(12, 17) if 2**k <= most]
        self.tries = [(a, b) for a in sizes for b in (a, 4 * a) if b <= most]

    def can(self, case):
        # The older one convolves the first channel only, where one response serves all.
        return self.key == "ffmpeg-new" or case.ir_channels == case.channels

    def argv(self, case, target, how):
        least, most = how or (8192, 8192)
        graph = (
            f"[0:a]apad=pad_len={case.taps - 1}[x];[x][1:a]afir=dry=1:wet=1:gtype=none{self.norm}"
            f":minp={least}:maxp={most}:maxir=60:precision=float"
        )
        if case.ir_channels < case.channels:
            graph += ":irfmt=mono"

        # 8 channels in WAV have no layout of their own in the response.
        def layout(channels):
            option = "-channel_layout" if self.key == "ffmpeg-old" else "-ch_layout"
            return [option, {8: "7.1", 2: "stereo", 1: "mono"}[channels]]

        begin = [self.program, "-v", "error", "-nostdin", "-y"]
        files = [*layout(case.channels), "-i", case.source]
        files += [*layout(case.ir_channels), "-i", case.ir]
        return [*begin, *files, "-filter_complex", graph, "-c:a", FORMATS[case.out_subtype], target]


class Sox(Subject):
    """Only where one response serves all channels. Its fir is centred on the response's middle and
    as long as the input, so half a response of silence is put at either end."""

    def can(self, case):
        return case.channels == 1

    def argv(self, case, target, _how):
        taps = case.dir / "taps.txt"
        if not taps.exists():
            np.savetxt(taps, sf.read(case.ir, dtype="float32")[0], fmt="%.9g")
        half = (case.taps - 1) // 2
        pad = ["pad", f"{half}s", f"{case.taps - 1 - half}s"]
        return ["sox", "-V1", case.source, target, *pad, "fir", taps]


class Fconvolver(Subject):
    """The tail that it adds is silent, so its input has silence at the end (-T: add no more). Its
    partitions end at 8192."""

    tries = [(p, v) for p in (1024, 2048, 4096, 8192) for v in ("", "-V", "-M", "-VM")]

    def argv(self, case, target, how):
        partition, words = how or (8192, "-V")
        lines = [f"/convolver/new {case.channels} {case.channels} {partition} {case.taps} 1.0"]
        for k in range(1, case.channels + 1):
            own = min(k, case.ir_channels)
            lines.append(f"/impulse/read {k} {k} 1.0 0 0 0 {own} {case.ir}")
        config = case.dir / f"fconvolver-{partition}.conf"
        config.write_text("\n".join(lines) + "\n")
        padded = case.dir / "in-padded.wav"
        if not padded.exists():
            with sf.SoundFile(case.source) as old:
                new = sf.SoundFile(padded, "w", old.samplerate, old.channels, old.subtype)
                with new:
                    for block in old.blocks(1 << 20, dtype="float32"):
                        new.write(block)
                    new.write(np.zeros((case.taps - 1, old.channels), np.float32))
        return ["fconvolver", "-T", *[f"-{w}" for w in words.strip("-")], config, padded, target]


class Camilladsp(Subject):
    """Computes in f64. What it writes says in its header that its length is open."""

    tries = [(2**k, many) for k in range(13, 18) for many in (False, True)]

    def __init__(self, program):
        ran = subprocess.run([program, "--version"], capture_output=True, text=True)
        super().__init__("camilladsp", " ".join(ran.stdout.split()[:2]))
        self.program = program

    def argv(self, case, target, how):
        form = {"PCM_16": "S16_LE", "PCM_24": "S24_3_LE", "FLOAT": "F32_LE"}[case.out_subtype]
        chunk, many = how or (65536, False)
        lines = [
            "devices:",
            f"  samplerate: {case.rate}",
            f"  chunksize: {chunk}",
            f"  multithreaded: {str(many).lower()}",
            "  capture:",
            "    type: WavFile",
            f"    filename: {case.source}",
            f"    extra_samples: {case.taps - 1}",
            "  playback:",
            "    type: File",
            f"    channels: {case.channels}",
            f"    filename: {target}",
            f"    format: {form}",
            "    wav_header: true",
            "filters:",
        ]
        for k in range(case.channels):
            lines += [f"  h{k}:", "    type: Conv", "    parameters:", "      type: Wav"]
            own = min(k, case.ir_channels - 1)
            lines += [f"      filename: {case.ir}", f"      channel: {own}"]
        lines.append("pipeline:")
        for k in range(case.channels):
            lines += ["  - type: Filter", f"    channels: [{k}]", f"    names: [h{k}]"]
        config = case.dir / "camilladsp.yml"
        config.write_text("\n".join(lines) + "\n")
        return [self.program, "-l", "error", config]


class Scipy(Subject):
    def argv(self, case, target, _how):
        return [sys.executable, CHILD, "scipy", case.source, case.ir, target]


def subjects(args, missing):
    found = []
    help_text = subprocess.run(
        [args.faltung, "render", "--help"], capture_output=True, text=True
    ).stdout
    if re.search(r"^\s+-j\b", help_text, re.M):
        found += [Faltung(args.faltung, 1)]
    else:
        missing.append("faltung render -j")
    found.append(Faltung(args.faltung, None))
    try:
        import imageio_ffmpeg

        found.append(Ffmpeg("ffmpeg-new", imageio_ffmpeg.get_ffmpeg_exe()))
    except ImportError:
        missing.append("imageio-ffmpeg")
    programs = {
        "ffmpeg": lambda path: Ffmpeg("ffmpeg-old", path),
        args.camilladsp: Camilladsp,
        "fconvolver": lambda _: Fconvolver("fconvolver", "fconvolver"),
        "sox": lambda _: Sox("sox", "sox fir"),
    }
    for program, make in programs.items():
        path = shutil.which(program)
        if path:
            found.append(make(path))
        else:
            missing.append(program)
    found.append(Scipy("scipy", "scipy oaconvolve"))
    return found


# ---------------------------------------------------------------- what comes out


def reference(case):
    """The full convolution in f64."""
    x, _ = sf.read(case.source, dtype="float64", always_2d=True)
    h, _ = sf.read(case.ir, dtype="float64", always_2d=True)
    own = [fftconvolve(x[:, k], h[:, k % h.shape[1]]) for k in range(x.shape[1])]
    return np.stack(own, axis=1)


def read_all(path):
    """Samples of a file, also where its header leaves the length open."""
    y, _ = sf.read(path, dtype="float64", always_2d=True)
    return y


def judge(ours, right):
    """Frames more or less than the whole, gain in dB, the error's RMS beside the result's in dB
    once that gain is taken out, and the largest error in dBFS."""
    n = min(len(ours), len(right))
    y, r = ours[:n], right[:n]
    gain = (y * r).sum() / (r * r).sum()
    error = y - gain * r
    rms = 20 * np.log10(max(np.sqrt((error**2).mean() / (gain * r * gain * r).mean()), 1e-16))
    worst = 20 * np.log10(max(np.abs(error).max(), 1e-16))
    return len(ours) - len(right), 20 * np.log10(abs(gain)), rms, worst


def accuracy(cases, who, work):
    """On a cut of each case, f32 in and out: what everybody makes of it."""
    rows, notes = [], []
    for case in cases:
        cut = min(case.seconds, max(10, 3 * case.ir_seconds))
        same = [case.channels, case.rate, "FLOAT", case.ir_seconds, case.ir_channels]
        short = Case(case.name, "", cut, *same)
        short.make(work)
        right = reference(short)
        for subject in who:
            if not subject.can(short) or subject.label == "faltung -j 1":
                continue
            target = short.target(subject.label)
            try:
                cost(subject.argv(short, target, subject.best(case)))
                frames, gain, rms, worst = judge(read_all(target), right)
            except (Failed, OSError, sf.LibsndfileError) as why:
                notes.append(f"{subject.label}, {case.name}: {str(why).splitlines()[-1]}")
                continue
            rows.append([case.name, subject.label, f"{frames:+d}", f"{gain:+.2f}"])
            rows[-1] += [f"{rms:.1f}", f"{worst:.1f}"]
        shutil.rmtree(short.dir)
    return rows, notes


def dither(args, work):
    """Mean and RMS of the error of 24-bit output, in steps of it. Dither with the density of a
    triangle, and rounding: RMS sqrt(1/12 + 2/12) = 0.5, mean 0."""
    case = Case("steps", "", 20, 2, 48000, "PCM_24", 2).make(work)
    target = case.target("faltung")
    cost(Faltung(args.faltung, None).argv(case, target, None))
    steps = (read_all(target) - reference(case)) * 2**23
    shutil.rmtree(case.dir)
    return steps.mean(), np.sqrt((steps**2).mean()), np.abs(steps).max()


# ---------------------------------------------------------------- time and memory


def in_turns(runs, rounds):
    """Everybody in each round; who takes more than 8 s is spared the third. Median wall time,
    median CPU time, greatest memory of each label, and why somebody failed."""
    costs, failed = {label: [] for label in runs}, {}
    for turn in range(rounds):
        order = list(runs) if turn % 2 == 0 else list(runs)[::-1]
        for label in order:
            had = costs[label]
            if label in failed or turn >= 2 and had[0]["wall"] > 8:
                continue
            try:
                had.append(runs[label]())
                print(f"    {label}: {had[-1]['wall']:.2f} s, {had[-1]['mb']:.0f} MB", flush=True)
            except Failed as why:
                failed[label] = str(why)
                print(f"    {label} failed: {why}", flush=True)
    middle = {}
    for label, had in costs.items():
        if had and label not in failed:
            med = {key: statistics.median(c[key] for c in had) for key in ("wall", "cpu")}
            middle[label] = {**med, "mb": max(c["mb"] for c in had)}
    return middle, failed


def whole_files(case, who, rounds):
    def run(subject):
        return lambda: cost(subject.argv(case, case.target(subject.label), subject.best(case)))

    return in_turns({s.label: run(s) for s in who if s.can(case)}, rounds)


def tune(case, who):
    for subject in who:
        if not subject.can(case) or subject.tries == [None]:
            continue
        found = []
        for how in subject.tries:
            try:
                had = cost(subject.argv(case, case.target(subject.label), how))
            except Failed:
                continue
            # Both count: the one is what matters, the other is what a busy machine disturbs least.
            found.append((had["wall"] + had["cpu"], had["wall"], had["cpu"], how))
        print(f"  {case.name}: {subject.label}")
        for _, wall, cpu, how in sorted(found, key=lambda one: one[0])[:5]:
            print(f"    {wall:.2f} s, CPU {cpu:.2f} s  {how}", flush=True)


def small_files(args, who, work, count, rounds):
    """Many short files, each through one of 20 responses; files per second."""
    base = Path(tempfile.mkdtemp(prefix="small-", dir=work))
    for folder in ("in", "irs", "taps"):
        (base / folder).mkdir()
    speech = base / "speech.wav"
    sound(speech, 600, 1, 16000, "PCM_16", seed=5)
    x, _ = sf.read(speech, dtype="int16")
    rng = np.random.default_rng(6)
    for k in range(count):
        at = rng.integers(0, len(x) - 80000)
        sf.write(base / "in" / f"{k:05}.wav", x[at : at + 80000], 16000, subtype="PCM_16")
    for k in range(20):
        response(base / "irs" / f"{k:02}.wav", 1, 1, 16000, seed=k)
        taps, _ = sf.read(base / "irs" / f"{k:02}.wav", dtype="float32")
        np.savetxt(base / "taps" / f"{k:02}.txt", taps, fmt="%.9g")
    files = sorted((base / "in").iterdir())

    def fresh():
        shutil.rmtree(base / "out", ignore_errors=True)
        (base / "out").mkdir()
        return base / "out"

    def batch():
        out = fresh()
        argv = [args.faltung, "batch", base / "in", "--ir", base / "irs", "--out", out]
        return cost([*argv, "--pick", "random", "-q"])

    def pool():
        return cost([sys.executable, CHILD, "pool", base / "in", base / "irs", fresh()])

    def sox(at_once):
        out = fresh()
        jobs = base / "jobs"
        with open(jobs, "w") as text:
            for k, file in enumerate(files):
                taps = base / "taps" / f"{k % 20:02}.txt"
                text.write(f"{file} {out / file.name} pad 7999s 8000s fir {taps}\n")
        return cost(["xargs", "-a", jobs, "-P", at_once, "-L", "1", "sox", "-V1"])

    runs = {}
    ran = subprocess.run([args.faltung, "batch", "--help"], capture_output=True)
    if ran.returncode == 0:
        runs["faltung batch"] = batch
    runs["scipy fftconvolve, 2 processes"] = pool
    if shutil.which("sox"):
        runs["sox fir, a process for each file"] = lambda: sox(1)
        runs["sox fir, a process for each file, 2 at once"] = lambda: sox(2)
    middle, failed = in_turns(runs, rounds)
    shutil.rmtree(base)
    return middle, failed


# ---------------------------------------------------------------- the report


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |"]
    lines.append("| --- |" + " --: |" * (len(head) - 1))
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return lines


def timings(middle, ours):
    rows = []
    for label, c in sorted(middle.items(), key=lambda one: one[1]["wall"]):
        times = c["wall"] / ours["wall"] if ours else float("nan")
        cells = [f"{c['wall']:.2f}", f"{c['cpu']:.2f}", f"{c['mb']:.0f}", f"{times:.2f}"]
        rows.append([f"**{label}**" if label.startswith("faltung") else label, *cells])
    return rows


def machine():
    model = "unknown"
    if os.path.exists("/proc/cpuinfo"):
        names = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)
        model = names[0] if names else platform.machine()
    return f"{model}, {os.cpu_count()} core(s)"


def write(lines):
    path = ROOT / "benches" / "RESULTS.md"
    text = path.read_text()
    begin, end = MARKS
    part = "\n".join([begin, *lines, end])
    if begin in text and end in text:
        text = text[: text.index(begin)] + part + text[text.index(end) + len(end) :]
    else:
        text = text.rstrip("\n") + "\n\n" + part + "\n"
    path.write_text(text)
    print(f"written to {path}")


def room_for_files():
    """Memory, where there is enough of it, so that the disk takes no part."""
    shm = Path("/dev/shm")
    if shm.is_dir() and shutil.disk_usage(shm).free > 8 << 30:
        return shm
    return Path(tempfile.gettempdir())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for word in ("--quick", "--write", "--tune"):
        parser.add_argument(word, action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--faltung", default=str(ROOT / "target" / "release" / "faltung"))
    parser.add_argument("--camilladsp", default="camilladsp")
    parser.add_argument("--work", type=Path, default=room_for_files())
    args = parser.parse_args()
    if not shutil.which(args.faltung):
        sys.exit(f"{args.faltung}: not there; `cargo build --release` makes it, or name another")
    began, load = time.time(), os.getloadavg()
    rounds = args.rounds or (1 if args.quick else 3)
    missing = []
    who = subjects(args, missing)
    cases = [case for case in CASES if args.only in case.name]
    if args.quick:
        for case in cases:
            case.what += ", a twentieth of it"
            case.seconds /= 20
    work = Path(tempfile.mkdtemp(prefix="faltung-offline-", dir=args.work))
    lines = [
        "",
        "# Whole files",
        "",
        "Written by `python benches/offline/offline.py --write`; do not edit.",
        "",
        f"- {machine()}; {datetime.now(timezone.utc):%Y-%m-%d}",
        f"- load average at start {' '.join(f'{x:.2f}' for x in load)}",
        "",
        "**Method.** The recordings of `assets/`, again and again with other levels, through "
        "decaying noise. Programs run one after the other, round after round in turned order; "
        "wall and CPU time are medians of three rounds (of two where a run takes more than 8 s), "
        "from a program's start to its end, memory the greatest resident set of one process (some "
        "8 MB is the least that can be told). Files lie in memory, so no disk is timed; "
        "faltung's bringing its result to the medium costs nothing there. Each channel of the "
        "stereo case has a response of its own; results are whole to the end of the tail in the "
        "input's format. "
        "Peers that end with their input get silence appended, peers that normalise are told not "
        "to. Their settings are those that a search (`--tune`) found fastest, but for fconvolver "
        "and CamillaDSP with eight channels, which were not searched.",
        "",
    ]
    try:
        for case in cases:
            print(f"{case.name}: {case.what}", flush=True)
            case.make(work, case.seconds / 8 if args.tune else None)
            if args.tune:
                tune(case, who)
            else:
                middle, failed = whole_files(case, who, rounds)
                ours = middle.get("faltung")
                lines += [f"## {case.what}", ""]
                head = ["", "wall s", "CPU s", "memory MB", "times faltung's"]
                lines += table(head, timings(middle, ours)) + [""]
                one = middle.get("faltung -j 1")
                if ours and one:
                    ratio = one["wall"] / ours["wall"]
                    lines += [f"All cores against one: {ratio:.2f} times as fast.", ""]
                lines += [f"Failed: {label}." for label in failed]
            shutil.rmtree(case.dir)
        if args.tune:
            return
        if not args.only or args.only in "small":
            count = 100 if args.quick else 1000
            print(f"{count} small files", flush=True)
            middle, _ = small_files(args, who, work, count, rounds)
            lines += [f"## {count} files of 5 s, 16 kHz mono 16-bit, 20 IRs of 1 s", ""]
            ours = middle.get("faltung batch")
            rows = []
            for label, c in sorted(middle.items(), key=lambda one: one[1]["wall"]):
                times = f"{c['wall'] / ours['wall']:.1f}" if ours else ""
                realtime = f"{count * 5 / c['wall']:.0f}"
                rows.append([label, f"{count / c['wall']:.0f}", realtime, f"{c['cpu']:.1f}", times])
            head = ["", "files/s", "times real time", "CPU s", "times faltung's time"]
            lines += table(head, rows) + [""]
        print("accuracy", flush=True)
        rows, notes = accuracy(cases, who, work)
        lines += ["## What comes out", ""]
        lines += [
            "Cuts of the same, f32 in and out, against scipy in f64. Frames beside the full "
            "convolution's; gain that was applied though nobody asked; RMS of the error beside "
            "the result's, that gain taken out; the largest error.",
            "",
        ]
        head = ["case", "", "frames", "gain dB", "error dB", "largest dBFS"]
        lines += table(head, rows) + [""]
        lines += [f"- {note}" for note in notes]
        mean, rms, most = dither(args, work)
        lines += [
            f"24-bit output of faltung, in its own steps: error of mean {mean:+.4f}, RMS "
            f"{rms:.4f} (rounding and triangular dither: 0.5), largest {most:.2f} (1.5 and f32's).",
            "",
        ]
        if missing:
            lines += [f"Not there: {', '.join(missing)}.", ""]
        lines.append(f"Load average at the end {' '.join(f'{x:.2f}' for x in os.getloadavg())}.")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print("\n".join(lines))
    print(f"\ntook {time.time() - began:.0f} s")
    if args.write:
        write(lines)


if __name__ == "__main__":
    main()
