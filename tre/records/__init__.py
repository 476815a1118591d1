"""What is remembered and can be proved."""
