"""An extension of Jupyter's server: prompt messages, and alt text for pictures in outputs.

TCP holds a small message back until the one before it is acknowledged, and browsers take their
time for that: a slider's picture would come 12 ms later (`make bench`, two cores, Linux).
"""

from pathlib import Path

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection


class _PromptConnection(ZMQChannelsWebsocketConnection):
    """A kernel's connection to the browser that does not wait to fill a packet."""

    def connect(self):
        """Connect, and send each message at once."""
        self.websocket_handler.set_nodelay(True)
        return super().connect()


def _jupyter_server_extension_points():
    return [{"module": "helpers.server"}]


def _load_jupyter_server_extension(app):
    app.web_app.settings["kernel_websocket_connection_class"] = _PromptConnection
    for name in ("jupyterlab", "notebook"):
        for front_end in app.extension_manager.extension_apps.get(name, ()):
            front_end.extra_labextensions_path = [str(Path(__file__).with_name("labextensions"))]
