"""What a class believed: ``python tools/progress.py FOLDER`` sums up every progress.json below it.

It says which wrong answers were chosen first, and by how many, and which exercises take long. It
is no grade: a first choice is a guess before the lesson has shown anything.
"""

import argparse
import json
import statistics
import sys
import tomllib
from collections import Counter
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from helpers import plots
from helpers.explorers import plural

ROOT = Path(__file__).parent.parent
OUT = ROOT / "build" / "progress"
LESSONS = {path.stem[3:]: path.stem for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
STUCK = 3  # tries without a right one
NO_GRADE = "It is no grade: a first choice is a guess, made before the lesson has shown anything."


class Count(NamedTuple):
    """How often each choice of a question was a learner's first."""

    question: str  # with its lesson
    right: str
    replies: dict
    chosen: Counter

    def wrong(self):
        return self.chosen.total() - self.chosen[self.right]


def read(folder):
    """Return what each readable progress.json below `folder` holds, by file, and the others."""
    learners, unreadable = {}, []
    for file in sorted(Path(folder).rglob("progress.json")):
        name = file.relative_to(folder).as_posix()
        try:
            kept = json.loads(file.read_text(encoding="utf-8") or "{}")
            learners[name] = {
                "name": str(kept.get("name", "")),
                "questions": dict(kept.get("questions", {})),
                "exercises": {
                    _numbered(exercise): (
                        int(entry["tries"]),
                        bool(entry["right"]),
                        str(entry["hint"]),
                    )
                    for exercise, entry in kept.get("exercises", {}).items()
                },
            }
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            unreadable.append(name)
    return learners, unreadable


def _numbered(exercise):
    """Return the name of an exercise with its lesson's number."""
    lesson, _, check = exercise.rpartition(".")
    return f"{LESSONS.get(lesson, lesson)}.{check}"


def questions():
    """Return each question's lesson, right choice and replies, by its name."""
    found = {}
    for name_of_file, lesson in LESSONS.items():
        file = files("helpers") / "lessons" / f"{name_of_file}.toml"
        for name, entry in tomllib.loads(file.read_text(encoding="utf-8")).items():
            if "choices" in entry:
                right = entry["choices"][entry["right"]][0]
                found[name] = lesson, right, dict(entry["choices"])
            for n, (text, is_true, reply) in enumerate(entry.get("sentences", []), 1):
                replies = {"true": f"“{text}” {reply}", "false": f"“{text}” {reply}"}
                found[f"{name}.{n}"] = lesson, "true" if is_true else "false", replies
    return found


def count_choices(learners):
    """Count the first choices that a question still has."""
    counts = []
    for name, (lesson, right, replies) in questions().items():
        chosen = [learner["questions"].get(name) for learner in learners.values()]
        chosen = Counter(choice for choice in chosen if choice in list(replies))
        if chosen:
            counts.append(Count(f"{lesson}: {name}", right, replies, chosen))
    return counts


def describe(learners, unreadable):
    """Return the page: wrong first choices, the most frequent first; exercises; who is stuck."""
    counts = count_choices(learners)
    wrong = [
        (number, count, choice)
        for count in counts
        for choice, number in count.chosen.items()
        if choice != count.right
    ]
    rows = [
        (f"{number} of {count.chosen.total()}", count.question, choice, count.replies[choice])
        for number, count, choice in sorted(wrong, key=lambda row: -row[0])
    ]
    lines = [f"# A class of {len(learners)} {plural('learner', len(learners))}", "", NO_GRADE, ""]
    lines += [f"Not read, because it is damaged: {name}" for name in unreadable]
    lines += ["", "## Chosen first, and wrong", ""]
    lines += _table(["Learners", "Question", "They chose", "What the lesson replies"], rows)
    tries = _tries(learners)
    rows = [(name, *_summed_up(entries)) for name, entries in tries.items()]
    lines += ["", "## Exercises", ""]
    lines += _table(["Exercise", "Right", "Tries, median", "Most frequent last hint"], rows)
    lines += ["", f"## Not yet right after {STUCK} tries", ""]
    lines += [
        f"- {_plain(learner['name'] or Path(file).parent.as_posix())}: {exercise}, {count} tries"
        for file, learner in learners.items()
        for exercise, (count, right, _) in learner["exercises"].items()
        if count >= STUCK and not right
    ] or ["Nobody."]
    return "\n".join(lines) + "\n"


def _tries(learners):
    found = {}
    for learner in learners.values():
        for name, entry in learner["exercises"].items():
            found.setdefault(name, []).append(entry)
    return dict(sorted(found.items()))


def _summed_up(entries):
    right = sum(entry[1] for entry in entries)
    hints = Counter(hint.removeprefix("Not yet: ") for _, is_right, hint in entries if not is_right)
    hint = hints.most_common(1)[0][0] if hints else ""
    return f"{right} of {len(entries)}", f"{statistics.median(e[0] for e in entries):g}", hint


def _table(heads, rows):
    if not rows:
        return ["None."]
    lines = [heads, ["---"] * len(heads), *([_plain(word) for word in row] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]


def _plain(words):
    """Return words that a learner may have written so that they are nothing but words."""
    return " ".join(escape(words, quote=False).replace("|", "\\|").split())


def draw(counts):
    """Draw a bar for each question: how many chose right first, and how many each wrong choice."""
    figure = Figure(figsize=(8, 1.2 + 0.32 * len(counts)), layout="constrained")
    ax = figure.add_subplot()
    names = [count.question for count in counts]
    left = [0] * len(counts)
    for rank in range(max(len(count.replies) for count in counts)):
        ranked = [_ranked(count)[rank : rank + 1] for count in counts]
        widths = [row[0] if row else 0 for row in ranked]
        style = (
            {"color": plots.CARRIED["color"]}
            if rank == 0
            else {
                "color": plots.RESET["color"],
                "alpha": (None, 1, 0.65, 0.35, 0.2)[min(rank, 4)],
                "hatch": "//",
                "edgecolor": "white",
            }
        )
        label = ("right", "the most frequent wrong choice", "the second", "others")[min(rank, 3)]
        ax.barh(names, widths, left=left, label=label, **style)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    ax.invert_yaxis()
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_xlabel("learners, by their first choice (no grade)")
    figure.legend(loc="outside upper center", ncols=4, frameon=False)
    return figure


def _ranked(count):
    """Return how many chose right, then how many each wrong choice, the most frequent first."""
    wrong = [count.chosen[choice] for choice in count.replies if choice != count.right]
    return [count.chosen[count.right], *sorted(wrong, reverse=True)]


def main(arguments=None):
    """Write the page and the picture, and print the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    learners, unreadable = read(options.folder)
    if not learners and not unreadable:
        sys.exit(f"No progress.json below {options.folder}")
    page = describe(learners, unreadable)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "progress.md").write_text(page, encoding="utf-8")
    print(page)
    if counts := count_choices(learners):
        draw(counts).savefig(options.out / "progress.png", dpi=120)
    print(f"Written to {options.out}")


if __name__ == "__main__":
    main()
