"""What one lesson alone needs: its explorers, pictures and checks, and its questions.

A file a lesson, named as the notebook without its number; questions in the .toml beside it, the
checks of exercises with their hints in the .py. Lessons do not import one another.
"""
