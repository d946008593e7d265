"""TensorFlow and Keras, set up for small programs and loaded without their start-up lines.

Modules that need Keras take it from here: TensorFlow 2.21 prints start-up lines past `sys.stderr`,
whatever `TF_CPP_MIN_LOG_LEVEL` says, and Jupyter shows them in red.
"""

import gc
import logging
import os
from importlib.metadata import version

__all__ = ["HloProto", "keras", "record_operation", "stop_recording", "tf"]

# TensorFlow and Keras read these once, while they load.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
# Small programs compile in half the time and run faster. TensorFlow ends the process on a flag
# that it does not know, as 2.19 and 2.20 would.
if version("tensorflow").startswith("2.21."):
    os.environ.setdefault(
        "XLA_FLAGS",
        "--xla_backend_optimization_level=1 --xla_cpu_use_fusion_emitters=false "
        "--xla_cpu_multi_thread_eigen=false --xla_cpu_prefer_vector_width=512 "
        "--xla_cpu_experimental_ynn_fusion_type=",
    )

# Advice for long loops; a lesson builds many small models and calls each of them a few times.
# And what an interrupt left unfinished, said when it is thrown away: below a later cell.
_UNSAID = "triggered tf.function retracing", "Object was never used"
logging.getLogger("tensorflow").addFilter(
    lambda record: not any(words in str(record.msg) for words in _UNSAID)
)

_stderr, _nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
try:
    os.dup2(_nowhere, 2)
    import keras
    import tensorflow as tf
    from tensorflow.compiler.xla.service.hlo_pb2 import HloProto
    from tensorflow.python.eager.record import record_operation, stop_recording
finally:
    os.dup2(_stderr, 2)
    os.close(_stderr)
    os.close(_nowhere)

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        "`helpers` needs Keras on TensorFlow. Received: KERAS_BACKEND="
        f"{keras.backend.backend()!r}. Set it to 'tensorflow' and restart the kernel."
    )

if not keras.__version__.startswith("3.15."):
    print(f"The lessons are about Keras 3.15. For {keras.__version__}, see Versions in the README.")

# Without a `tf.distribute` strategy there is one replica: sum and mean are the value itself.
# TensorFlow would keep the graph that asks for it, Keras' training step, for ever.
_all_reduce = tf.distribute.ReplicaContext.all_reduce
tf.distribute.ReplicaContext.all_reduce = lambda self, reduce_op, value, options=None: (
    _all_reduce(self, reduce_op, value, options) if tf.distribute.has_strategy() else value
)

# Python looks through everything for garbage once a quarter of what is kept is new. What is loaded
# by now no longer counts, so that models that are gone, with many graphs, go earlier.
gc.freeze()
gc.collect()
