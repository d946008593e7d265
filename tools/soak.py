"""Move every explorer at random, for long: ``make soak``.

A move sets one control to one of its values, or presses a button of "Look at this". After each,
the picture, its alt text and the readout must say the same; after all of them, the last picture
must be the one that a new explorer draws for the same values. The memory of the process may grow
by less than 5 % between a quarter of the moves and the end. With ``--browser``, keys are pressed
in JupyterLab instead.
"""

import argparse
import gc
import json
import re
import sys
import tempfile
import time
import warnings
from html import unescape
from pathlib import Path

import ipywidgets as widgets
import numpy as np

from tools.fuzz import make_world

ROOT = Path(__file__).parent.parent
GROWTH = 0.05
# How the lessons make them; the names are those of tools/fuzz.py.
EXPLORERS = {
    "explore_batches": "lessons.clinic_state.explore_batches()",
    "explore_cost": "lessons.full_sequence.explore_cost(costs, positions=full.COST_POSITIONS)",
    "explore_epochs": "lessons.steps_argument.explore_epochs()",
    "explore_errors": "lessons.ahead.explore_errors(positions=ahead.ERRORS)",
    "explore_gradient": "lessons.speakers.explore_gradient(last_step, ragged[0])",
    "explore_lag": "lessons.ahead.explore_lag(np.arange(9.0) % 4, np.arange(9.0) % 3)",
    "explore_layers": "lessons.mask_microscope.explore_layers(ragged)",
    "explore_masks": "lessons.masking.explore_masks(rnn, [*ragged, ragged[0][:4]])",
    "explore_padding": "lessons.full_sequence.explore_padding([7, 12, 4, 9, 3, 8, 8, 5, 6, 2])",
    "explore_patients": "lessons.clinic_padding.explore_patients()",
    "explore_reach": "explorers.explore_reach(rnn, ragged)",
    "explore_sampling": "lessons.forecast.explore_sampling(positions=lessons.forecast.SAMPLED)",
    "explore_shares": "lessons.two_levels.explore_shares()",
    "explore_speakers": "lessons.speakers.explore_speakers(vowels)",
    "explore_split": "lessons.forecast.explore_split(positions=lessons.forecast.SPLITS)",
    "explore_state": "lessons.fixed_steps.explore_state(rnn, ragged)",
    "explore_stateful": "lessons.keras_state.explore_stateful()",
    "explore_steps": "lessons.choose_your_steps.explore_steps(task)",
    "explore_targets": "lessons.steps_argument.explore_targets()",
    "explore_training": "lessons.reach.explore_training()",
    "explore_users": "lessons.serving.explore_users()",
    "explore_windows": "explorers.explore_windows(ragged)",
}
KEYS = ("ArrowLeft", "ArrowRight", "Home", "End", "PageUp", "PageDown")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--moves", type=int, default=0, help="2000, in the browser 200")
    parser.add_argument("--seconds", type=float, default=60, help="for each explorer, at most")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--only", default="", help="part of the explorers' or lessons' names")
    parser.add_argument("--browser", action="store_true")
    options = parser.parse_args()
    print(f"python -m tools.soak --seed {options.seed}", flush=True)
    soak = soak_in_browser if options.browser else soak_in_python
    moves = options.moves or (200 if options.browser else 2000)
    found = 0
    for name, made, problem in soak(options.seed, moves, options.seconds, options.only):
        found += bool(problem)
        print(f"{name}: {made} moves. {problem or 'Nothing found.'}", flush=True)
    return not found


def soak_in_python(seed, moves, seconds, only=""):
    """Give each explorer's name, how many moves were made, and what was wrong, or ""."""
    warnings.simplefilter("error")
    world = soak_world()
    for name, code in EXPLORERS.items():
        if only in name:
            yield name, *soak_one(code, world, np.random.default_rng(seed), moves, seconds)


def soak_one(code, world, rng, moves, seconds=np.inf):
    """Move an explorer; return how many moves were made, and what was wrong, or ""."""
    explorer, log, early = eval(code, world), [], None
    end = time.monotonic() + seconds
    for made in range(moves):
        if time.monotonic() > end:
            break
        try:
            log.append(move(explorer, rng))
        except Exception as problem:
            return made, f"{type(problem).__name__}: {problem}, after {log[-3:]}"
        if wrong := differences(explorer):
            return made, f"{wrong}, after {log[-3:]}"
        if early is None and (made >= moves // 4 or time.monotonic() > end - seconds / 2):
            early = used()
    fresh = eval(code, world)
    for name, control in explorer.controls.items():
        fresh.controls[name].value = control.value
    if (fresh.picture.value, fresh.words) != (explorer.picture.value, explorer.words):
        return len(log), f"a new explorer shows something else, after {log[-3:]}"
    if early and moves >= 1000 and used() > (1 + GROWTH) * early:
        return len(log), f"memory grew from {early:.0f} to {used():.0f} MiB"
    return len(log), ""


def soak_world():
    world = make_world()
    return world | {"full": world["lessons"].full_sequence}


def move(explorer, rng):
    """Make one move and return it in words."""
    names = [*explorer.controls, *looks(explorer)]
    chosen = names[rng.integers(len(names))]
    if isinstance(chosen, widgets.Button):
        chosen.click()
        return f"{chosen.description!r} pressed"
    control = explorer.controls[chosen]
    if hasattr(control, "options"):
        option = control.options[rng.integers(len(control.options))]
        control.value = option[1] if isinstance(option, tuple) else option
    elif isinstance(control.value, bool):
        control.value = not control.value
    else:  # a number entry
        control.value = int(rng.integers(control.min, control.max + 1))
    return f"{chosen} = {control.value!r}"


def looks(explorer):
    """Return the buttons of "Look at this"."""
    first = explorer.children[0]
    rows = first.children[:1] if isinstance(first, widgets.VBox) else ()
    return [b for row in rows for b in row.children if isinstance(b, widgets.Button)]


def differences(explorer):
    """Return what is not the same in picture, readout and words, or ""."""
    (alt,) = re.findall(r'alt="([^"]*)"', explorer.picture.value)
    if unescape(alt) != explorer.words:
        return "the alt text is not what the words say"
    said = explorer._readout.value
    return "" if explorer.words == said else "the readout is not what the words say"


def used():
    """Return the MiB of memory that the process uses now."""
    gc.collect()
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0
    return int(re.search(r"VmRSS:\s+(\d+)", status.read_text())[1]) / 1024


def soak_in_browser(seed, moves, seconds, only=""):
    """As `soak_in_python`, for the sliders of each lesson."""
    from tools.lab import make_folder, open_notebook, run_all, running_chromium, running_lab

    notebooks = [p for p in sorted((ROOT / "notebooks").glob("*.ipynb")) if only in p.name]
    with tempfile.TemporaryDirectory() as folder:
        place = make_folder(Path(folder))
        with running_lab(notebooks, place) as lab, running_chromium() as chromium:
            for notebook in notebooks:
                page, problems = chromium.new_page(), []
                page.set_default_timeout(120_000)
                page.on("pageerror", lambda error, problems=problems: problems.append(str(error)))
                open_notebook(page, lab, notebook.name)
                run_all(page)
                rng = np.random.default_rng(seed)
                yield notebook.stem, *press(page, rng, moves, seconds, problems)
                page.close()


def press(page, rng, moves, seconds, problems):
    """Press random keys on random sliders; return how many, and what was wrong, or ""."""
    handles = page.locator(".jp-Notebook input[type=range]")
    end, made, early = time.monotonic() + seconds, 0, None
    while handles.count() and made < moves and time.monotonic() < end:
        if made % 20 == 0:  # seldom: at each change of cell JupyterLab itself keeps 40 kB
            handles.nth(int(rng.integers(handles.count()))).focus()
        page.keyboard.press(str(rng.choice(KEYS)))
        made, early = made + 1, early or (made > moves / 4 and heap(page))
    page.wait_for_timeout(2000)
    shown = page.evaluate(
        """() => [...document.querySelectorAll(".jupyter-widgets.widget-vbox")]
            .map(each => [each.querySelector("img")?.alt,
                [...each.querySelectorAll("[role=status]")].map(said => said.innerText)])
            .filter(([alt]) => alt)"""
    )
    stale = [alt for alt, said in shown if " ".join(alt.split()) not in map(_one_line, said)]
    if problems or stale:
        return made, json.dumps(problems + stale, ensure_ascii=False)
    if early and heap(page) > (1 + GROWTH) * early:
        return made, f"memory of the page grew from {early:.0f} to {heap(page):.0f} MiB"
    return made, ""


def _one_line(text):
    return " ".join(text.split())


def heap(page):
    """Return the MiB that the page's scripts hold after a collection."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    size = session.send("Runtime.getHeapUsage")["usedSize"]
    session.detach()
    return size / 2**20


if __name__ == "__main__":
    sys.exit(not main())
