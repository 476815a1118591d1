"""What the machine looks for in a file before people look at it."""
