"""A file that cannot be written anew does not leave."""


class Cannot(Exception):
    """Why there is no re-write, and what to do; never a value of the file."""

    def __init__(self, message: str, fix: str, where: str = "file") -> None:
        super().__init__(message)
        self.message, self.fix, self.where = message, fix, where
