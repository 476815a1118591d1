"""How identifiers stop at the project's door."""
