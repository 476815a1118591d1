"""What a browser gets from a room passes here: who asks is known, what is asked is on a list, every byte is counted."""
