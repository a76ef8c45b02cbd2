#!/usr/bin/env python3
"""A folder is a layer, and includes point down only; HDF5, METIS and MPI are known only where they belong."""

import os
import pathlib
import re
import sys

ROOT = pathlib.Path(os.environ.get("DISTGAT_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
LAYERS = ["base", "kernels", "par", "data", "field", "partition", "generate", "nn", "train", "cli"]

# Public headers belong to the room that has the source of the same name; of these there is none, or the verb's.
HEADER_ROOM = {"api.h": "base", "ids.h": "base", "real.h": "base", "rng.h": "base", "graph.h": "data", "generate.h": "data",
               "field.h": "field", "counts.h": "field", "partition.h": "partition", "model.h": "nn", "config.h": "train",
               "train.h": "train", "distgat.h": "train"}


def rooms():
    """Each room with its folder."""
    return {room: ROOT / room if room == "partition" else ROOT / "src" / room for room in LAYERS}


def header_room(name):
    """The room of a public header, None where nothing tells it."""
    if name in HEADER_ROOM:
        return HEADER_ROOM[name]
    return next((room for room, folder in rooms().items() if (folder / name).with_suffix(".c").is_file()), None)


def room_of(path):
    """The room of a file of the project."""
    if path.parent == ROOT / "include" / "distgat":
        return header_room(path.name)
    return next((room for room, folder in rooms().items() if folder in path.parents), None)


def resolve(path, quote, target):
    """The file of the project that an include means, None where it is a system's."""
    places = [ROOT / "include", ROOT / "src", ROOT]
    if quote == '"':
        places.insert(0, path.parent)
    return next((place / target for place in places if (place / target).is_file()), None)


def foreign_fault(path, target):
    """What is wrong with including a system's header here, if anything."""
    name = path.relative_to(ROOT).as_posix()
    if name == "src/cli/version.c":  # names what is in use
        return None
    if target.startswith("hdf5") and not name.startswith("src/data/h5"):
        return "only src/data/h5*.c include hdf5.h"
    if target == "metis.h" and room_of(path) != "partition":
        return "only partition/ includes metis.h"
    if target == "mpi.h" and room_of(path) == "base":
        return "base knows nothing of MPI"
    return None


def include_fault(path, quote, target):
    """What is wrong with one include, if anything."""
    found = resolve(path, quote, target)
    if found is None:
        return foreign_fault(path, target)
    here, there = room_of(path), room_of(found.resolve())
    if there is None:
        return "no room has this header: add it to HEADER_ROOM"
    if LAYERS.index(there) > LAYERS.index(here):
        return f"points up, from {here} to {there}"
    if path.parent.name == "distgat" and found.resolve().parent != path.parent:
        return "a public header includes a private one"
    return None


def public_faults():
    """Public headers that distgat.h leaves out, or that C++ and the shared library cannot use."""
    folder = ROOT / "include" / "distgat"
    whole = (folder / "distgat.h").read_text()
    for path in sorted(folder.glob("*.h")):
        text = path.read_text()
        if path.name != "distgat.h" and f"#include <distgat/{path.name}>" not in whole:
            yield f"{path.name}: distgat.h does not include it"
        if path.name not in ("distgat.h", "api.h") and re.search(r"^\w.*\w\(", text, re.M) and \
                not ("\nDG_API_BEGIN\n" in text and "\nDG_API_END\n" in text):
            yield f"{path.name}: its functions are not between DG_API_BEGIN and DG_API_END"


def files():
    """Public headers and the sources and headers of all rooms."""
    found = sorted((ROOT / "include" / "distgat").glob("*.h"))
    for folder in rooms().values():
        found += sorted(folder.rglob("*.[ch]"))
    return found


def main():
    faults = list(public_faults())
    for path in files():
        name = path.relative_to(ROOT)
        if room_of(path) is None:
            faults.append(f"{name}: no room has {path.stem}.c: add the header to HEADER_ROOM")
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            include = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            fault = include and include_fault(path, *include.groups())
            if fault:
                faults.append(f"{name}:{number}: {include.group(2)}: {fault}")
    print("\n".join(faults) if faults else f"{len(files())} files, all includes point down")
    return 1 if faults or not files() else 0


if __name__ == "__main__":
    sys.exit(main())
