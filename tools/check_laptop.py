"""Is this laptop ready for the lessons? ``python tools/check_laptop.py``: a line for each thing.

Python, memory, disk, a lesson's start without network, and, where there is Chromium, a slider.
Where something is missing, its line says what to do. Nothing is changed.
"""

import json
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
NOTEBOOKS = ROOT / "notebooks"
PYTHONS = ((3, 11), (3, 13))
MEMORY_GIB = 2  # free: a kernel takes 0.7, Lab and a browser the others
DISK_GIB = 1
# Runs a lesson's first code cell; nothing but this machine may be asked for anything.
OFFLINE = """
import sys
def no_network(event, arguments):
    if event not in ("socket.connect", "socket.getaddrinfo"):
        return
    asked = str(arguments[1] if event == "socket.connect" else arguments[0])
    if "127.0.0.1" not in asked and "localhost" not in asked:
        raise OSError(f"it asks the network: {asked}")
sys.addaudithook(no_network)
exec(sys.argv[1], {})
"""


def check_python(found=sys.version_info):
    """Return what is wrong with this Python, or ""."""
    if PYTHONS[0] <= tuple(found[:2]) <= PYTHONS[1]:
        return ""
    return (
        f"Python {found[0]}.{found[1]} is here, and the lessons need 3.11, 3.12 or 3.13: "
        "`make lab PYTHON=python3.12` takes another one."
    )


def check_memory(available=None):
    """Return what is wrong with the memory that is free now, in GiB, or ""."""
    if available is None:
        import psutil  # comes with Jupyter; missing, it is the packages' line that says so

        available = psutil.virtual_memory().available / 2**30
    if available >= MEMORY_GIB:
        return ""
    return (
        f"{available:.1f} GiB of memory are free, and a lesson beside a browser needs "
        f"{MEMORY_GIB}: close other programs."
    )


def check_disk(free=None):
    """Return what is wrong with the free disk, in GiB, or ""."""
    free = shutil.disk_usage(ROOT).free / 2**30 if free is None else free
    if free >= DISK_GIB:
        return ""
    return f"{free:.1f} GiB of disk are free, and the lessons need {DISK_GIB}: delete something."


def check_offline_start(source=None):
    """Return what goes wrong when a lesson's set-up cell runs without network, or ""."""
    source = _set_up() if source is None else source
    command = [sys.executable, "-c", OFFLINE, source]
    done = subprocess.run(command, cwd=NOTEBOOKS, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return ""
    last = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
    return f"The first lesson does not start: {last}. Run `make lab` once, with network."


def check_slider():
    """Return what goes wrong when a slider is moved in Chromium, "" if nothing, None without it."""
    try:
        import nbformat

        from tools import lab
        from tools.store import METADATA
    except ImportError:  # Playwright comes with the test packages
        return None
    if lab.CHROMIUM is None:
        return None
    cell = nbformat.v4.new_code_cell(
        "from helpers import data\nfrom helpers.explorers import explore_windows\n"
        "explore_windows(data.ragged_batch(), steps=2)"
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "slider.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=METADATA), file)
        (Path(folder) / "lab").mkdir()
        with (
            lab.running_lab([file], Path(folder) / "lab") as address,
            lab.running_chromium() as chromium,
        ):
            page = chromium.new_page()
            page.set_default_timeout(120_000)
            lab.open_notebook(page, address, "slider.ipynb")
            lab.run_all(page)
            picture = page.locator(".jp-OutputArea img").first
            before = picture.get_attribute("src")
            page.locator("input[type=range]").first.focus()
            page.keyboard.press("ArrowRight")
            for _ in range(50):
                if picture.get_attribute("src") != before:
                    return ""
                page.wait_for_timeout(200)
    return "A slider was moved in Chromium, and its picture stayed as it was: run `make test`."


def _set_up():
    cells = json.loads((NOTEBOOKS / "00_which_steps.ipynb").read_text(encoding="utf-8"))["cells"]
    first = next("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    return "\n".join(line for line in first.splitlines() if not line.startswith("%"))


CHECKS = {
    "Python": check_python,
    "Memory": check_memory,
    "Disk": check_disk,
    "Start without network": check_offline_start,
    "A slider in the browser": check_slider,
}


def main(checks=None):
    """Print a line for each check; return 1 if something is missing, else 0."""
    print(f"{platform.system()} {platform.machine()}, Python {platform.python_version()}")
    missing = 0
    for name, check in (CHECKS if checks is None else checks).items():
        try:
            wrong = check()
        except Exception as problem:
            first = (str(problem).splitlines() or [type(problem).__name__])[0]
            wrong = f"This could not be tried: {first}"
        if wrong is None:
            print(f"–  {name}: not tried, since there is no Chromium here. Move one by hand.")
        elif wrong:
            print(f"✘  {name}: {wrong}")
        else:
            print(f"✔  {name}")
        missing += bool(wrong)
    print("Ready." if not missing else f"{missing} to put right.")
    return int(bool(missing))


if __name__ == "__main__":
    sys.exit(main())
