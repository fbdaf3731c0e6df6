"""All tables of the annotation app; each lives in the package of its noun."""

from annotation.adjudication.models import Adjudication, AnswerError, Disagreement, ErrorTally, Recount
from annotation.assignment.models import (
    Assignment,
    Flag,
    ItemScore,
    LabelerCursor,
    Lane,
    QueueState,
    Skip,
    Slot,
)
from annotation.campaigns.models import Campaign, Guidelines, GuidelinesAcknowledged, Protocol
from annotation.consents.models import ConsentAct, ConsentText, Erasure
from annotation.endpoints.models import Endpoint
from annotation.generation.models import Candidates, Generation, Live
from annotation.gold.models import GoldScore, GoldTally
from annotation.items.models import Import, Item, ItemResponse, Prompt, Response, StagedRow
from annotation.ledger.models import LedgerEntry, Payout
from annotation.people.models import (
    ApiToken,
    AuditEvent,
    Invitation,
    Membership,
    PersonErasure,
    SignInLink,
    User,
)
from annotation.qualification.models import PracticeAnswer, Qualification
from annotation.quality.models import QualityReport
from annotation.rollups.models import (
    CampaignHour,
    CampaignTally,
    LabelerDay,
    LabelerTally,
    ReasonTally,
    TallyChange,
)
from annotation.submissions.models import Feedback, Submission
from annotation.webhooks.models import Delivery, Webhook

__all__ = [
    "Adjudication",
    "AnswerError",
    "ApiToken",
    "Assignment",
    "AuditEvent",
    "Campaign",
    "CampaignHour",
    "CampaignTally",
    "Candidates",
    "ConsentAct",
    "ConsentText",
    "Delivery",
    "Disagreement",
    "Endpoint",
    "Erasure",
    "ErrorTally",
    "Feedback",
    "Flag",
    "Generation",
    "GoldScore",
    "GoldTally",
    "Guidelines",
    "GuidelinesAcknowledged",
    "Import",
    "Invitation",
    "Item",
    "ItemResponse",
    "ItemScore",
    "LabelerCursor",
    "LabelerDay",
    "LabelerTally",
    "Lane",
    "LedgerEntry",
    "Live",
    "Membership",
    "Payout",
    "PersonErasure",
    "PracticeAnswer",
    "Prompt",
    "Protocol",
    "Qualification",
    "QualityReport",
    "QueueState",
    "ReasonTally",
    "Recount",
    "Response",
    "SignInLink",
    "Skip",
    "Slot",
    "StagedRow",
    "Submission",
    "TallyChange",
    "User",
    "Webhook",
]
