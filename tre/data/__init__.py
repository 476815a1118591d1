"""Safe data: from a source's files to a project's pseudonymised copy."""
