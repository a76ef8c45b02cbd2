"""Import before numpy, scipy and h5py: where the running python3 lacks them, the script starts over with the system's."""
import importlib.util
import os
import shutil
import sys

PACKAGES = {"numpy": "python3-numpy", "scipy": "python3-scipy", "h5py": "python3-h5py"}

sys.dont_write_bytecode = True
missing = [debian for name, debian in PACKAGES.items() if importlib.util.find_spec(name) is None]
if missing:
    system = shutil.which("python3", path=os.defpath)
    if system is None or os.environ.get("DISTGAT_SYSTEM_PYTHON"):
        print("skipped: needs the Debian packages " + " ".join(missing))
        sys.exit(77)
    os.environ["DISTGAT_SYSTEM_PYTHON"] = "1"
    os.execv(system, [system] + sys.argv)
