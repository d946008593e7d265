"""Windows, carried state and masks for recurrent networks in Keras.

Read the modules in this order; each imports only from those above it.

check       what a public function checks before it computes
data        the lessons' sequences, toy and real
windows     windows, padding, masks, buckets
plots       palette, drawing kit, the pictures that several lessons use
numbers     what a picture shows, as a table
quiet       TensorFlow and Keras, loaded without their start-up lines
recurrence  one recurrent layer over a window, forwards and backwards
models      small Keras models; their state, read, set and reset
engine      a model as a function of a window and a state
training    training and predicting window by window
probes      what a model remembers: states, reach, masks
pages       an explorer as a page whose controls move without Python
explorers   sliders around probes and plots, and the button that trains
progress    what a learner chose and tried, kept where a class wants it
exercises   how a question is asked and an exercise checked
lessons     what one lesson alone needs: a file a lesson, named as its notebook

The package, `windows`, `data` and `plots` load neither TensorFlow nor widgets.
"""

import logging

# Where home cannot be written to, Matplotlib finds another folder, and says so in red.
logging.getLogger("matplotlib").setLevel(logging.ERROR)
