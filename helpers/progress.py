"""What a learner chose first and tried, kept in `progress.json` where a class wants it.

Whoever wants it puts a file of that name beside the notebooks, with `{}` in it; without the file
nothing is kept. It is plain text to read, change, or delete.
"""

import json
import os
from contextlib import suppress
from pathlib import Path

_WIDTH = 200  # characters of a hint that are kept
_BROKEN = (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError)


class Progress:
    """The file at `path`: {"name": …, "questions": {…}, "exercises": {…}}.

    Each change is written at once and whole. A file that cannot be read or written stays as it is
    and costs one sentence, which the method that met it returns; all others return "".
    """

    def __init__(self, path="progress.json"):
        self.path, self._said = Path(path), False

    def first_choice(self, question):
        """Return what was chosen first in an earlier session, or None."""
        with suppress(*_BROKEN):
            return self._read()["questions"].get(question)
        return None

    def keep_choice(self, question, choice):
        """Keep `choice`, unless one was kept before."""
        return self._change(lambda kept: kept["questions"].setdefault(question, choice))

    def keep_try(self, exercise, words):
        """Count a try, up to the first right one; keep the last hint."""

        def count(kept):
            entry = kept["exercises"].setdefault(exercise, {"tries": 0, "right": False})
            if not entry["right"]:
                entry["tries"] += 1
                entry["right"], entry["hint"] = words == "Right.", words[:_WIDTH]

        return self._change(count)

    def sign(self, name):
        """Write a name into the file; nothing else does."""
        return self._change(lambda kept: kept.update(name=str(name)))

    def erase(self):
        """Forget all that was kept, the name too, and go on keeping."""
        return self._change(dict.clear, read=dict)

    def _change(self, change, read=None):
        try:
            if self.path.exists():
                kept = (read or self._read)()
                change(kept)
                self._write(kept)
        except _BROKEN as problem:
            said, self._said = self._said, True
            reason = getattr(problem, "strerror", None) or "it is damaged"
            return "" if said else f"({self.path.name}: {reason}. Answers are not kept.)"
        return ""

    def _read(self):
        kept = json.loads(self.path.read_text(encoding="utf-8") or "{}")
        kept = {"questions": {}, "exercises": {}} | kept
        if not isinstance(kept["questions"], dict) or not isinstance(kept["exercises"], dict):
            raise ValueError
        return kept

    def _write(self, kept):
        if not os.access(self.path, os.W_OK):  # a read-only file would be replaced like others
            raise PermissionError(None, "it is read-only")
        new = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            new.write_text(json.dumps(kept, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
            new.replace(self.path)
        finally:
            new.unlink(missing_ok=True)
