"""What the scripts here share of the libraries that they run distgat beside: their Python environments, and launching a program."""
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
# The newest releases that work together; DGL ends at this release, which is built for this torch.
REQUIREMENTS = {
    "pyg": ["torch==2.15.0", "torch_geometric==2.8.1", "numpy", "scipy", "h5py"],
    "dgl": ["torch==2.2.1", "dgl==2.1.0", "torchdata<0.8", "numpy<2", "scipy", "h5py", "pandas", "pyyaml", "pydantic",
            "setuptools<80"],
}
SKIPPED = 77


def say(text):
    print("peers: " + text, file=sys.stderr, flush=True)


def environment(library, cache):
    """The Python of a library's environment, made where it is not there yet; None where it cannot be."""
    folder, wanted = os.path.join(cache, library), "\n".join(REQUIREMENTS[library])
    python, stamp = os.path.join(folder, "bin", "python"), os.path.join(folder, "installed.txt")
    if os.path.exists(stamp) and open(stamp).read() == wanted:
        return python
    say(f"installing {', '.join(REQUIREMENTS[library])} in {folder}; this takes minutes and some gigabytes")
    check = "import dgl" if library == "dgl" else "import torch_geometric"
    for command in ([sys.executable, "-m", "venv", "--clear", folder],
                    [python, "-m", "pip", "install", "--quiet", *REQUIREMENTS[library]], [python, "-c", check]):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:]
            say(f"{library} is left out: {' '.join(command[:4])} ended with {done.returncode}: {''.join(last)}")
            return None
    with open(stamp, "w") as f:
        f.write(wanted)
    return python


def launch(command, threads):
    """The command's JSON line, with the seconds from start to exit; None where it is skipped or fails."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
    settings = {**os.environ, **{name: str(threads) for name in names}, "DGLBACKEND": "pytorch"}
    before = time.perf_counter()
    done = subprocess.run([str(word) for word in command], env=settings, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True)
    seconds = time.perf_counter() - before
    if done.returncode != 0:
        if done.returncode != SKIPPED:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:]
            say(f"{' '.join(map(str, command[:8]))} ended with {done.returncode}: {''.join(last)}")
        return None
    return {**json.loads(done.stdout.strip().splitlines()[-1]), "seconds": seconds}


def add_arguments(parser):
    """The program, and where the environments are."""
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "distgat-peers")
    program = os.environ.get("DISTGAT") or os.path.join(SOURCE, "build", "release", "distgat")
    parser.add_argument("--distgat", default=program, metavar="PATH", help="the program")
    parser.add_argument("--environments", default=cache, metavar="DIR", help="where the Python environments are kept")
