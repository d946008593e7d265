"""Work in the background, so that the kernel keeps answering sliders and the stop button."""

import threading


class Background:
    """One piece of work at a time, in a thread."""

    def __init__(self):
        self._stop, self._ended = threading.Event(), threading.Event()
        self._ended.set()

    @property
    def busy(self):
        """Whether work is under way."""
        return not self._ended.is_set()

    @property
    def stopping(self):
        """Whether the work was asked to stop: it looks, and ends when it can."""
        return self._stop.is_set()

    def start(self, work, *arguments):
        """Begin `work(*arguments)`: it shows its own errors. Nothing else may be under way."""
        self._stop.clear()
        self._ended.clear()
        threading.Thread(target=self._run, args=[work, arguments], daemon=True).start()

    def stop(self):
        """Ask the work to stop."""
        self._stop.set()

    def wait(self):
        """Wait for the end of the work. Interrupting the kernel asks it to stop."""
        try:
            self._wait()
        except KeyboardInterrupt:
            self.stop()
            self._wait()

    def _run(self, work, arguments):
        try:
            work(*arguments)
        finally:
            self._ended.set()

    def _wait(self):
        # Not `Thread.join`: where that is interrupted, Python 3.11 takes the thread for ended.
        while not self._ended.wait(0.2):  # on Windows, nothing interrupts without a limit
            pass
