"""Windows, carried state and masks for recurrent networks in Keras.

Read the modules in this order; imports point from the bottom of the list to the top.

validation  what every public function checks before it computes
data        the lessons' sequences, toy and real
files       a learner's own sequences, from CSV
windows     windows, padding, masks, buckets
recurrence  one recurrent layer over a window, forwards and backwards
models      small Keras models; their state, read, set and reset
training    training and predicting window by window
probes      what a model remembers: states, reach, masks
draws       which rows `fit` draws
costs       time and memory of an epoch
scenarios   window lengths compared on somebody's own sequences
advice      a recommendation, with the evidence for each sentence
plots       arrays in, Axes out
checks      instant feedback on predictions and exercises
explorers   sliders around probes and plots

Importing the package loads neither TensorFlow nor widgets.
"""

import importlib.machinery
import logging
import os
import sys
from contextlib import contextmanager

# TensorFlow and Keras read these once, while they load.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
# Made for small programs: they compile in half the time and run faster.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=1 --xla_cpu_use_fusion_emitters=false "
    "--xla_cpu_multi_thread_eigen=false --xla_cpu_prefer_vector_width=512 "
    "--xla_cpu_experimental_ynn_fusion_type=",
)

# Advice for long loops; a lesson builds many small models and calls each of them a few times.
logging.getLogger("tensorflow").addFilter(
    lambda record: "triggered tf.function retracing" not in str(record.msg)
)


@contextmanager
def _silent_stderr():
    """Send file descriptor 2 nowhere: C++ code writes there, past `sys.stderr`."""
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


class _QuietTensorFlow:
    """Import TensorFlow without its start-up lines.

    TensorFlow 2.21 prints them whatever `TF_CPP_MIN_LOG_LEVEL` says, and Jupyter shows
    them in red. Python's own errors are raised as always.
    """

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != "tensorflow":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module):
                with _silent_stderr():
                    execute(module)

            spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, _QuietTensorFlow)
