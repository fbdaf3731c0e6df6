"""Whetstone from Python.

with Client("https://whetstone.example.org", token="wst_…") as client:
    campaign = client.campaign("everyday-answers")
    for event in campaign.events():
        ...
"""

from whetstone_client.campaigns import Campaign
from whetstone_client.client import Client
from whetstone_client.errors import (
    ApiError,
    Conflict,
    Damaged,
    Gone,
    ImportRefused,
    Invalid,
    JobFailed,
    NotAllowed,
    NotFound,
    Stale,
    TimedOut,
    TooMany,
    Unanswered,
    Unavailable,
    WhetstoneError,
)
from whetstone_client.importing import Imported
from whetstone_client.jobs import Run, Snapshot
from whetstone_client.labeling import Answer, Submission, Task
from whetstone_client.transport import Retries

__all__ = [
    "Answer",
    "ApiError",
    "Campaign",
    "Client",
    "Conflict",
    "Damaged",
    "Gone",
    "ImportRefused",
    "Imported",
    "Invalid",
    "JobFailed",
    "NotAllowed",
    "NotFound",
    "Retries",
    "Run",
    "Snapshot",
    "Stale",
    "Submission",
    "Task",
    "TimedOut",
    "TooMany",
    "Unanswered",
    "Unavailable",
    "WhetstoneError",
]
