"""The airlock's pages, one module for each of its audiences."""
