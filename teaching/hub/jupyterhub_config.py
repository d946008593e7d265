"""A class on one machine, to try it out: ``make hub PASSWORD=…``.

Whoever knows the password logs in under a name of their choice and gets a folder of that name with
the lessons in it. All run as the user who started this: it keeps learners apart by their folders
only. README.md beside this file says how to go on to a server for strangers.
"""

import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HUB = Path(sys.prefix)  # .venv/hub: JupyterHub and its proxy
LESSONS = HUB.parent / "bin" / "python"  # .venv: what the lessons need
CLASS = Path(os.environ.get("LESSONS_CLASS", ROOT / "build" / "class"))
EDITION = Path(os.environ.get("LESSONS_EDITION", ROOT / "build" / "editions" / "learners"))
if not EDITION.exists():
    EDITION = ROOT  # the lessons as they are stored
GIB = float(os.environ.get("LESSONS_MEMORY_GIB", "2"))

c = get_config()  # noqa: F821 (JupyterHub gives it)

CLASS.mkdir(parents=True, exist_ok=True)
kept = CLASS / ".hub"
kept.mkdir(exist_ok=True)

# Where: this machine alone, unless ADDRESS says otherwise.
address = os.environ.get("LESSONS_ADDRESS", "127.0.0.1")
c.JupyterHub.bind_url = f"http://{address}:{os.environ.get('LESSONS_PORT', '8000')}"
c.JupyterHub.hub_port = int(os.environ.get("LESSONS_HUB_PORT", "8081"))
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{os.environ.get('LESSONS_PROXY_PORT', '8001')}"
c.ConfigurableHTTPProxy.command = [str(HUB / "node_modules" / ".bin" / "configurable-http-proxy")]
c.ConfigurableHTTPProxy.pid_file = str(kept / "proxy.pid")
c.JupyterHub.db_url = f"sqlite:///{kept / 'hub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(kept / "cookie_secret")
WORDS = "A name of your choice (letters a to z, digits, - and _), and the password of the class."
c.JupyterHub.template_vars = {"announcement_login": WORDS}

# Who: anybody with the password. A name is a folder, so it may not lead out of the class's.
password = os.environ["LESSONS_PASSWORD"]
if len(password) < 8:
    sys.exit("`PASSWORD` must have 8 characters or more.")
c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = password
c.Authenticator.allow_all = True
c.Authenticator.username_pattern = r"[a-z0-9][a-z0-9_-]{0,31}\Z"  # it is matched from the start

# What each gets: a server of their own, which outlives a restart of the hub.
c.JupyterHub.spawner_class = "simple"
c.JupyterHub.cleanup_servers = False
c.SimpleLocalProcessSpawner.home_dir_template = str(CLASS / "{username}")
first = min(file.name for file in (EDITION / "notebooks").glob("*.ipynb"))
c.Spawner.default_url = f"/lab/tree/notebooks/{first}"
c.Spawner.start_timeout = 120
c.Spawner.http_timeout = 120
c.Spawner.environment = {
    # The server and its kernels run in the lessons' environment, and find JupyterHub here.
    "PYTHONPATH": os.pathsep.join(path for path in sys.path if Path(path).is_relative_to(HUB)),
}
# Each process may allocate so much; a cell that asks for more raises a MemoryError, and goes on.
limit = ["prlimit", f"--data={int(GIB * 2**30)}"] if shutil.which("prlimit") else []
c.Spawner.cmd = [*limit, str(LESSONS), "-m", "jupyterhub.singleuser"]
# A kernel that nobody looks at for an hour is stopped: its memory is another learner's.
c.Spawner.args = [
    "--MappingKernelManager.cull_idle_timeout=3600",
    "--MappingKernelManager.cull_interval=300",
    "--LabApp.extension_manager=readonly",
    *(["--allow-root"] if os.geteuid() == 0 else []),
    *os.environ.get("LESSONS_ARGUMENTS", "").split(),
]


def hand_out(spawner):
    """Put the lessons into a learner's folder, but for those that are there already."""
    home = CLASS / spawner.user.name
    for part in ("notebooks", "helpers/datasets", "docs", "benchmarks"):
        for file in (EDITION / part).glob("*.*"):
            copy = home / part / file.name
            copy.parent.mkdir(parents=True, exist_ok=True)
            if file.is_file() and not copy.exists():
                shutil.copy(file, copy)
    progress = home / "notebooks" / "progress.json"
    if not progress.exists():
        progress.write_text("{}\n")


c.Spawner.pre_spawn_hook = hand_out
