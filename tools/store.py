"""Run the lessons in a fresh kernel and store them: ``python tools/store.py [00 01 …]``.

What is stored reads well without a kernel. Widget views are dropped, since they would show
"model not found"; an explorer's picture stays, with its words below it as a printed line. What
answers a question is stored collapsed, and so is a cell with the tag `answers-a-question`: it
opens when it runs. A lesson that raises an error or writes to stderr is not stored, but where its
cell has the tag `raises-exception` or `keeps-stderr`; of these, no path is kept.
"""

import base64
import re
import sys
import time
from contextlib import suppress
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from traitlets.config import Config

ROOT = Path(__file__).parent.parent
NOTEBOOKS = ROOT / "notebooks"
FIRST_LOOK = ROOT / "docs" / "first-look.png"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
WIDGET_REPR = re.compile(r"[A-Z]\w*\(")  # what a widget without words of its own says: "VBox(…"
PATH = re.compile(r"(?:/|[A-Z]:\\)[^\s:]*[/\\](?=[^/\\\s:]+\.py)")
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def main(names):
    """Run and store the lessons that `names` begin, or every lesson."""
    lessons = sorted(NOTEBOOKS.glob("*.ipynb"))
    if names:
        begins = tuple(Path(name).stem for name in names)
        lessons = [path for path in lessons if path.stem.startswith(begins)]
    if not lessons:
        sys.exit(f"No lesson in {NOTEBOOKS.name}/ has a name that begins with: {' '.join(names)}")
    for path in lessons:
        start = time.perf_counter()
        notebook = run(path)
        complaints = find_complaints(notebook)
        if complaints:
            sys.exit("\n".join([f"{path.name} is not stored:", *complaints]))
        clean(notebook)
        nbformat.write(notebook, path)
        keep_first_look(notebook)
        print(f"{path.name}: {time.perf_counter() - start:.0f} s", flush=True)


def run(path):
    """Run the notebook at `path` top to bottom, up to the first error."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": str(NOTEBOOKS)}},
        record_timing=False,
        coalesce_streams=True,
        # Otherwise each kernel warns that it speaks in plain text.
        config=Config({"KernelManager": {"transport_encryption": "auto"}}),
        store_widget_state=False,
    )
    with suppress(CellExecutionError):  # it stands among the outputs, for `find_complaints`
        client.execute()
    return notebook


def find_complaints(notebook):
    """Name each cell that raised an error or wrote to stderr, with what it said."""
    complaints = []
    for number, cell in enumerate(notebook.cells):
        tags = cell.metadata.get("tags", [])
        for output in cell.get("outputs", []):
            if output.output_type == "error" and "raises-exception" in tags:
                output.traceback = [f"{output.ename}: {output.evalue}"]
            elif output.get("name") == "stderr" and "keeps-stderr" in tags:
                output.text = PATH.sub("…/", output.text)
            elif output.output_type == "error":
                complaints.append(f"cell {number} ({cell.id}): {output.ename}: {output.evalue}")
            elif "WARNING:tensorflow" in output.get("text", ""):
                complaints.append(f"cell {number} ({cell.id}) shows a warning: {output.text}")
            elif output.get("name") == "stderr":
                complaints.append(f"cell {number} ({cell.id}) wrote to stderr: {output.text}")
    return complaints


def clean(notebook):
    """Leave in `notebook` what reads well without a kernel and is the same on every machine."""
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [kept for output in cell.outputs for kept in without_widget(output)]
    telling = [c for c in notebook.cells if "answers-a-question" in c.metadata.get("tags", [])]
    for cell in [*deciding_cells(notebook), *telling]:
        cell.metadata["jupyter"] = {"outputs_hidden": True}


def deciding_cells(notebook):
    """Return the code cells whose output answers a question: the first after each `ask`."""
    found, asked = [], False
    for cell in notebook.cells:
        if cell.cell_type == "code":
            asks = cell.source.startswith("ask(")
            if asked and not asks:
                found.append(cell)
            asked = asks
    return found


def without_widget(output):
    """Give the outputs that stand for `output` where no kernel runs: none, itself, or two."""
    if WIDGET_VIEW not in output.get("data", {}):
        return [output]
    del output.data[WIDGET_VIEW]
    words = output.data.get("text/plain", "")
    if WIDGET_REPR.match(words):
        del output.data["text/plain"]
        words = ""
    if not output.data:
        return []
    if words and "image/png" in output.data:  # JupyterLab shows the picture and not the words
        return [output, nbformat.v4.new_output("stream", name="stdout", text=words + "\n")]
    return [output]


def keep_first_look(notebook):
    """Keep the picture of the cell tagged `first-look` for the README."""
    for cell in notebook.cells:
        if "first-look" in cell.metadata.get("tags", []):
            FIRST_LOOK.parent.mkdir(exist_ok=True)
            FIRST_LOOK.write_bytes(base64.b64decode(cell.outputs[0].data["image/png"]))


if __name__ == "__main__":
    main(sys.argv[1:])
