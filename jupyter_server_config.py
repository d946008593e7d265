"""JupyterLab's server in this environment: what a kernel says reaches the browser at once.

TCP holds a small message back until the one before it is acknowledged, and browsers take their
time for that: 40 ms on Linux, up to 200 ms elsewhere. A slider's picture would wait for it.
"""

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection


class PromptConnection(ZMQChannelsWebsocketConnection):
    """A kernel's connection to the browser that does not wait to fill a packet."""

    def connect(self):  # noqa: D102
        self.websocket_handler.set_nodelay(True)
        return super().connect()


get_config().ServerApp.kernel_websocket_connection_class = PromptConnection  # noqa: F821
