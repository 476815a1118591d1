"""Safe people, safe projects: who may do what, and why not."""
