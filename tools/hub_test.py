"""A class on one server, measured: ``python tools/hub_test.py [1 5 10]``, after ``make hub``.

So many learners log in to a hub of their own, each in a browser, open a lesson, run all and move a
slider, all at once. Then, with two learners, a kernel is killed, the hub is restarted and memory
runs out. teaching/hub/measured.md and measured.png get what was found.
"""

import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from matplotlib.figure import Figure

from helpers import plots
from tools.lab import CONNECTED, SETTINGS, free_port, running_chromium, wait_for

ROOT = Path(__file__).parent.parent
HUB = ROOT / ".venv" / "hub"
OUT = ROOT / "teaching" / "hub"
LESSON = "03_masking.ipynb"
PASSWORD = "steps-and-windows"
PRESSES = 20
RUN_ALL = """() => { for (const command of
    ["notebook:clear-all-cell-outputs", "notebook:run-all-cells"])
    void window.jupyterapp.commands.execute(command); }"""
LIVE = "() => document.querySelector('.jp-OutputArea input[type=range]') !== null"
RAN = """() => [...document.querySelectorAll(".jp-CodeCell .jp-InputPrompt")]
    .every(prompt => /[0-9]/.test(prompt.textContent))"""
# Moves of the first slider, one after the other: the ms from each to the new picture.
PRESS = """presses => {
    const slider = document.querySelector(".jp-OutputArea input[type=range]");
    const explorer = [...document.querySelectorAll(".jupyter-widgets.widget-vbox")]
        .find(each => each.contains(slider) && each.querySelector("img"));
    const source = () => explorer.querySelector("img").src;
    const press = up => new Promise(resolve => {
        const before = source(), pressed = performance.now();
        up ? slider.stepUp() : slider.stepDown();  // a made-up key event moves nothing
        slider.dispatchEvent(new Event("input", {bubbles: true}));
        const look = () => source() === before && performance.now() - pressed < 60000
            ? setTimeout(look, 2)
            : requestAnimationFrame(() => resolve(performance.now() - pressed));
        look();
    });
    window.latencies = null;
    (async () => {
        const found = [];
        let up = slider.value < +slider.max;
        for (let n = 0; n < presses; n++) {
            found.push(await press(up));
            up = !up;
            await new Promise(resolve => setTimeout(resolve, 200));
        }
        window.latencies = found;
    })();
}"""
ASK_KERNEL = """async code => {
    const context = window.jupyterapp.shell.currentWidget.context.sessionContext;
    const future = context.session.kernel.requestExecute({code});
    const said = [];
    future.onIOPub = message => {
        const {text, ename, evalue} = message.content;
        if (text || ename) said.push(text || `${ename}: ${evalue}`);
    };
    await future.done;
    return said.join("").trim();
}"""


@contextmanager
def running_hub(folder):
    """Start a hub for the class in `folder`; give an object with its address and `restart`."""
    hub = _Hub(Path(folder))
    try:
        hub.start()
        yield hub
    finally:
        hub.stop()


class _Hub:
    def __init__(self, folder):
        ports = [free_port() for _ in range(3)]
        self.address, self.folder = f"http://127.0.0.1:{ports[0]}", folder
        names = ("LESSONS_PORT", "LESSONS_HUB_PORT", "LESSONS_PROXY_PORT")
        self._environment = {
            **os.environ,
            **dict(zip(names, map(str, ports), strict=True)),
            "LESSONS_CLASS": str(folder),
            "LESSONS_EDITION": str(ROOT),
            "LESSONS_PASSWORD": PASSWORD,
            "LESSONS_ARGUMENTS": "--LabApp.expose_app_in_browser=True",
        }

    def start(self):
        command = [HUB / "bin" / "python", "-m", "jupyterhub"]
        command += ["--config", ROOT / "teaching" / "hub" / "jupyterhub_config.py"]
        log = (self.folder / "hub.log").open("a")
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=self._environment, stdout=log, stderr=subprocess.STDOUT
        )
        log.close()
        wait_for(f"{self.address}/hub/health", self.process, self.folder / "hub.log")

    def restart(self):
        """Stop the hub and its proxy, not the learners' servers; start it again."""
        self.process.terminate()
        self.process.wait(timeout=60)
        self.start()

    def stop(self):
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=60)
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def processes(self, learner=None):
        """Return the processes of a learner, or of all learners of this hub."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                environment = process.environ()
                if not environment.get("HOME", "").startswith(str(self.folder)):
                    continue
                if learner in (None, environment.get("JUPYTERHUB_USER")):
                    found.append(process)
        return found


def log_in(hub, browser, names):
    """Let all learners log in at once; return their pages and the seconds to their servers."""
    pages = {}
    for name in names:
        for plugin, settings in SETTINGS.items():
            file = f"{hub.folder}/{name}/.jupyter/lab/user-settings/{plugin}.jupyterlab-settings"
            Path(file).parent.mkdir(parents=True, exist_ok=True)
            Path(file).write_text(json.dumps(settings))
        pages[name] = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        pages[name].set_default_timeout(600_000)
        pages[name].goto(f"{hub.address}/hub/login")
        pages[name].fill("#username_input", name)
        pages[name].fill("#password_input", PASSWORD)
    start = time.perf_counter()
    for page in pages.values():
        page.evaluate("document.querySelector('#login_submit').click()")
    arrived = _until(pages, "() => location.pathname.startsWith('/user/')")
    return pages, {name: at - start for name, at in arrived.items()}


def open_and_run(hub, pages):
    """Open the lesson, run all; return who had to load it twice, and what `run_all` returns."""
    for name, page in pages.items():
        _go_to_lesson(hub, name, page)
    _until(pages, "() => !!document.querySelector('.jp-Notebook .jp-Cell') && !!window.jupyterapp")
    again = _connect(hub, pages)
    time.sleep(2)  # `?reset` may start a second connection
    _until(pages, CONNECTED)
    return again, *run_all(pages)


def _go_to_lesson(hub, name, page):
    address = f"{hub.address}/user/{name}/doc/tree/notebooks/{LESSON}?reset"
    page.goto(address, wait_until="commit")


def _connect(hub, pages):
    """Wait for each page's kernel; return whose page had to be loaded again after two minutes."""
    found = _until(pages, CONNECTED, seconds=120, all_of_them=False)
    waiting = {name: page for name, page in pages.items() if name not in found}
    for name, page in waiting.items():
        page.screenshot(path=Path(tempfile.gettempdir()) / f"no-kernel-{name}.png")
        _go_to_lesson(hub, name, page)
    _until(waiting, CONNECTED)
    return list(waiting)


def run_all(pages):
    """Run all cells of each; return the seconds to a live explorer and to the last cell."""
    start = time.perf_counter()
    for page in pages.values():
        page.evaluate(RUN_ALL)
    live = _until(pages, LIVE)
    ended = _until(pages, RAN)
    return [{name: at - start for name, at in times.items()} for times in (live, ended)]


def press_keys(pages, presses=PRESSES):
    """Press arrow keys on a slider of each, all at once; return the ms to each new picture."""
    for page in pages.values():
        page.evaluate(PRESS, presses)
    _until(pages, "() => window.latencies !== null")
    return {name: page.evaluate("window.latencies") for name, page in pages.items()}


def _until(pages, condition, seconds=900, *, all_of_them=True):
    """Return when a condition first held on each page, or on those where it held in time."""
    found, end = {}, time.perf_counter() + seconds
    while len(found) < len(pages):
        for name, page in pages.items():
            with suppress(Exception):  # a page that is on its way to another one
                if name not in found and page.evaluate(condition):
                    found[name] = time.perf_counter()
        if time.perf_counter() > end and not all_of_them:
            break
        if time.perf_counter() > end:
            raise TimeoutError(f"Not within {seconds} s: {sorted(set(pages) - set(found))}")
        time.sleep(0.05)
    return found


def needs_of(hub, learner):
    """Return what a learner's processes took: MB private, MB with a share of shared, CPU s."""
    found = hub.processes(learner)
    memory = [process.memory_full_info() for process in found]
    used = sum(sum(process.cpu_times()[:2]) for process in found)
    return sum(m.uss for m in memory) / 1e6, sum(m.pss for m in memory) / 1e6, used


def measure(learners):
    """Return what so many learners at once were found to wait for, and to need."""
    names = [f"learner{n}" for n in range(1, learners + 1)]
    with (
        tempfile.TemporaryDirectory() as folder,
        running_hub(folder) as hub,
        running_chromium() as browser,
    ):
        pages, server = log_in(hub, browser, names)
        again, live, ended = open_and_run(hub, pages)
        keys = press_keys(pages)
        private, shared, used = zip(*(needs_of(hub, name) for name in names), strict=True)
        hub_memory = psutil.Process(hub.process.pid).memory_full_info().uss / 1e6
    return {
        "learners": learners,
        "server": list(server.values()),
        "live": list(live.values()),
        "ended": list(ended.values()),
        "keys": [each for latencies in keys.values() for each in latencies],
        "private": list(private),
        "shared": list(shared),
        "used": list(used),
        "hub": hub_memory,
        "again": again,
        "load": os.getloadavg()[1] if hasattr(os, "getloadavg") else None,
    }


def try_faults():
    """Kill a kernel, restart the hub, ask for too much memory; return what was seen."""
    seen = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        running_hub(folder) as hub,
        running_chromium() as browser,
    ):
        pages, _ = log_in(hub, browser, ["ada", "bob"])
        open_and_run(hub, pages)
        ada, bob = pages.values()
        ada.evaluate(ASK_KERNEL, "kept = 42")

        start = time.perf_counter()
        hub.restart()
        restarted = time.perf_counter() - start
        keys = press_keys(pages, 3)
        asked = _close_dialog(ada, "not running")
        _close_dialog(bob, "not running")
        kept = ada.evaluate(ASK_KERNEL, "print(kept)")
        assert kept == "42", kept
        waited = max(times[0] for times in keys.values()) / 1000
        seen["The hub is restarted"] = (
            f"It is back after {restarted:.0f} s. The learners' servers go on: sliders move (a key "
            f"that is pressed at once waits for the connection, {waited:.1f} s), and what a kernel "
            f"held is still there. JupyterLab asks “{asked}” Press Dismiss."
        )

        said = ada.evaluate(ASK_KERNEL, "import numpy as np\nx = np.ones((40_000, 40_000))")
        assert said.startswith("_ArrayMemoryError") or "MemoryError" in said, said
        assert ada.evaluate(ASK_KERNEL, "print(kept)") == "42"
        seen["A cell asks for more memory than a learner may have"] = (
            f"The cell says “{said.removeprefix('numpy._core._exceptions.')}” "
            "The kernel goes on with all that it held."
        )

        (kernel,) = [p for p in hub.processes("ada") if "ipykernel_launcher" in p.cmdline()]
        kernel.send_signal(signal.SIGKILL)  # what the system does where no limit holds
        start = time.perf_counter()
        said = _close_dialog(ada, "kernel")
        _until({"ada": ada}, CONNECTED)
        back = time.perf_counter() - start
        press_keys({"bob": bob}, 3)
        file = Path(folder) / "ada" / "notebooks" / LESSON
        assert json.loads(file.read_text(encoding="utf-8"))["cells"]
        _, ended = run_all({"ada": ada})
        press_keys({"ada": ada}, 3)
        seen["A learner's kernel is killed"] = (
            f"JupyterLab says “{said}” A new kernel is there after {back:.0f} "
            f"s; “Run all” brings the lesson back in {ended['ada']:.0f} s. The notebook, and the "
            "other learner, are as they were."
        )
    return seen


def _close_dialog(page, about):
    """Press the first button of a dialog that holds the words `about`; return what it says."""
    dialog = page.locator(".jp-Dialog", has_text=about).first
    dialog.wait_for()
    said = " ".join(dialog.locator(".jp-Dialog-body").inner_text().split())
    dialog.locator("button.jp-mod-styled").first.click()
    return said


def describe(found, seen):
    """Return the page: a table of the measurements, the size of a server, and the faults."""
    memory = psutil.virtual_memory().total / 2**30
    lines = [
        "# A class on one server, measured",
        "",
        f"By `make hub-test` on {os.cpu_count()} cores with {memory:.0f} GiB, "
        f"Python {platform.python_version()}; the browsers ran on the same machine. Each learner "
        f"opens {Path(LESSON).stem}, runs all cells and presses {PRESSES} keys on a slider, all "
        "at the same time. Medians, and the slowest in brackets. A load above the number of cores "
        "and of learners means that other work ran on the machine: then the waits are too long.",
        "",
        "![Waits and memory by the number of learners](measured.png)",
        "",
        "| Learners | Log in to own server, s | Run all to live explorer, s | to the end, s | "
        "Key to picture, ms | Private, MB a learner | With a share of what is shared, MB | "
        "Processor, s a learner | Load of the machine |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in found:
        waits = [_spread(row[part], ".0f") for part in ("server", "live", "ended", "keys")]
        memories = [f"{statistics.median(row[part]):.0f}" for part in ("private", "shared", "used")]
        lines.append(
            f"| {row['learners']} | {' | '.join([*waits, *memories])} | {row['load']:.1f} |"
        )
    lines += [
        "",
        f"The hub itself takes {max(row['hub'] for row in found):.0f} MB. What a single process "
        "uses counts as private: with one learner, the 0.4 GB of TensorFlow's code, which several "
        "learners share.",
        "",
    ]
    again = sum(len(row["again"]) for row in found)
    if again:
        lines += [
            f"In {again} of {sum(row['learners'] for row in found)} pages no kernel had answered "
            "after two minutes: the page was loaded again, and then it did.",
            "",
        ]
    lines += ["## When something fails", ""]
    lines += [f"- **{fault}.** {what}" for fault, what in seen.items()]
    return "\n".join(lines) + "\n"


def _spread(values, form):
    return f"{statistics.median(values):{form}} ({max(values):{form}})"


def draw(found):
    """Draw every value that was measured: waits, key presses and memory."""
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    axes = figure.subplots(1, 3)
    parts = [
        ({"live": "to a live explorer", "ended": "to the last cell"}, 1, "s from Run all"),
        ({"keys": "a key press"}, 1, "ms from key to new picture"),
        ({"private": "private", "shared": "with a share of the shared"}, 1, "MB a learner"),
    ]
    styles = [plots.CARRIED, plots.RESET]
    for ax, (names, _, label) in zip(axes, parts, strict=True):
        for (part, name), style in zip(names.items(), styles, strict=False):
            points = [(row["learners"], value) for row in found for value in row[part]]
            style = style | {"linestyle": "", "alpha": 0.6, "markersize": 5}
            ax.plot(*zip(*points, strict=True), label=name, **style)
        ax.set_xticks([row["learners"] for row in found])
        ax.set_xlabel("learners at once")
        ax.set_ylabel(label)
        ax.set_ylim(0, 1.15 * ax.get_ylim()[1])
        ax.legend(frameon=False)
        ax.spines[["top", "right"]].set_visible(False)
    return figure


def main(numbers):
    """Measure with each number of learners, try the faults, and write the page and the picture."""
    if not (HUB / ".made").exists() or shutil.which("node") is None:
        sys.exit("There is no hub in .venv/hub: make it with `make hub-test`, which needs Node.js.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped."))  # and the hub with it
    found = []
    for number in numbers:
        found.append(measure(int(number)))
        print(json.dumps({k: v for k, v in found[-1].items() if k != "keys"}), flush=True)
    seen = try_faults()
    print("\n".join(f"{fault}. {what}" for fault, what in seen.items()))
    (OUT / "measured.md").write_text(describe(found, seen), encoding="utf-8")
    draw(found).savefig(OUT / "measured.png", dpi=110)


if __name__ == "__main__":
    main(sys.argv[1:] or ["1", "5", "10"])
