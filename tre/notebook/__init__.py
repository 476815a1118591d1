"""What an analyst imports inside a room. Knows nothing of the core; runs with the room's own Python."""
