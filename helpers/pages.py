"""Explorers as parts of a page that needs no Python: two templates, a style, a script.

Every setting of an explorer is drawn beforehand and stands in the page with its words; `page.js`
moves between them. Where that would be too many, the main control moves and as many others as fit,
and the controls that are left stand where they are or at the named positions.
"""

from functools import reduce
from itertools import product
from math import ceil, prod
from operator import or_
from pathlib import Path
from typing import NamedTuple

import ipywidgets as widgets
from jinja2 import Environment, FileSystemLoader

from helpers.numbers import numbers_of

_MOST = 300  # settings of an explorer: a lesson of several stays below 6 MB
_WEBP = {"kind": "WEBP", "lossless": True, "method": 3}  # a third of the size of a PNG
_HERE = FileSystemLoader(Path(__file__).parent)
_TEMPLATES = Environment(loader=_HERE, autoescape=True, trim_blocks=True, lstrip_blocks=True)


class _Axis(NamedTuple):
    """A control of a page: what it says and, for each place of it, the values that it sets."""

    label: str
    kind: str
    says: list
    sets: list

    def place(self, values):
        """Return the place at which these values are set, or None."""
        return next((i for i, own in enumerate(self.sets) if own.items() <= values.items()), None)


def page(title, body, *, style=""):
    """Return a whole page around its parts, with what moves them and a `style` of its own."""
    return _TEMPLATES.get_template("page.html").render(title=title, body=body, style=style)


def part(explorer):
    """Return an explorer as HTML: native controls, picture and words, and all settings as JSON."""
    start = explorer.values
    axes = _axes(explorer, start)
    moved = {name for axis in axes for name in axis.sets[0]}
    left = [each.description for name, each in explorer.controls.items() if name not in moved]
    data = _settings_of(explorer, axes, start)
    picture, _ = explorer.look(start, **_WEBP)  # last: its figure stands as it did
    told = {"explorer": explorer, "axes": axes, "left": left, "data": data, "picture": picture}
    return _TEMPLATES.get_template("explorer.html").render(told)


def _settings_of(explorer, axes, start):
    """Return what the script needs: every setting drawn, each picture and sentence once."""
    pictures, words, numbers, frames = {}, {}, {}, []
    for sets in product(*(axis.sets for axis in axes)):  # the last axis moves first
        picture, said = explorer.look(reduce(or_, sets, start), **_WEBP)
        parts = (pictures, picture), (words, said), (numbers, numbers_of(explorer.figure))
        frames.append([known.setdefault(part, len(known)) for known, part in parts])
    return {
        "says": [axis.says for axis in axes],
        "at": [axis.place(start) for axis in axes],
        "frames": frames,
        "pictures": list(pictures),
        "words": list(words),
        "numbers": list(numbers),
        "positions": [
            {"name": p.name, "says": p.says, "at": [_moved(axis, p, start) for axis in axes]}
            for p in explorer.positions
        ],
    }


def _moved(axis, position, start):
    """Return the place to which a position moves an axis, or None if it leaves it alone."""
    meant = position.values.keys() & axis.sets[0]
    return axis.place(start | position.values) if meant else None


def _axes(explorer, start):
    """Return the controls of the page: every one, or those that fit and one for what is left."""
    places = [start, *(start | position.values for position in explorer.positions)]
    axes = [axis for each in explorer.controls.items() if (axis := _axis(*each))]
    kept, rest = [], _joint([], places)
    for axis in sorted(axes, key=lambda axis: axis.kind != "range"):  # the main one first
        more = [*kept, axis]
        left = _joint([axis for axis in axes if axis not in more], places)
        if not kept or prod(len(axis.says) for axis in [*more, left]) <= _MOST:
            kept, rest = more, left
    free = [_thinned(axis, places, _MOST // len(rest.sets)) for axis in axes if axis in kept]
    return free if len(rest.sets) == 1 else [*free, rest]


def _joint(axes, places):
    """Return one axis for several: it sets the values that they have at the places, each once."""
    sets = []
    for place in places:
        values = {name: place[name] for axis in axes for name in axis.sets[0]}
        if values not in sets:
            sets.append(values)
    told = [axis for axis in axes if len({axis.place(values) for values in sets}) > 1]
    says = [
        ", ".join(f"{axis.label}: {axis.says[axis.place(values)]}" for axis in told)
        for values in sets
    ]
    return _Axis("the other controls", "select", says, sets)


def _thinned(axis, places, most):
    """Return the axis with no more than about `most` of its values, its ends and places kept."""
    last = len(axis.says) - 1
    even = range(0, last, ceil(len(axis.says) / most))
    kept = sorted({*even, last, *map(axis.place, places)} - {None})
    return axis._replace(says=[axis.says[i] for i in kept], sets=[axis.sets[i] for i in kept])


def _axis(name, control):
    """Return a control as an axis; None for one that cannot be moved from end to end."""
    if isinstance(control, widgets.Checkbox):
        pairs, kind = [("no", False), ("yes", True)], "checkbox"
    elif hasattr(control, "options"):
        pairs = [o if isinstance(o, tuple) else (str(o), o) for o in control.options]
        kind = "radio" if isinstance(control, widgets.ToggleButtons) else "select"
        kind = "range" if hasattr(control, "plays") else kind
    else:
        return None
    says, values = zip(*pairs, strict=True)
    return _Axis(control.description, kind, list(says), [{name: value} for value in values])
