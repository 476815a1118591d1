"""Safe settings: the sealed rooms in which people work, and the one way a browser has to them."""
