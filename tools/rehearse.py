"""Treat the lessons as a class will: ``make rehearse``.

Kernels run each lesson twice, in another order, interrupted, restarted; offline, in a read-only
folder with an odd name, without a home, in other locales, on one core, on a full disk; then a
plain process runs it, and JupyterLab. A cell must end as it is stored: no other error, nothing on
stderr, the same text where it is compared, and everywhere the numbers that the lesson's prose
states. The kernel must keep less than 50 MB more after a second run than after the first.

What is found is printed with the command that repeats it.
"""

import argparse
import json
import os
import queue
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from itertools import chain, product
from pathlib import Path
from typing import NamedTuple

import nbformat
import psutil
from jupyter_client import KernelManager

from tools.store import without_widget

ROOT = Path(__file__).parent.parent
ONE_THREAD = {"12_choose_your_steps"}  # its cells go on from one another over all parts
LIMIT = 300  # seconds for a cell
LONG = 0.8  # seconds of a cell that is interrupted
GROWTH = 50  # MB
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?(?![\d,.]* ?[mμn]?s\b)")  # but for times


class NotHere(Exception):  # noqa: N818
    """What cannot be tried on this machine, and why."""


# ---- lessons


class Lesson:
    """A notebook's code: `set_up` cells, and `parts`, lists of the others."""

    def __init__(self, path):
        notebook = nbformat.read(path, as_version=4)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        self.path, self.took = Path(path), {}  # seconds of a cell, by its id
        self.set_up = [cell for cell in code[:2] if cell is code[0] or tagged(cell, "set-up")]
        parts = [
            [cell for cell in part if not any(cell is other for other in self.set_up)]
            for part in sections(notebook)
        ]
        self.parts = [[*chain(*parts)]] if self.path.stem in ONE_THREAD else parts
        self.cells = [*self.set_up, *chain(*parts)]
        self.prose = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")

    def in_another_order(self, rng):
        """Return the cells shuffled: what `continues` stays below those above it in its part."""
        places = []
        for part in self.parts:
            above = 0.0
            for cell in part:
                place = rng.uniform(above if tagged(cell, "continues") else 0.0, 1.0)
                above = max(above, place)
                places.append((place, cell))
        return [*self.set_up, *(cell for _, cell in sorted(places, key=lambda each: each[0]))]

    def second_half(self):
        """Return the cells of the part in which the middle lies, and of those behind it."""
        before, half = 0, sum(map(len, self.parts)) / 2
        for number, part in enumerate(self.parts):
            before += len(part)
            if before > half:
                return [*chain(*self.parts[number:])]
        return []


def sections(notebook):
    """Return the code cells below each `##` heading."""
    parts = [[]]
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and re.search(r"^## ", cell.source, re.MULTILINE):
            parts.append([])
        elif cell.cell_type == "code":
            parts[-1].append(cell)
    return parts


def tagged(cell, tag):
    return tag in cell.metadata.get("tags", [])


# ---- how a cell ended


class Ended(NamedTuple):
    outputs: list
    seconds: float = 0.0
    fate: str = ""  # or what became of the kernel

    @property
    def errors(self):
        return [f"{o.ename}: {o.evalue}" for o in self.outputs if o.output_type == "error"]

    @property
    def complaints(self):
        return "".join(o.text for o in self.outputs if o.get("name") == "stderr").strip()


def text_of(outputs):
    """Return what outputs say in words, but for pictures, warnings and errors."""
    said = []
    for output in [o for each in outputs for o in without_widget(nbformat.from_dict(dict(each)))]:
        if output.get("name") == "stdout":
            said.append(output.text)
        elif "image/png" not in output.get("data", {}):
            said.append(output.get("data", {}).get("text/plain", ""))
    return " ".join(" ".join(said).split())


def wrong_with(cell, ended, prose=""):
    """Return what is not as it is stored, or ""."""
    if ended.fate:
        return ended.fate
    raises = tagged(cell, "raises-exception")
    if ended.errors and not raises:
        return ended.errors[0]
    if raises and not ended.errors:
        return "raises no error"
    if ended.complaints and not tagged(cell, "keeps-stderr"):
        return f"writes to stderr: {ended.complaints}"
    stored, said = text_of(cell.outputs), text_of(ended.outputs)
    if tagged(cell, "nbval-check-output") and stored != said:
        return f"says {said!r}, stored is {stored!r}"
    if tagged(cell, "varies"):
        return ""  # the prose says so, or they are seconds
    lost = {*NUMBER.findall(stored)} - {*NUMBER.findall(said)}
    if stated := sorted(lost & {*NUMBER.findall(prose)}):
        return f"says {said!r}, and the prose states {', '.join(stated)}"
    return ""


# ---- where


class Place(NamedTuple):
    """Where a kernel runs: a checkout, variables, what starts it, its first lines."""

    root: Path
    variables: dict
    prefix: tuple = ()
    first: str = ""
    admits: str = "(?!)"  # the pattern of an error that is right there

    def plus(self, prefix=(), first="", **variables):
        return self._replace(
            prefix=(*self.prefix, *prefix),
            first=self.first + first,
            variables={**self.variables, **variables},
        )

    def behind(self, mounts, folder):
        """Return this place after shell commands that mount something on the folder "$1"."""
        needs(namespaces("-rm"), "mounting needs `unshare`, and Linux that allows it")
        shell = f'{mounts} && shift && cd "$PWD" && exec "$@"'
        return self.plus(("unshare", "-rm", "sh", "-ec", shell, "sh", str(folder)))

    def environment(self):
        found = {**os.environ, "PYTHONPATH": str(self.root), **self.variables}
        return {name: value for name, value in found.items() if value is not None}


def needs(there, words):
    if not there:
        raise NotHere(words)


def namespaces(flags):
    """Return whether this user may have namespaces of their own."""
    return bool(shutil.which("unshare")) and not subprocess.call(["unshare", flags, "true"])


def odd_path(place, stack):
    root = Path(
        stack.enter_context(tempfile.TemporaryDirectory()), "Übung für ä ñ 日本", "rnn steps"
    )
    for part in ("helpers", "notebooks"):
        shutil.copytree(place.root / part, root / part)
    return place._replace(root=root)


def read_only(place, stack):
    return place.behind('mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"', place.root)


def full_disk(place, stack):
    """Temporary files find two blocks free."""
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    place = place.behind('mount -t tmpfs -o size=8k none "$1"', folder)
    return place.plus(TMPDIR=folder)._replace(admits=r"(?i)errno (= )?28\b")  # in any language


GUARD = """
import sys
def _guard(event, arguments):
    if event == "socket.connect":
        raise OSError("offline")
sys.addaudithook(_guard)
"""


def offline(place, stack):
    return place.plus(("unshare", "-rn")) if namespaces("-rn") else place.plus(first=GUARD)


def no_home(place, stack):
    """A home that cannot be written to, nor made."""
    caches = "MPLCONFIGDIR", "IPYTHONDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "KERAS_HOME"
    homes = dict.fromkeys(("HOME", "USERPROFILE"), "/dev/null/nobody")
    return place.plus(**dict.fromkeys(caches), **homes)


def locale(name):
    """Return a place where whoever asks for the locale gets this one, made where missing."""

    def there(place, stack):
        needs(shutil.which("localedef"), "locales are made by `localedef`")
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        command = ["localedef", "-i", name, "-f", "UTF-8", f"{folder}/{name}.UTF-8"]
        ended = subprocess.run(command, capture_output=True, check=False).returncode
        needs(ended <= 1, f"the locale {name} is not known")  # 1: made, with warnings
        first = "import locale\nlocale.setlocale(locale.LC_ALL, '')\n"
        return place.plus((), first, LANG=f"{name}.UTF-8", LC_ALL=None, LOCPATH=folder)

    return there


def plain_c(place, stack):
    """The locale C, and a Python that takes its text for ASCII."""
    return place.plus(LANG="C", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")


def one_core(place, stack):
    needs(shutil.which("taskset"), "one core needs `taskset`")
    return place.plus(("taskset", "-c", "0"))


PLACES = {
    "odd path": odd_path,
    "read-only": read_only,
    "offline": offline,
    "no home": no_home,
    "full disk": full_disk,
    "German": locale("de_DE"),
    "Japanese": locale("ja_JP"),
    "Turkish": locale("tr_TR"),
    "C": plain_c,
    "one core": one_core,
}


# ---- how: each runs a lesson in a place and gives what is wrong


class Kernel:
    """A kernel in a place, until the end of a `with` statement."""

    def __init__(self, place):
        self.place, self._folder = place, tempfile.TemporaryDirectory()
        self._manager = KernelManager(connection_file=f"{self._folder.name}/kernel.json")
        if sys.platform != "win32":
            self._manager.transport = "ipc"  # which no missing network stops
        launch = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        self._manager.kernel_spec.argv = [*place.prefix, *launch]

    def __enter__(self):
        self._manager.start_kernel(
            cwd=str(self.place.root / "notebooks"),
            env=self.place.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._client = self._manager.blocking_client()
        self._client.start_channels()
        try:
            self._client.wait_for_ready(timeout=120)
            ended = self.run(self.place.first)
            needs(not (ended.fate or ended.errors), ended.fate or "".join(ended.errors))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        self._folder.cleanup()

    def run(self, source, interrupt=None):
        """Run a cell, interrupted after so many seconds, and return how it ended."""
        asked = self._client.execute(source, allow_stdin=False, stop_on_error=False)
        outputs, start, died = [], time.monotonic(), False
        while True:
            try:
                message = self._client.get_iopub_msg(timeout=0.1)
            except queue.Empty:
                message = None
            passed, kind = time.monotonic() - start, message and message["msg_type"]
            if interrupt is not None and passed > interrupt:
                self._manager.interrupt_kernel()
                interrupt = None
            if passed > LIMIT:
                return Ended(outputs, passed, f"runs for more than {LIMIT} s")
            if message is None:
                if died:
                    return Ended(outputs, passed, "the kernel died")
                died = not self._manager.is_alive()  # it may have said more
            elif kind in ("stream", "error", "display_data", "execute_result"):
                outputs.append(nbformat.v4.output_from_msg(message))
            elif message["parent_header"].get("msg_id") == asked and is_idle(message):
                return Ended(outputs, passed)

    def megabytes(self):
        """Return the memory that the kernel's process holds, without what it can throw away."""
        # The C library keeps what was freed, until it is asked, which Linux can: no error matters.
        self.run("exec('import ctypes, gc; gc.collect(); ctypes.CDLL(None).malloc_trim(0)', {})")
        return psutil.Process(self._manager.provisioner.process.pid).memory_info().rss / 1e6


def is_idle(message):
    return message["content"].get("execution_state") == "idle"


def walk(kernel, cells, lesson):
    """Run cells one after another; give what is wrong with each."""
    admits, failed = kernel.place.admits, False
    for cell in cells:
        if failed and tagged(cell, "continues"):
            continue
        ended = kernel.run(cell.source)
        lesson.took.setdefault(cell.id, ended.seconds)
        failed = re.search(admits, " ".join(ended.errors))
        if not failed and (wrong := wrong_with(cell, ended, lesson.prose)):
            yield f"{cell.id}: {wrong}"
        if ended.fate:
            return


def once(lesson, place, rng):
    with Kernel(place) as kernel:
        yield from walk(kernel, lesson.cells, lesson)


def twice(lesson, place, rng):
    with Kernel(place) as kernel:
        yield from walk(kernel, lesson.cells, lesson)
        before = kernel.megabytes()
        yield from walk(kernel, lesson.cells, lesson)
        grown = kernel.megabytes() - before
    if grown > GROWTH:
        yield f"the kernel holds {grown:.0f} MB more after it ran again"


def in_another_order(lesson, place, rng):
    with Kernel(place) as kernel:
        yield from walk(kernel, lesson.in_another_order(rng), lesson)


def restarted(lesson, place, rng):
    """Up to the middle, then a new kernel, the set-up, and on from the part's first cell."""
    rest = lesson.second_half()
    with Kernel(place) as kernel:
        yield from walk(kernel, lesson.cells[: -len(rest)], lesson)
    with Kernel(place) as kernel:
        yield from walk(kernel, [*lesson.set_up, *rest], lesson)


def interrupted(lesson, place, rng):
    """Interrupt each long cell halfway, run it again, and go on."""
    if not lesson.took:
        yield from once(lesson, place, rng)
    with Kernel(place) as kernel:
        for cell in lesson.cells:
            seconds = lesson.took.get(cell.id, 0)
            if seconds > LONG and cell not in lesson.set_up:
                ended = kernel.run(cell.source, interrupt=seconds / 2)
                said = ended.complaints  # Python names the interrupt where nobody can catch it
                if said and "KeyboardInterrupt" not in said and not tagged(cell, "keeps-stderr"):
                    yield f"{cell.id}: interrupted, it writes to stderr: {said}"
            yield from walk(kernel, [cell], lesson)


PLAIN = """
import io, json, sys
from contextlib import redirect_stdout
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.displayhook.write_output_prompt = shell.showtraceback = lambda *_, **__: None
for source in json.load(sys.stdin):
    with redirect_stdout(io.StringIO()) as said:
        problem = shell.run_cell(source).error_in_exec
    print(json.dumps([said.getvalue(), problem and [type(problem).__name__, str(problem)]]))
"""


def as_script(lesson, place, rng):
    """Run the lesson in a plain process, without a kernel."""
    done = subprocess.run(
        [*place.prefix, sys.executable, "-W", "ignore", "-c", PLAIN],
        input=json.dumps([cell.source for cell in lesson.cells]),
        cwd=place.root / "notebooks",
        env={**place.environment(), "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    if len(lines) != len(lesson.cells):
        yield f"ends with {done.returncode}: {done.stderr[-500:]}"
    for cell, line in zip(lesson.cells, lines, strict=False):
        said, problem = json.loads(line)
        outputs = [nbformat.v4.new_output("stream", name="stdout", text=said)]
        if problem:
            outputs.append(nbformat.v4.new_output("error", ename=problem[0], evalue=problem[1]))
        if wrong := wrong_with(cell, Ended(outputs), lesson.prose):
            yield f"{cell.id}: {wrong}"


def in_lab(lesson, place, rng):
    """Run all in JupyterLab, save, and read what it saved."""
    from tools import lab  # Playwright comes with the test packages

    needs(lab.CHROMIUM, "JupyterLab needs Chromium")
    with (
        tempfile.TemporaryDirectory() as above,
        lab.running_lab([lesson.path], lab.make_folder(Path(above))) as address,
        lab.running_chromium() as chromium,
    ):
        page = chromium.new_page()
        page.set_default_timeout(120_000)
        lab.open_notebook(page, address, lesson.path.name)
        lab.run_all(page, seconds=900)
        page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
        saved = Lesson(Path(above) / "notebooks" / lesson.path.name)
    for cell, there in zip(lesson.cells, saved.cells, strict=True):
        if wrong := wrong_with(cell, Ended(there.outputs), lesson.prose):
            yield f"{cell.id}: {wrong}"


WAYS = {
    "once": once,
    "twice": twice,
    "order": in_another_order,
    "restart": restarted,
    "interrupt": interrupted,
    "script": as_script,
    "Lab": in_lab,
}

# ---- all of them


class Fault(NamedTuple):
    """A way to run a lesson, and the places that it runs in, all at once."""

    way: str
    places: tuple = ()

    def __str__(self):
        return " + ".join([self.way, *self.places])


PLAN = [
    Fault("twice"),
    Fault("interrupt"),
    Fault("once", ("odd path", "read-only", "offline", "no home", "Turkish")),
    Fault("order", ("Japanese",)),
    Fault("script"),
    Fault("restart", ("German",)),
    Fault("once", ("full disk", "one core", "C")),
    Fault("Lab"),
]


def rehearse(path, fault, seed=0):
    """Give what is wrong with a lesson under a fault; raise `NotHere` where it cannot be tried."""
    lesson = path if isinstance(path, Lesson) else Lesson(path)
    with ExitStack() as stack:
        place = Place(ROOT, {})
        for name in fault.places:
            place = PLACES[name](place, stack)
        yield from WAYS[fault.way](lesson, place, random.Random(seed))


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="how the lessons' names begin; all if none")
    parser.add_argument("--seconds", type=float, default=7200, help="nothing begins after them")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--way", choices=WAYS, help="one way instead of the whole plan")
    parser.add_argument("--places", default="", help=f"of: {', '.join(PLACES)}")
    options = parser.parse_args(arguments)
    places = tuple(name.strip() for name in options.places.split(",") if name.strip())
    plan = [Fault(options.way or "once", places)] if options.way or places else PLAN
    lessons = [
        Lesson(path)
        for path in sorted((ROOT / "notebooks").glob("*.ipynb"))
        if not options.names or path.stem.startswith(tuple(options.names))
    ]
    print(f"python -m tools.rehearse --seed {options.seed}", flush=True)
    verdicts = run_plan(lessons, plan, options.seed, time.monotonic() + options.seconds)
    print(table(lessons, plan, verdicts))
    return not any(found for found in verdicts.values())


def run_plan(lessons, plan, seed, end):
    """Run lessons under faults up to a moment; return what was found by lesson and fault."""
    verdicts = {}
    for fault, lesson in product(plan, lessons):
        name, start = lesson.path.stem, time.monotonic()
        if start > end:
            break
        try:
            found = list(rehearse(lesson, fault, seed))
        except NotHere as reason:
            print(f"{name}, {fault}: not tried here, {reason}", flush=True)
            continue
        except Exception as problem:
            found = [f"{type(problem).__name__}: {problem}"]
        verdicts[name, fault] = found
        print(f"{name}, {fault}: {len(found)} found, {time.monotonic() - start:.0f} s", flush=True)
        if found:
            places = f" --places '{','.join(fault.places)}'" if fault.places else ""
            print(f"  python -m tools.rehearse {name} --way {fault.way}{places} --seed {seed}")
            print(*(f"    {each}" for each in found), sep="\n", flush=True)
    return verdicts


def table(lessons, plan, verdicts):
    """Return the verdicts: a row a lesson, a column a fault."""
    lines = [f"{chr(ord('A') + i)}: {fault}" for i, fault in enumerate(plan)]
    lines.append("lesson" + " " * 18 + "  ".join(chr(ord("A") + i) for i in range(len(plan))))
    for lesson in lessons:
        marks = []
        for fault in plan:
            found = verdicts.get((lesson.path.stem, fault))
            marks.append("–" if found is None else "✘" if found else "✔")
        lines.append(f"{lesson.path.stem:24}" + "  ".join(marks))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(not main())
