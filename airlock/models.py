"""What programs send to the airlock and get from it; the description of the API is made from these."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from airlock.states import FileState, State, Verdict

Why = Annotated[str, Field(description="what the files show and what they are needed for", max_length=4000)]
Paths = Annotated[list[str], Field(description="files below the outbox", min_length=1, max_length=20)]


Abouts = Annotated[
    dict[str, dict[str, Any]],
    Field(description="path of a file: what it is and how its numbers are made again", max_length=20),
]


class Sent(BaseModel):
    """What a program sends: nothing but the named fields."""

    model_config = ConfigDict(extra="forbid")


class Ask(Sent):
    """Ask for files of an outbox to leave."""

    project: str = Field(description="whose outbox of yours", max_length=30)
    paths: Paths
    why: Why
    about: Abouts = {}


class Files(Sent):
    """Files of the outbox and why they should leave; the project is that of the room or of the request."""

    paths: Paths
    why: Why
    about: Abouts = {}


class OnFile(Sent):
    """A verdict on one file."""

    verdict: Verdict
    reason: str = Field(default="", description="needed unless it is approve", max_length=4000)


class Vote(Sent):
    """Vote on exactly the files that the manifest names."""

    verdict: Verdict | Literal["each"] = Field(description="approve, send_back or reject all; or each as `files` says")
    reason: str = Field(description="for the author and the other approver", min_length=1, max_length=4000)
    files: dict[int, OnFile] = Field(default={}, description="position of a file: the verdict on it", max_length=50)
    manifest_sha256: str = Field(description="digest of the files as you saw them", pattern="^[0-9a-f]{64}$")
    code: str = Field(description="fresh code of your authenticator app", max_length=10)


class Recall(Sent):
    """Call back all that left of a request."""

    reason: str = Field(description="everybody concerned reads it", min_length=1, max_length=4000)
    code: str = Field(description="fresh code of your authenticator app", max_length=10)


class Closing(Sent):
    """Say what came of an incident."""

    outcome: str = Field(description="what was found out and done", min_length=1, max_length=4000)
    code: str = Field(description="fresh code of your authenticator app", max_length=10)


class Except(Sent):
    """Let a file go on although a check said no."""

    position: int = Field(description="of the file, from 0", ge=0, le=19)
    check: str = Field(description="the check that is excepted", max_length=40)
    reason: str = Field(description="for the approvers, the certificate and whoever asks later", max_length=4000)
    manifest_sha256: str = Field(description="digest of the files as you saw them", pattern="^[0-9a-f]{64}$")
    code: str = Field(description="fresh code of your authenticator app", max_length=10)


class Comment(Sent):
    """Say something about a request."""

    text: str = Field(description="no values of patients", min_length=1, max_length=4000)


class Finding(BaseModel):
    """What a check says."""

    check: str
    severity: str
    where: str
    message: str
    rule: str = Field(description="id of the rule of disclosure control; empty for a check of form")
    fix: str = Field(description="what the author does about it")
    cells: list[tuple[int, int, int]] = Field(description="table, row and column of each cell it means, from 0")


class File(BaseModel):
    """A file of the newest round."""

    position: int
    name: str
    size: int
    kind: str
    sha256: str
    state: FileState
    about: dict[str, Any] = Field(description="what its author says it is")
    findings: list[Finding]


class Export(BaseModel):
    """An export request."""

    id: int
    project: str
    requester: str
    state: State
    why: str
    round: int
    manifest_sha256: str
    files: list[File]
    says: str = Field(description="whose turn it is and what happens next")
    may: list[str] = Field(description="what you may do with it now")
    url: str = Field(description="its page")


class Lying(BaseModel):
    """A file in the outbox."""

    name: str
    size: int
    about: dict[str, Any] = Field(description="what was written down about it in the room, if anything")


class Outbox(BaseModel):
    """What could be asked for."""

    files: list[Lying]


class Exports(BaseModel):
    """Export requests, newest first; a queue has the longest waiting first."""

    requests: list[Export]


class Said(BaseModel):
    """A comment."""

    person: str
    round: int
    text: str
    at: datetime


class Voted(BaseModel):
    """A vote, as far as it is open to you."""

    approver: str
    round: int
    verdict: Verdict
    reason: str
    at: datetime


class Change(BaseModel):
    """How a file differs from the round before."""

    name: str
    what: str = Field(description="added, removed, changed, same or left")


class Detailed(Export):
    """An export request with its story."""

    votes_in: int = Field(description="how many have voted in this round")
    votes: list[Voted]
    comments: list[Said]
    changes: list[Change]


class Findings(BaseModel):
    """What the checks say about each file of the newest round."""

    checked: bool = Field(description="whether the checks of this round have finished")
    files: list[File]


class Link(BaseModel):
    """A way to collect, once."""

    token: str
    url: str


class Incident(BaseModel):
    """Something that left and was called back."""

    id: int
    request: int
    round: int
    project: str
    requester: str
    opened_by: str
    opened_at: datetime
    reason: str
    collected: bool = Field(description="whether somebody had collected it by then")
    collected_at: list[datetime]
    closed_by: str | None
    closed_at: datetime | None
    outcome: str


class Incidents(BaseModel):
    """Incidents, newest first."""

    incidents: list[Incident]


class Fault(BaseModel):
    """Why something was not done."""

    error: str
    rules: list[str]
    remedies: list[str]
