"""Sixty invented people, delivered in every modality as a hospital would, and what should become of each value.

Nobody in it lives or lived. `make.generate` writes the same bytes each time; what should become of each value is
written by those who wrote the value (`key.py`), not by the code under test.
"""
