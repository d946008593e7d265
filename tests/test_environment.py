"""One list of packages, one list of versions, and an environment that follows both."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from unittest import mock

import pytest
import yaml
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from jupyter_server.services.kernels.websocket import KernelWebsocketHandler
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from helpers import server

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONSTRAINTS = (ROOT / "constraints.txt").read_text(encoding="utf-8")
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
PINS = [Requirement(line) for line in CONSTRAINTS.splitlines() if re.match(r"\w", line)]
EXTRAS = PROJECT["optional-dependencies"]
# The `bench` extra is not pinned: nothing that a learner runs needs it.
LISTED = [Requirement(line) for line in [*PROJECT["dependencies"], *EXTRAS["test"], *EXTRAS["dev"]]]


def _pinned(name):
    """The one version that constraints.txt allows of the package `name`."""
    found = [pin for pin in PINS if canonicalize_name(pin.name) == canonicalize_name(name)]
    assert len(found) == 1, f"{name} stands {len(found)} times in constraints.txt"
    (specifier,) = found[0].specifier
    return specifier.version


@pytest.mark.parametrize("requirement", LISTED, ids=str)
def test_every_package_is_pinned_within_its_range(requirement):
    assert _pinned(requirement.name) in requirement.specifier


def test_every_constraint_is_one_exact_version():
    assert [str(pin) for pin in PINS if not re.fullmatch(r"==[^*,]+", str(pin.specifier))] == []
    assert [str(pin) for pin in PINS if pin.extras or pin.url] == []


def test_constraints_name_no_address_and_not_this_project():
    assert not re.search(r"://|^\s*-|\s@\s|--", CONSTRAINTS, flags=re.MULTILINE)
    assert canonicalize_name(PROJECT["name"]) not in [canonicalize_name(pin.name) for pin in PINS]


def test_conda_and_binder_take_their_packages_from_pyproject():
    *from_conda, from_pip = ENVIRONMENT["dependencies"]
    assert [re.split("[=<>]", line)[0] for line in from_conda] == ["python", "pip"]
    assert from_pip == {"pip": ["-c constraints.txt", "-e .[test]"]}


def test_conda_and_binder_use_a_python_that_the_package_allows():
    python = ENVIRONMENT["dependencies"][0].removeprefix("python=")
    assert f"{python}.0" in Requirement(f"python{PROJECT['requires-python']}").specifier


def test_keras_stays_below_the_release_that_stops_masks():
    (keras,) = [requirement for requirement in LISTED if requirement.name == "keras"]
    assert "3.15.1" in keras.specifier
    assert "3.16.0" not in keras.specifier


def test_tensorflow_is_the_package_that_every_system_has():
    names = [canonicalize_name(requirement.name) for requirement in [*LISTED, *PINS]]
    assert "tensorflow" in names
    assert "tensorflow-cpu" not in names


@pytest.mark.parametrize("name", ["keras", "tensorflow", "numpy", "jupyterlab", "ipywidgets"])
def test_what_runs_here_is_what_is_pinned(name):
    assert version(name) == _pinned(name)


def test_the_server_sends_at_once_what_a_kernel_says():
    app = mock.Mock(web_app=mock.Mock(settings={}))
    server._load_jupyter_server_extension(app)
    kind = app.web_app.settings["kernel_websocket_connection_class"]
    handler = mock.Mock(spec=KernelWebsocketHandler)
    with mock.patch.object(ZMQChannelsWebsocketConnection, "connect") as connect:
        assert kind(websocket_handler=handler).connect() is connect.return_value
    handler.set_nodelay.assert_called_once_with(True)


def test_installing_the_package_adds_the_extension_to_the_server():
    command = [sys.executable, "-m", "jupyter", "server", "extension", "list"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert re.search(r"helpers\.server\W.*OK", shown.stdout + shown.stderr)


def test_pre_commit_and_make_lint_run_the_same_ruff():
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"ruff==([\w.]+)", hooks)) == {_pinned("ruff")}
