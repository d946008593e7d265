"""What one lesson alone needs: its explorers, pictures and checks, and its questions.

A file a lesson, named as the notebook without its number.
"""
