"""What an analyst calls inside a room: see the data, ask for a result to leave, follow the request.

from tre import notebook as tre
tre.datasets()
tre.request_export(["table.csv", "figure.png"], why="table 2 of the paper")
tre.status()
"""

from tre.notebook.data import Dataset, Datasets, datasets, load
from tre.notebook.errors import NoAnswer, Refused, RoomError
from tre.notebook.exports import Meter, Request, Requests, meter, request_export, resubmit, status, withdraw

__all__ = [
    "Dataset",
    "Datasets",
    "Meter",
    "NoAnswer",
    "Refused",
    "Request",
    "Requests",
    "RoomError",
    "datasets",
    "load",
    "meter",
    "request_export",
    "resubmit",
    "status",
    "withdraw",
]
