"""What an analyst calls inside a room: see the data, ask for a result to leave, follow the request.

from tre import notebook as tre
tre.datasets()
tre.describe("table.csv", kind="table", context="Table 2", made=tre.made("trial", measures={"n": "persons"}))
tre.request_export(["table.csv", "figure.png"], why="table 2 of the paper")
tre.status()
"""

from tre.notebook.data import Dataset, Datasets, datasets, load
from tre.notebook.errors import NoAnswer, Refused, RoomError
from tre.notebook.exports import Meter, Request, Requests, meter, request_export, resubmit, status, withdraw
from tre.notebook.results import describe, made

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
    "describe",
    "load",
    "made",
    "meter",
    "request_export",
    "resubmit",
    "status",
    "withdraw",
]
