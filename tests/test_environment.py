"""One list of packages, one list of versions, and an environment that follows both."""

import json
import os
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


def test_binder_installs_the_one_list_without_the_test_packages():
    binder = yaml.safe_load((ROOT / "binder" / "environment.yml").read_text(encoding="utf-8"))
    assert binder["dependencies"] == ENVIRONMENT["dependencies"][:-1]  # no package of its own
    post_build = ROOT / "binder" / "postBuild"
    lines = post_build.read_text(encoding="utf-8").splitlines()
    (install,) = [line for line in lines if "pip install" in line]
    assert install.endswith(" --constraint constraints.txt --editable .")
    assert os.access(post_build, os.X_OK)
    made = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert lines[-1].removeprefix("jupyter ") in made  # the server is set up as by make


def test_the_dev_container_is_made_by_make_in_a_python_that_the_package_allows():
    file = ROOT / ".devcontainer" / "devcontainer.json"
    container = json.loads(file.read_text(encoding="utf-8"))
    python = container["image"].rpartition(":")[2]
    assert f"{python}.0" in Requirement(f"python{PROJECT['requires-python']}").specifier
    assert container["postCreateCommand"] == "make .venv/.made"
    assert "features" not in container


def test_the_hub_of_a_class_is_one_exact_version():
    lines = (ROOT / "teaching" / "hub" / "requirements.txt").read_text(encoding="utf-8")
    (pin,) = [Requirement(line) for line in lines.splitlines() if re.match(r"\w", line)]
    assert re.fullmatch(r"jupyterhub==[\d.]+", str(pin))


def test_the_values_for_kubernetes_can_be_read_and_name_a_lesson():
    file = ROOT / "teaching" / "hub" / "values.yaml"
    values = yaml.safe_load(file.read_text(encoding="utf-8"))["singleuser"]
    assert (ROOT / values["defaultUrl"].removeprefix("/lab/tree/")).exists()
    assert values["memory"] == {"guarantee": "1G", "limit": "2G"}


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


@pytest.mark.parametrize("found", ["3.10.0", "3.15.1"])
def test_another_keras_is_named_where_it_is_loaded(found):
    code = f"import keras; keras.__version__ = {found!r}; import helpers.quiet"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    words = f"The lessons are about Keras 3.15. For {found}, see Versions in the README.\n"
    assert ran.stdout == ("" if found.startswith("3.15.") else words)


def test_the_server_sends_at_once_what_a_kernel_says():
    app = mock.Mock(web_app=mock.Mock(settings={}), extension_manager=mock.Mock(extension_apps={}))
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
