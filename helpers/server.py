"""An extension of Jupyter's server: what a kernel says reaches the browser at once.

TCP holds a small message back until the one before it is acknowledged, and browsers take their
time for that: a slider's picture would come 12 ms later (`make bench`, two cores, Linux).
"""

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection


class PromptConnection(ZMQChannelsWebsocketConnection):
    """A kernel's connection to the browser that does not wait to fill a packet."""

    def connect(self):
        """Connect, and send each message at once."""
        self.websocket_handler.set_nodelay(True)
        return super().connect()


def _jupyter_server_extension_points():
    return [{"module": "helpers.server"}]


def _load_jupyter_server_extension(app):
    app.web_app.settings["kernel_websocket_connection_class"] = PromptConnection
