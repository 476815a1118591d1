"""Safe outputs: results leave, people do not."""
