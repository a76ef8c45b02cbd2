"""t-SNE of many matrices: what was made before is kept, the rest is shared out to the cores."""
import concurrent.futures
import contextlib
import hashlib
import inspect
import multiprocessing
import os
import time
from pathlib import Path

import numpy as np

# As good by its divergence as twice the iterations or an angle of 0.5, in a third of the time.
ITERATIONS, PERPLEXITY, ANGLE = 500, 30, 0.8
NODES_A_WORKER = 2000
MOST_KEPT = 500
LEAST_NODES = 5


def project_all(matrices, say):
  """Places in two dimensions by the matrices' names, None where a matrix is too small or not finite."""
  places = {name: None for name in matrices}
  wanted = {}
  for name, matrix in matrices.items():
    if len(matrix) >= LEAST_NODES and np.isfinite(matrix).all():
      places[name] = recall(matrix)
      if places[name] is None:
        wanted[name] = matrix
  if wanted:
    places.update(project_in_parallel(wanted, say))
  elif any(place is not None for place in places.values()):
    say("t-SNE: all known from before")
  return places


def project_in_parallel(matrices, say):
  cores, nodes = len(os.sched_getaffinity(0)), len(next(iter(matrices.values())))
  workers = min(cores, len(matrices), 1 + nodes * len(matrices) // NODES_A_WORKER)
  threads = cores // workers if workers > 1 else 1
  say(f"t-SNE of {len(matrices)} embeddings of {nodes:,} nodes on {workers} of {cores} cores")
  places, start = {}, time.monotonic()
  with make_pool(workers) as pool:
    jobs = {pool.submit(project, matrix, threads): name for name, matrix in matrices.items()}
    for job in concurrent.futures.as_completed(jobs):
      name = jobs[job]
      places[name] = job.result()
      keep(matrices[name], places[name])
      say(f"t-SNE {len(places)} of {len(jobs)}: {', '.join(map(str, name))} ({time.monotonic() - start:.0f} s)")
  return places


def make_pool(workers):
  """Processes of their own; for little work they would take longer to start than it does."""
  if workers == 1:
    return concurrent.futures.ThreadPoolExecutor(1)
  return concurrent.futures.ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))


def project(matrix, threads):
  """[n, 2], the same each time."""
  os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # idle threads leave the cores to others
  from sklearn.manifold import TSNE  # loaded by those who need it
  from threadpoolctl import threadpool_limits
  steps = "max_iter" if "max_iter" in inspect.signature(TSNE).parameters else "n_iter"  # renamed in scikit-learn 1.5
  constant = np.ptp(matrix, axis=0).max(initial=0) == 0 or matrix.shape[1] < 2
  settings = {"init": "random" if constant else "pca", "learning_rate": "auto", "random_state": 0, "n_jobs": threads,
              "perplexity": min(PERPLEXITY, (len(matrix) - 1) / 3), "angle": ANGLE, steps: ITERATIONS}
  with threadpool_limits(threads):
    return TSNE(**settings).fit_transform(matrix)


# What was made before

def folder():
  return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "distgat", "tsne")


def file_of(matrix):
  found = hashlib.sha256(f"{matrix.shape} {matrix.dtype} {ITERATIONS} {PERPLEXITY} {ANGLE}".encode())
  found.update(np.ascontiguousarray(matrix).tobytes())
  return folder() / f"{found.hexdigest()[:40]}.npy"


def recall(matrix):
  try:
    places = np.load(file_of(matrix), allow_pickle=False)
    return places if places.shape == (len(matrix), 2) else None
  except (OSError, ValueError, EOFError):
    return None


def keep(matrix, places):
  """Nothing is lost where it cannot be kept."""
  path = file_of(matrix)
  part = path.with_suffix(f".{os.getpid()}.part")
  try:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(part, "wb") as file:
      np.save(file, places)
    part.replace(path)
    kept = sorted(path.parent.glob("*.npy"), key=lambda file: file.stat().st_mtime)
    for old in kept[:-MOST_KEPT]:
      old.unlink(missing_ok=True)
  except OSError:
    with contextlib.suppress(OSError):
      part.unlink()
