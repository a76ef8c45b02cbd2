"""Finds the processes of a job."""
import os
import time

import program


def facts(pid):
    """State and parent."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            state, parent = f.read().rpartition(")")[2].split()[:2]
            return state, int(parent)
    except OSError:  # gone
        return None, 0


def state(pid):
    return facts(pid)[0]


def parent(pid):
    return facts(pid)[1]


def writes_to(pid, descriptor):
    """Whether it waits in a call that writes there, where the system tells."""
    try:
        with open(f"/proc/{pid}/syscall") as f:
            words = f.read().split()
    except OSError:
        return False
    return len(words) > 1 and int(words[1], 16) == descriptor


def below(pid):
    """The ranks that a launcher has started, itself or through helpers of its own."""
    found = []
    for child in (int(name) for name in os.listdir("/proc") if name.isdigit() and parent(name) == pid):
        try:
            is_rank = os.path.realpath(f"/proc/{child}/exe") == os.path.realpath(program.DISTGAT)
        except FileNotFoundError:  # it has ended meanwhile
            continue
        found += [child] if is_rank else below(child)
    return found


def wait(condition, seconds=60):
    """Waits until it holds; gives whether it came to that."""
    give_up = time.monotonic() + seconds
    while not condition() and time.monotonic() < give_up:
        time.sleep(0.01)
    return bool(condition())
