"""Somebody asks to use data for a purpose, and a committee answers: from a draft to the proof that all is deleted.

`states` and `form` are pure; `drafts`, `review` and `active` are the verbs, in the order in which they are taken.
"""
