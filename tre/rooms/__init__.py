"""Safe settings: sealed rooms, and the gateway between a room and a browser."""
