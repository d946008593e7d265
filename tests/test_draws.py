"""What `watch_fit` notes is what Keras was given, and what Keras said."""

import numpy as np
from helpers.draws import watch_fit

NUMBERS = np.arange(7.0)[:, None]


def test_the_rows_noted_are_those_that_were_handed_over():
    handed = []

    def batches():
        for rows in ([4, 2, 6], [0], [5, 5]):
            handed.extend(rows)
            yield NUMBERS[rows], NUMBERS[rows]

    assert watch_fit(batches()).epochs == [handed] == [[4, 2, 6, 0, 5, 5]]


def test_each_epoch_has_a_list_of_its_own():
    assert watch_fit(NUMBERS, NUMBERS, batch_size=3, epochs=3).epochs == [[*range(7)]] * 3


def test_rows_are_shuffled_only_when_asked_for():
    (rows,) = watch_fit(NUMBERS, NUMBERS, shuffle=True).epochs
    assert sorted(rows) == [*range(7)]
    assert any(watch_fit(NUMBERS, NUMBERS, shuffle=True).epochs != [[*range(7)]] for _ in range(5))


def test_validation_rows_follow_in_the_epoch_that_looks_at_them():
    validation = NUMBERS[:2], NUMBERS[:2] + 100
    drawn = watch_fit(NUMBERS, NUMBERS, epochs=2, validation_data=validation)
    assert drawn.epochs == [[*range(7), 100, 101]] * 2


def test_what_keras_says_is_kept_and_nothing_is_kept_where_it_is_silent(recwarn):
    drawn = watch_fit(NUMBERS, NUMBERS, batch_size=4, steps_per_epoch=3)
    assert [words.split(";")[0] for words in drawn.warnings] == ["Your input ran out of data"]
    assert watch_fit(NUMBERS, NUMBERS, batch_size=4, steps_per_epoch=2).warnings == []
    assert not [warning for warning in recwarn if warning.category is UserWarning]


def test_a_callback_of_one_s_own_is_called_too():
    import keras

    ends = []
    follow = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: ends.append(epoch))
    watch_fit(NUMBERS, NUMBERS, epochs=2, callbacks=[follow])
    assert ends == [0, 1]
