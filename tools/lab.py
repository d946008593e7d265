"""JupyterLab in Chromium: for the browser tests, and for the benchmark of the sliders."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parent.parent
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Windowed rendering would leave out the cells that are not in view.
SETTINGS = {
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}

CONNECTED = """() => {
    const kernel = window.jupyterapp.shell.currentWidget?.context?.sessionContext?.session?.kernel;
    return kernel?.connectionStatus === "connected" && kernel?.status === "idle";
}"""


def make_folder(above):
    """Make a folder for lessons in `above`, beside the datasets: a lesson reads one by its path."""
    shutil.copytree(ROOT / "helpers" / "datasets", above / "helpers" / "datasets")
    folder = above / "notebooks"
    folder.mkdir()
    return folder


@contextmanager
def running_lab(notebooks, folder):
    """Start JupyterLab on copies of notebooks; give its address."""
    for notebook in notebooks:
        shutil.copy(notebook, folder)
    for plugin, settings in SETTINGS.items():
        file = folder / "settings" / f"{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(settings))
    port = free_port()
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1"]
    command += [f"--port={port}", "--ServerApp.port_retries=0", "--IdentityProvider.token=lessons"]
    command += [
        f"--{app}.{setting}"
        for app in ("LabApp", "JupyterNotebookApp")
        for setting in ("expose_app_in_browser=True", f"user_settings_dir={folder}/settings")
    ]
    command += ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    log = (folder / "lab.log").open("w")
    server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_for(f"http://127.0.0.1:{port}/api/status?token=lessons", server, folder / "lab.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=20)
        log.close()


def free_port():
    """Return a port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(address, server, log, seconds=90):
    """Wait until the process `server` answers at `address`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if server.poll() is not None:
            raise RuntimeError(log.read_text())
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.3)
    raise TimeoutError(f"JupyterLab did not answer within {seconds} s:\n{log.read_text()}")


@contextmanager
def running_chromium():
    """Start Chromium without a window."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


def open_notebook(page, lab, name):
    """Open a notebook in JupyterLab and wait until its kernel is there."""
    _open(page, f"{lab}/doc/tree/{name}?reset&token=lessons")


def open_in_notebook(page, lab, name):
    """Open a notebook in Notebook 7 and wait until its kernel is there."""
    _open(page, f"{lab}/notebooks/{name}?token=lessons")


def _open(page, address):
    page.goto(address)
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    page.wait_for_function("window.jupyterapp !== undefined")
    page.wait_for_function(CONNECTED)
    page.wait_for_timeout(1000)  # `?reset` may start a second connection
    page.wait_for_function(CONNECTED)


def set_theme(page, theme):
    """Take Jupyter's "Light" or "Dark" theme."""
    page.evaluate(
        "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})",
        f"JupyterLab {theme}",
    )
    page.wait_for_function(
        "light => document.body.dataset.jpThemeLight === light", arg=str(theme == "Light").lower()
    )


def run_all(page, seconds=240):
    """Run every cell and wait for the end."""
    for command in ("notebook:clear-all-cell-outputs", "notebook:run-all-cells"):
        # Not awaited: the promise may outlive the run.
        page.evaluate("command => void window.jupyterapp.commands.execute(command)", command)
    page.wait_for_function(
        "[...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')]"
        ".every(prompt => /[0-9]/.test(prompt.textContent))",
        timeout=1000 * seconds,
    )
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status='idle']")
    page.wait_for_timeout(500)  # the last widgets draw
