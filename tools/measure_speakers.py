"""Measure what padding does to learning: ``python tools/measure_speakers.py FILE SEED …``

Trains a model for each setting and seed, one after another, on one core: some seven minutes a
seed. `helpers/lessons/speakers.csv` holds seeds 0 to 4.
"""

import platform
import sys
from pathlib import Path

from helpers.lessons.speakers import Setting, standardised_vowels, train_reader
from helpers.quiet import keras, tf

CORNERS = [(29, "post", False), (100, "post", False), (100, "pre", False), (100, "post", True)]
SETTINGS = [
    *(
        Setting(timesteps, padding, mask)
        for timesteps in (29, 50, 100)
        for padding in ("post", "pre")
        for mask in (False, True)
    ),
    Setting(100, "post", False, forget_bias=5),
    Setting(100, "post", False, epochs=100),
    *(Setting(*corner, cell=cell) for cell in ("gru", "simple_rnn") for corner in CORNERS),
]


def main(path, *seeds):
    """Write a line for each setting and seed to the file at `path`."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    vowels = standardised_vowels()
    with Path(path).open("w", encoding="utf-8", newline="\n") as file:
        print(f"# Keras {keras.__version__}, TensorFlow {tf.__version__}", end=", ", file=file)
        print(f"Python {platform.python_version()}, {platform.machine()}, CPU", file=file)
        print(f"# python tools/measure_speakers.py {path} {' '.join(seeds)}", file=file)
        print(*Setting._fields, "seed", "train", "test", sep=",", file=file)
        for seed in map(int, seeds):
            for setting in SETTINGS:
                keras.backend.clear_session()
                found = train_reader(vowels, setting, seed=seed)
                values = [int(value) if value in (True, False) else value for value in setting]
                numbers = [f"{share:.4f}" for share in found]
                print(*values, seed, *numbers, sep=",", file=file, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
