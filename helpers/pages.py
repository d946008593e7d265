"""Explorers as parts of a page that needs no Python: HTML, a style, a script.

Every setting of an explorer is drawn beforehand and stands in the page with its words; `page.js`
moves between them. Where that would be too many, the main control moves and as many others as fit,
and the controls that are left stand where they are or at the named positions.
"""

import base64
import io
import json
from html import escape
from itertools import product
from math import prod
from pathlib import Path
from typing import NamedTuple

import ipywidgets as widgets
import numpy as np
from PIL import Image

from helpers.numbers import numbers_of

_MOST = 300  # settings of an explorer: a lesson of several stays below 6 MB
_HERE = Path(__file__).parent


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
    files = "page.css", "table.js", "page.js"
    own, *script = ((_HERE / name).read_text(encoding="utf-8") for name in files)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{escape(title)}</title>
<style>
{own}{style}</style>
<script>
{"".join(script)}</script>
</head>
<body>
{body}
</body>
</html>
"""


def part(explorer):
    """Return an explorer as HTML: native controls, picture and words, and all settings as JSON."""
    start = explorer.values
    axes = _axes(explorer, start)
    data = _settings_of(explorer, axes, start)
    main = next((n for n, axis in enumerate(axes) if axis.kind == "range"), None)
    controls = [
        _control(axis, at, plays=n == main)
        for n, (axis, at) in enumerate(zip(axes, data["at"], strict=True))
    ]
    moved = {name for axis in axes for name in axis.sets[0]}
    left = [each.description for name, each in explorer.controls.items() if name not in moved]
    if left:
        controls.append(f'<p class="left">In JupyterLab only: {escape(", ".join(left))}.</p>')
    return _section(explorer, "\n".join(controls), data)


def _settings_of(explorer, axes, start):
    """Return what the script needs: every setting drawn, each picture and sentence once."""
    pictures, words, numbers, frames = {}, {}, {}, []
    for pixels, said in map(explorer.look, _settings(axes, start)):
        parts = (pictures, _webp(pixels)), (words, said), (numbers, numbers_of(explorer.figure))
        frames.append([known.setdefault(part, len(known)) for known, part in parts])
    explorer.redraw()  # its figure holds the last setting
    return {
        "says": [axis.says for axis in axes],
        "at": [axis.place(start) for axis in axes],
        "frames": frames,
        "pictures": list(pictures),
        "words": list(words),
        "numbers": list(numbers),
        "positions": [
            {"name": p.name, "says": p.says, "at": _position(p, axes, start)}
            for p in explorer.positions
        ],
    }


def _axes(explorer, start):
    """Return the controls of the page: every one, or those that fit and one for what is left."""
    axes = {name: _axis(explorer, name) for name in explorer.controls}
    axes = {name: axis for name, axis in axes.items() if axis is not None}
    places = [start, *(start | position.values for position in explorer.positions)]
    by_weight = sorted(axes, key=lambda name: axes[name].kind != "range")  # the main one first
    kept = by_weight[:1]
    for name in by_weight[1:]:
        left = _left(axes, [*kept, name], places)
        if prod(len(axes[each].says) for each in [*kept, name]) * len(left) <= _MOST:
            kept.append(name)
    left = _left(axes, kept, places)
    free = [_thinned(axes[name], places, _MOST // len(left)) for name in axes if name in kept]
    if len(left) == 1:
        return free
    names = [name for name in left[0] if len({place[name] for place in left}) > 1]
    said = [
        ", ".join(f"{axes[n].label}: {axes[n].says[axes[n].place(place)]}" for n in names)
        for place in left
    ]
    return [*free, _Axis("the other controls", "select", said, left)]


def _left(axes, kept, places):
    """Return the values that controls which are not kept have at the places, each once."""
    left = []
    for place in places:
        values = {name: place[name] for name in axes if name not in kept}
        if values not in left:
            left.append(values)
    return left


def _thinned(axis, places, most):
    """Return the axis with no more than about `most` of its values, its ends and places kept."""
    if len(axis.says) <= most:
        return axis
    wanted = {*np.linspace(0, len(axis.says) - 1, most).astype(int), *map(axis.place, places)}
    kept = sorted(wanted)
    return axis._replace(says=[axis.says[i] for i in kept], sets=[axis.sets[i] for i in kept])


def _axis(explorer, name):
    """Return a control as an axis; None for one that cannot be moved from end to end."""
    control = explorer.controls[name]
    if isinstance(control, widgets.Checkbox):
        pairs, kind = [("no", False), ("yes", True)], "checkbox"
    elif hasattr(control, "options"):
        pairs = [o if isinstance(o, tuple) else (str(o), o) for o in control.options]
        slides = hasattr(control, "plays") or isinstance(control, widgets.SelectionSlider)
        kind = "radio" if isinstance(control, widgets.ToggleButtons) else "select"
        kind = "range" if slides else kind
    elif isinstance(control, widgets.IntSlider):
        whole = range(control.min, control.max + 1, control.step)
        pairs, kind = [(str(number), number) for number in whole], "range"
    else:
        return None
    says, values = zip(*pairs, strict=True)
    return _Axis(control.description, kind, list(says), [{name: value} for value in values])


def _settings(axes, start):
    """Give the values of all controls at every place, the last axis moving first."""
    for places in product(*(axis.sets for axis in axes)):
        values = dict(start)
        for place in places:
            values |= place
        yield values


def _position(position, axes, start):
    """Return where a position puts each axis, and null for one that it leaves alone."""
    values = start | position.values
    return [
        axis.place(values) if any(name in position.values for name in axis.sets[0]) else None
        for axis in axes
    ]


def _control(axis, at, *, plays):
    """Return the native control of an axis."""
    label, last = escape(axis.label), len(axis.says) - 1
    said = list(enumerate(map(escape, axis.says)))
    if axis.kind == "range":
        inside = (
            f'<label><span>{label}</span> <input type="range" min="0" max="{last}" value="{at}" '
            f'aria-valuetext="{said[at][1]}"> '
            f'<span class="value" aria-hidden="true">{said[at][1]}</span></label>'
        )
        play = ' <button class="play" aria-pressed="false">Play</button>' if plays else ""
        return f'<div class="control">{inside}{play}</div>'
    if axis.kind == "radio":
        on = {at: " checked"}
        inside = f"<legend>{label}</legend> " + " ".join(
            f'<label><input type="radio" value="{n}"{on.get(n, "")}> {words}</label>'
            for n, words in said
        )
        return f'<fieldset class="control">{inside}</fieldset>'
    if axis.kind == "checkbox":
        inside = f'<input type="checkbox"{" checked" if at else ""}> {label}'
    else:
        on = {at: " selected"}
        options = "".join(
            f'<option value="{n}"{on.get(n, "")}>{words}</option>' for n, words in said
        )
        inside = f"<span>{label}</span> <select>{options}</select>"
    return f'<div class="control"><label>{inside}</label></div>'


def _section(explorer, controls, data):
    """Return the explorer's whole part, as it stands at first."""
    picture, said, _ = data["frames"][_number(data["at"], data["says"])]
    words = escape(data["words"][said])
    looks = "".join(f"<button>{escape(p.name)}</button> " for p in explorer.positions)
    if looks:
        looks = f'<p class="looks">Look at this: {looks}</p>\n<p class="says" role="status"></p>\n'
    width, height = (explorer.figure.get_size_inches() * explorer.figure.dpi).astype(int)
    settings = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return f"""<div class="explorer" role="group" aria-label="explorer">
{looks}{controls}
<img class="picture" width="{width}" height="{height}" alt="{words}"
 src="data:image/webp;base64,{data["pictures"][picture]}">
<p class="words" role="status">{words}</p>
<details class="numbers"><summary>Numbers</summary><div class="table" tabindex="0"></div></details>
<script type="application/json">{settings}</script>
</div>
"""


def _number(at, says):
    """Return the number of a setting, given the place of each axis."""
    number = 0
    for place, words in zip(at, says, strict=True):
        number = number * len(words) + place
    return number


def _webp(pixels):
    """Return a picture as lossless WebP, a third of the size of a PNG, in base64."""
    file = io.BytesIO()
    Image.fromarray(pixels).convert("RGB").save(file, "WEBP", lossless=True, method=3)
    return base64.b64encode(file.getvalue()).decode()
