"""The processes that offline.py begins: one that measures a command, and what scipy is used for."""

import os
import sys
import time


def launch(*argv):
    """Runs a command; prints wall and CPU seconds and peak memory in MB. In a small process of its
    own, since the kernel counts to a child's peak what its parent held when it was begun."""
    nothing = os.open(os.devnull, os.O_RDWR)
    to = [(os.POSIX_SPAWN_DUP2, nothing, 0), (os.POSIX_SPAWN_DUP2, nothing, 1)]
    began = time.perf_counter()
    child = os.posix_spawnp(argv[0], argv, os.environ, file_actions=to)
    _, status, used = os.wait4(child, 0)
    wall = time.perf_counter() - began
    print(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
    return os.waitstatus_to_exitcode(status)


def scipy(source, ir, target):
    """What one writes with scipy: all at once, in f32."""
    import numpy as np
    import soundfile as sf
    from scipy.signal import oaconvolve

    about = sf.info(source)
    x, rate = sf.read(source, dtype="float32", always_2d=True)
    h, _ = sf.read(ir, dtype="float32", always_2d=True)
    y = np.empty((len(x) + len(h) - 1, x.shape[1]), np.float32)
    for k in range(x.shape[1]):
        y[:, k] = oaconvolve(x[:, k], h[:, k % h.shape[1]])
    sf.write(target, y, rate, subtype=about.subtype)


IRS = []


def begin(folder):
    import soundfile as sf

    for name in sorted(os.listdir(folder)):
        IRS.append(sf.read(os.path.join(folder, name), dtype="float32")[0])


def one(job):
    import soundfile as sf
    from scipy.signal import fftconvolve

    k, source, target = job
    x, rate = sf.read(source, dtype="float32")
    sf.write(target, fftconvolve(x, IRS[k % len(IRS)]), rate, subtype="PCM_16")


def pool(sources, irs, targets):
    """A folder with two processes, each file through one of the responses."""
    from multiprocessing import Pool

    names = enumerate(sorted(os.listdir(sources)))
    jobs = [(k, os.path.join(sources, name), os.path.join(targets, name)) for k, name in names]
    with Pool(2, begin, [irs]) as workers:
        for _ in workers.imap_unordered(one, jobs, chunksize=16):
            pass


if __name__ == "__main__":
    what = {"launch": launch, "scipy": scipy, "pool": pool}[sys.argv[1]]
    sys.exit(what(*sys.argv[2:]))
