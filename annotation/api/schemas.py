"""Shapes of requests and answers, for the OpenAPI document alone: what is accepted is decided by the services."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import inline_serializer
from rest_framework import serializers as s

from annotation.assignment.strategies import all_strategies
from annotation.campaigns.models import DataLicense, LegalBasis
from annotation.webhooks.catalogue import KINDS


def _object(name: str, **fields: Any) -> Any:
    return inline_serializer(name, fields)


def page_of(name: str, row: Any) -> Any:
    """A page of a list."""
    return _object(
        f"{name}Page",
        next=s.URLField(allow_null=True),
        previous=s.URLField(allow_null=True),
        results=row(many=True),
    )


class Message(s.Serializer):
    role = s.ChoiceField(["system", "user", "assistant"])
    content = s.CharField()


class Campaign(s.Serializer):
    slug = s.SlugField()
    name = s.CharField(max_length=120)
    state = s.ChoiceField(["draft", "open", "paused", "closed"])
    overlap = s.IntegerField(min_value=1, max_value=100)
    lease_s = s.IntegerField(min_value=30, max_value=604800)
    hold_after = s.IntegerField(
        help_text="So many reports of harmful or private content hold an item back; 0: never."
    )
    shows_scores = s.BooleanField(help_text="Each labeler sees how often they agree with the others.")
    language = s.CharField(max_length=10)
    strategy = s.ChoiceField(list(all_strategies()), help_text="How the next item is chosen.")
    control_share = s.FloatField(
        min_value=0, max_value=1, help_text="Of the places, so many are drawn at random instead."
    )
    skills = s.ListField(child=s.CharField(max_length=40), help_text="That items may ask of labelers.")
    data_license = s.CharField(help_text="Of the snapshots taken from now on; empty: not chosen.")
    legal_basis = s.CharField()
    extra_below = s.FloatField(allow_null=True)
    extra_up_to = s.IntegerField(allow_null=True)
    error_categories = s.ListField(child=s.CharField())
    shows_errors = s.BooleanField()
    gold_share = s.FloatField(
        required=False, help_text="This and the next six: for those who oversee the campaign."
    )
    gold_warn = s.FloatField(required=False)
    gold_pause = s.FloatField(required=False)
    gold_window = s.IntegerField(required=False)
    practice_first = s.BooleanField(required=False)
    practice_pass = s.FloatField(required=False)
    practice_retries = s.IntegerField(required=False)
    round = s.IntegerField()
    version = s.IntegerField(help_text="Send it back as If-Match when changing the campaign.")
    guidelines_version = s.IntegerField(allow_null=True)
    protocol_version = s.IntegerField(allow_null=True)
    roles = s.ListField(child=s.CharField())
    created_at = s.DateTimeField()


class NewCampaign(s.Serializer):
    name = s.CharField(max_length=120)
    slug = s.SlugField(required=False, max_length=60)
    overlap = s.IntegerField(required=False, min_value=1, max_value=100, default=1)
    lease_s = s.IntegerField(required=False, min_value=30, max_value=604800, default=1800)
    language = s.CharField(required=False, max_length=10, default="en")
    strategy = s.ChoiceField(list(all_strategies()), required=False, help_text="How the next item is chosen.")
    control_share = s.FloatField(
        min_value=0,
        max_value=1,
        required=False,
        help_text="Of the places, so many are drawn at random instead.",
    )
    skills = s.ListField(
        child=s.CharField(max_length=40), required=False, help_text="That items may ask of labelers."
    )
    guidelines = s.CharField(required=False)
    protocol = s.ListField(child=s.DictField(), required=False)


class CampaignChanges(s.Serializer):
    name = s.CharField(required=False, max_length=120)
    overlap = s.IntegerField(required=False, min_value=1, max_value=100)
    lease_s = s.IntegerField(required=False, min_value=30, max_value=604800)
    hold_after = s.IntegerField(required=False, min_value=0, max_value=100)
    shows_scores = s.BooleanField(required=False)
    language = s.CharField(required=False, max_length=10)
    strategy = s.ChoiceField(list(all_strategies()), required=False, help_text="How the next item is chosen.")
    control_share = s.FloatField(
        min_value=0,
        max_value=1,
        required=False,
        help_text="Of the places, so many are drawn at random instead.",
    )
    skills = s.ListField(
        child=s.CharField(max_length=40), required=False, help_text="That items may ask of labelers."
    )
    data_license = s.ChoiceField(["", *DataLicense.values], required=False)
    legal_basis = s.ChoiceField(["", *LegalBasis.values], required=False)
    extra_below = s.FloatField(
        required=False, allow_null=True, help_text="Complete items with less agreement get another place,"
    )
    extra_up_to = s.IntegerField(required=False, allow_null=True, help_text="up to so many answers.")
    error_categories = s.ListField(
        child=s.CharField(max_length=60),
        required=False,
        help_text="What reviewers may find wrong; []: the usual.",
    )
    shows_errors = s.BooleanField(required=False, help_text="To labelers, their own.")
    gold_share = s.FloatField(
        required=False, min_value=0, max_value=0.5, help_text="Of a labeler's new items."
    )
    gold_warn = s.FloatField(required=False, min_value=0, max_value=1, help_text="0: never")
    gold_pause = s.FloatField(required=False, min_value=0, max_value=1, help_text="0: never")
    gold_window = s.IntegerField(required=False, min_value=1, max_value=200)
    practice_first = s.BooleanField(required=False, help_text="Newcomers qualify before their first item.")
    practice_pass = s.FloatField(required=False, min_value=0, max_value=1)
    practice_retries = s.IntegerField(required=False, min_value=0, max_value=20)
    version = s.IntegerField(required=False, help_text="Instead of If-Match.")


class Labeler(s.Serializer):
    username = s.CharField()
    languages = s.ListField(
        child=s.CharField(max_length=10),
        help_text="That they read, in small letters; none: items in every language.",
    )
    skills = s.ListField(child=s.CharField(max_length=40))
    suspended = s.BooleanField()


class LabelerChanges(s.Serializer):
    languages = s.ListField(
        child=s.CharField(max_length=10), required=False, help_text="Codes such as en or zh-Hant."
    )
    skills = s.ListField(
        child=s.CharField(max_length=40), required=False, help_text="Of the campaign's list."
    )


class Guidelines(s.Serializer):
    number = s.IntegerField(read_only=True)
    markdown = s.CharField()
    created_at = s.DateTimeField(read_only=True)


class Protocol(s.Serializer):
    number = s.IntegerField(read_only=True)
    questions = s.ListField(child=s.DictField())
    created_at = s.DateTimeField(read_only=True)


class Published(Protocol):
    retired = s.ListField(
        child=s.DictField(),
        help_text="What is no longer offered though it was answered: question, setting, values, answers. Kept and marked.",
    )


class ItemResponse(s.Serializer):
    id = s.IntegerField()
    text = s.CharField()
    source = s.CharField()  # type: ignore[assignment]
    source_name = s.CharField()


class Item(s.Serializer):
    id = s.IntegerField()
    external_id = s.CharField(allow_null=True)
    round = s.IntegerField()
    state = s.ChoiceField(["waiting", "begun", "complete", "held", "withdrawn", "gold", "practice"])
    purpose = s.ChoiceField(["work", "gold", "practice"])
    expected = s.DictField(allow_null=True, help_text="acceptable (lists of answers) and explanation")
    overlap = s.IntegerField()
    counted = s.IntegerField()
    prompt = Message(many=True)
    responses = ItemResponse(many=True)
    metadata = s.DictField(allow_null=True)
    created_at = s.DateTimeField()


class AuditEvent(s.Serializer):
    id = s.IntegerField()
    actor = s.CharField(allow_null=True, help_text="null: the program itself")
    action = s.CharField()
    target = s.CharField()
    before = s.JSONField(allow_null=True)
    after = s.JSONField(allow_null=True)
    created_at = s.DateTimeField()


class ItemChanges(s.Serializer):
    overlap = s.IntegerField(min_value=1, max_value=100)


class Disagreement(s.Serializer):
    item = s.IntegerField()
    external_id = s.CharField(allow_null=True)
    question = s.CharField(help_text="The one on which labelers differ most.")
    disagreement = s.FloatField(help_text="Mean distance of two answers to it, 0 to 1.")
    answers = s.IntegerField()
    uncertainty = s.FloatField(allow_null=True)
    value = s.FloatField(help_text="disagreement × answers × (1 + uncertainty)")


class Disagreements(s.Serializer):
    results = Disagreement(many=True)
    after = s.CharField(allow_null=True, help_text="Ask again with it for the next page.")


class Adjudication(s.Serializer):
    id = s.IntegerField()
    item = s.IntegerField()
    act = s.ChoiceField(["blind", "choose", "write"])
    answers = s.ListField(
        child=s.DictField(), help_text="As feedback rows: question, type, target, payload, …"
    )
    chosen = s.UUIDField(allow_null=True)
    reason = s.CharField()
    errors = s.DictField(child=s.CharField(), help_text="Submission id to category.")  # type: ignore[assignment]
    supersedes = s.IntegerField(allow_null=True)
    reviewer = s.CharField(help_text="A pseudonym, the same throughout the campaign.")
    created_at = s.DateTimeField()


class NewAdjudication(s.Serializer):
    act = s.ChoiceField(["blind", "choose", "write"])
    reason = s.CharField(max_length=2000)
    idempotency_key = s.UUIDField()
    answers = s.ListField(child=s.DictField(), required=False, help_text="Of blind and write.")
    chosen = s.UUIDField(required=False, allow_null=True, help_text="Of choose: a submission.")
    errors = s.DictField(child=s.CharField(), required=False)  # type: ignore[assignment]
    seen = s.IntegerField(
        required=False, allow_null=True, help_text="The decision that holds, as far as you know."
    )


class ToSettle(s.Serializer):
    questions = s.ListField(child=s.DictField())
    responses = s.ListField(child=s.IntegerField())
    decisions = Adjudication(many=True)


class ImportResult(s.Serializer):
    items = s.IntegerField()
    updated = s.IntegerField()
    unchanged = s.IntegerField()
    responses = s.IntegerField()
    slots = s.IntegerField()
    duplicate_prompts = s.IntegerField()
    gold = s.IntegerField(help_text="Set aside with what their rows say is expected.")
    seconds = s.FloatField()


class StartImport(s.Serializer):
    mapping = s.DictField(
        required=False,
        help_text="prompt, system, responses (a list) or response_list, id, language, skills, priority, split_group,"
        " gold, metadata (a list), names_sources; as the upload guessed it by default.",
    )
    update = s.BooleanField(  # type: ignore[assignment]
        required=False, help_text="Rows whose id is there already replace it."
    )
    options = s.DictField(required=False, help_text="delimiter of a CSV")


class Import(s.Serializer):
    id = s.IntegerField()
    status = s.ChoiceField(["uploaded", "queued", "running", "complete", "failed", "cancelled"])
    file_name = s.CharField()
    size = s.IntegerField()
    format = s.CharField()
    options = s.DictField()
    mapping = s.DictField()
    update = s.BooleanField()  # type: ignore[assignment]
    share = s.FloatField(help_text="How far it is, from 0 to 1.")
    rows = s.IntegerField()
    ignored = s.DictField(help_text="What the file holds and an import leaves out: how often.")
    errors = s.ListField(child=s.DictField(), help_text="The first hundred: line, field, rule, remedy.")  # type: ignore[assignment]
    errors_total = s.IntegerField()
    code = s.CharField()
    message = s.CharField()
    result = s.DictField(allow_null=True)
    columns = s.DictField(required=False, help_text="While it waits: each with its first values.")
    unit = s.CharField(required=False)
    notes = s.ListField(required=False, child=s.CharField())
    created_at = s.DateTimeField()
    ended_at = s.DateTimeField(allow_null=True)


class NewInvitation(s.Serializer):
    role = s.ChoiceField(["labeler", "reviewer", "admin", "researcher"], required=False, default="labeler")
    max_uses = s.IntegerField(required=False, min_value=1, max_value=10_000, default=1)
    days = s.IntegerField(required=False, min_value=1, max_value=366, default=14)


class PersonToInvite(s.Serializer):
    note = s.CharField(max_length=120, help_text="A name or address by which you know them; admins see it.")
    role = s.ChoiceField(["labeler", "reviewer", "admin", "researcher"], required=False, default="labeler")
    languages = s.ListField(
        child=s.CharField(max_length=10), required=False, help_text="Of a labeler, as with the next."
    )
    skills = s.ListField(child=s.CharField(max_length=40), required=False)


class NewInvitations(s.Serializer):
    people = s.ListField(child=PersonToInvite(), help_text="1 to 1,000; each note once.")
    days = s.IntegerField(required=False, min_value=1, max_value=366, default=14)


class Invitation(s.Serializer):
    id = s.IntegerField()
    role = s.CharField()
    note = s.CharField(help_text="Empty, or whom an admin meant it for.")
    languages = s.ListField(child=s.CharField(), help_text="That the labeler's membership begins with.")
    skills = s.ListField(child=s.CharField())
    state = s.CharField(help_text="open, used_up, expired or revoked")
    uses = s.IntegerField()
    max_uses = s.IntegerField()
    expires_at = s.DateTimeField()
    created_at = s.DateTimeField()


class MadeInvitation(Invitation):
    link = s.URLField(help_text="Shown this once.")


class MadeInvitations(s.Serializer):
    invitations = s.ListField(child=MadeInvitation(), help_text="In the order of the request.")


class MakeGold(s.Serializer):
    answers = s.ListField(
        child=s.ListField(child=s.DictField()),
        help_text="One list for each way to be right, of {question, target, payload}.",
    )
    explanation = s.CharField(required=False, max_length=2000)
    purpose = s.CharField(required=False, default="gold", help_text="gold or practice")


class AssignRequest(s.Serializer):
    labeler = s.CharField()


class Assigned(s.Serializer):
    assignment = s.IntegerField()
    lease_until = s.DateTimeField()


class ShownResponse(s.Serializer):
    id = s.IntegerField()
    text = s.CharField()


class Assignment(s.Serializer):
    id = s.IntegerField()
    campaign = s.SlugField()
    state = s.ChoiceField(["leased", "submitted", "skipped", "expired"])
    lease_until = s.DateTimeField()
    protocol_version = s.IntegerField()
    guidelines_version = s.IntegerField()
    questions = s.ListField(child=s.DictField())
    prompt = Message(many=True)
    responses = ShownResponse(many=True)
    draft = s.DictField(allow_null=True)


class Answer(s.Serializer):
    question = s.CharField()
    target = s.IntegerField(allow_null=True)
    payload = s.DictField()


class PracticePlace(s.Serializer):
    number = s.IntegerField()
    of = s.IntegerField()
    attempt = s.IntegerField()


class Practised(s.Serializer):
    score = s.FloatField()
    scores = s.DictField(help_text="question -> closeness")
    expected = s.DictField(help_text="acceptable (lists of answers) and explanation")
    qualification = s.DictField(help_text="attempt, state, answered, of, mean, retries_left")


class QualificationStanding(s.Serializer):
    attempt = s.IntegerField()
    state = s.CharField(help_text="qualifying, qualified or failed")
    answered = s.IntegerField()
    of = s.IntegerField()
    mean = s.FloatField(allow_null=True)
    retries_left = s.IntegerField()


class NextRequest(s.Serializer):
    beyond = s.ListField(child=s.IntegerField(), required=False, help_text="Assignments you hold already.")


class Next(s.Serializer):
    assignment = Assignment(allow_null=True)
    reason = s.CharField(help_text="Empty, or: empty, guidelines, not_qualified, paused, closed, draft")
    practice = PracticePlace(allow_null=True, help_text="null for work")


class Acknowledge(s.Serializer):
    number = s.IntegerField(help_text="Of the guidelines that you have read.")


class Acknowledged(Acknowledge):
    at = s.DateTimeField()


class Submit(s.Serializer):
    idempotency_key = s.UUIDField(
        help_text="Drawn once for this answer; sent again until it is acknowledged."
    )
    answers = Answer(many=True)
    active_ms = s.IntegerField(required=False)
    device_class = s.CharField(required=False)
    ui_version = s.CharField(required=False)
    revises = s.UUIDField(required=False, allow_null=True)
    protocol_version = s.IntegerField(required=False)
    guidelines_version = s.IntegerField(required=False)
    next = s.BooleanField(required=False, help_text="Also lease the next item, and give it in the answer.")
    beyond = s.ListField(child=s.IntegerField(), required=False)


class Submission(s.Serializer):
    id = s.UUIDField()
    assignment = s.IntegerField()
    revision = s.IntegerField()
    supersedes = s.UUIDField(allow_null=True)
    status = s.CharField(help_text="counted, or late: kept, but its place had been given away")
    submitted_at = s.DateTimeField()


class Submitted(s.Serializer):
    submission = Submission(allow_null=True, help_text="null for practice")
    practice = Practised(
        required=False, help_text="For practice alone: how close it was, and what was expected."
    )
    next = Assignment(allow_null=True, required=False)


class Reason(s.Serializer):
    reason = s.CharField()
    note = s.CharField(required=False)


class Draft(s.Serializer):
    data = s.DictField()  # type: ignore[assignment]


class Lease(s.Serializer):
    id = s.IntegerField()
    state = s.CharField()
    lease_until = s.DateTimeField()


class Reopened(s.Serializer):
    submission = Submission()
    assignment = Assignment()
    answers = Answer(many=True)


class Feedback(s.Serializer):
    id = s.IntegerField()
    submission = s.UUIDField()
    item = s.IntegerField()
    purpose = s.ChoiceField(["work", "gold", "practice"], help_text="Of the item; only work is learned from.")
    question = s.CharField()
    type = s.CharField()
    version = s.IntegerField()
    target = s.IntegerField(allow_null=True)
    payload = s.DictField()
    choice_set = s.DictField()
    labeler = s.CharField(help_text="A pseudonym, the same throughout the campaign.")
    labeler_kind = s.ChoiceField(["human", "simulated", "ai", "proxy"])
    status = s.CharField(help_text="counted, or late: kept, but its place had been given away")
    revision = s.IntegerField()
    protocol_version = s.IntegerField()
    guidelines_version = s.IntegerField()
    active_ms = s.IntegerField(allow_null=True)
    total_ms = s.IntegerField(allow_null=True)
    submitted_at = s.DateTimeField()


class Agreement(s.Serializer):
    question = s.CharField()
    type = s.CharField()
    label = s.CharField()  # type: ignore[assignment]
    alpha = s.FloatField(allow_null=True)
    low = s.FloatField(allow_null=True)
    high = s.FloatField(allow_null=True)
    units = s.IntegerField()
    answers = s.IntegerField()


class Quality(s.Serializer):
    """`data` is what docs/quality.md describes for each statistic."""

    statistic = s.CharField()
    computed_at = s.DateTimeField(allow_null=True)
    is_old = s.BooleanField()
    is_awaited = s.BooleanField()
    problem = s.CharField(allow_blank=True)
    data = s.JSONField(allow_null=True)  # type: ignore[assignment]


class Belief(s.Serializer):
    question = s.CharField()
    type = s.CharField()
    label = s.CharField()  # type: ignore[assignment]
    target = s.IntegerField(allow_null=True)
    value = s.JSONField()
    probability = s.FloatField()
    probabilities = s.DictField(child=s.FloatField())
    answers = s.IntegerField()


class Consensus(s.Serializer):
    item = s.IntegerField()
    beliefs = Belief(many=True)


class Progress(s.Serializer):
    """`campaign` for those who oversee it, `mine` for labelers; null for the others."""

    campaign = s.DictField(allow_null=True)
    mine = s.DictField(allow_null=True)
    earned = s.DictField(
        allow_null=True, help_text="currency, earned, paid, owed: decimal text; null: nothing is paid"
    )


class EndpointChanges(s.Serializer):
    name = s.CharField(required=False, max_length=80)
    base_url = s.CharField(required=False, max_length=300, help_text="Without /chat/completions.")
    model = s.CharField(required=False, max_length=200)
    key = s.CharField(
        required=False, write_only=True, max_length=512, help_text="Never given back; empty: take it away."
    )
    continuation = s.ChoiceField(["none", "vllm", "prefill"], required=False)
    length_field = s.ChoiceField(["max_tokens", "max_completion_tokens"], required=False)
    connect_s = s.IntegerField(required=False, min_value=1, max_value=60)
    first_token_s = s.IntegerField(required=False, min_value=1, max_value=600)
    between_tokens_s = s.IntegerField(required=False, min_value=1, max_value=600)
    total_s = s.IntegerField(required=False, min_value=1, max_value=3600)
    is_shared = s.BooleanField(required=False)
    is_active = s.BooleanField(required=False)


class NewEndpoint(EndpointChanges):
    name = s.CharField(max_length=80)
    base_url = s.CharField(max_length=300, help_text="Without /chat/completions.")
    model = s.CharField(max_length=200)


class Endpoint(NewEndpoint):
    id = s.IntegerField()
    has_key = s.BooleanField()
    created_by = s.CharField()
    created_at = s.DateTimeField()


class TryEndpoint(s.Serializer):
    prompt = s.CharField(max_length=500)


class Trial(s.Serializer):
    text = s.CharField()
    first_token_s = s.FloatField(allow_null=True)
    total_s = s.FloatField()
    failure = s.DictField(allow_null=True, help_text="code, message, and a safe excerpt of what it said")


class WebhookChanges(s.Serializer):
    url = s.CharField(required=False, max_length=300)
    kinds = s.ListField(child=s.ChoiceField(list(KINDS)), required=False)
    is_active = s.BooleanField(required=False)


class NewWebhook(WebhookChanges):
    url = s.CharField(max_length=300, help_text="https, at a host that the operator has named; no query.")
    kinds = s.ListField(child=s.ChoiceField(list(KINDS)))


class Webhook(NewWebhook):
    id = s.IntegerField()
    switched_off = s.ChoiceField(["", "failing", "gone"], help_text="Why the site switched it off.")
    failing_since = s.DateTimeField(allow_null=True)
    old_secret_until = s.DateTimeField(allow_null=True)
    created_at = s.DateTimeField()


class WebhookWithSecret(Webhook):
    secret = s.CharField(help_text="Signs the messages. It is given this once.")


class Delivery(s.Serializer):
    id = s.IntegerField()
    message_id = s.CharField(help_text="The header webhook-id.")
    kind = s.CharField()
    data = s.DictField()  # type: ignore[assignment]
    state = s.ChoiceField(["waiting", "delivered", "given_up"])
    attempts = s.IntegerField()
    status = s.IntegerField(allow_null=True, help_text="HTTP; null if there was no answer.")
    failure = s.CharField()
    excerpt = s.CharField(help_text="The safe beginning of what the receiver said.")
    duration_ms = s.IntegerField(allow_null=True)
    due_at = s.DateTimeField()
    attempted_at = s.DateTimeField(allow_null=True)
    created_at = s.DateTimeField()


class Me(s.Serializer):
    username = s.CharField()
    campaigns = Campaign(many=True)


class Sampling(s.Serializer):
    temperature = s.FloatField(required=False)
    top_p = s.FloatField(required=False)
    max_new_tokens = s.IntegerField(required=False)
    seed = s.IntegerField(required=False, allow_null=True)


class Live(s.Serializer):
    source = s.ChoiceField(["off", "policy", "endpoint"])  # type: ignore[assignment]
    endpoint = s.IntegerField(allow_null=True, required=False)
    sampling = Sampling(required=False)


class Generate(s.Serializer):
    question = s.CharField()
    target = s.IntegerField(required=False)
    prefix = s.CharField(required=False)
    note = s.CharField(required=False)
    continues = s.UUIDField(required=False)


class Span(s.Serializer):
    by = s.ChoiceField(["policy", "person"])
    start = s.IntegerField()
    end = s.IntegerField()


class Generation(s.Serializer):
    id = s.UUIDField()
    assignment = s.IntegerField()
    question = s.CharField()
    continues = s.UUIDField(allow_null=True)
    state = s.ChoiceField(["running", "finished", "stopped", "failed"])
    finish = s.CharField()
    error = s.DictField(allow_null=True)
    prefix = s.CharField()
    text = s.CharField()
    spans = Span(many=True)
    created_at = s.DateTimeField()
    ended_at = s.DateTimeField(allow_null=True)


class NewBatch(s.Serializer):
    n = s.IntegerField()
    sampling = Sampling(required=False)


class Batch(s.Serializer):
    id = s.IntegerField()
    n = s.IntegerField()
    sampling = Sampling()
    prompts = s.IntegerField()
    done = s.IntegerField()
    not_generated = s.IntegerField()
    error = s.CharField()
    created_at = s.DateTimeField()
    ended_at = s.DateTimeField(allow_null=True)


class NewTerms(s.Serializer):
    currency = s.CharField(help_text='ISO 4217, such as "EUR"; empty: nothing is paid.', allow_blank=True)
    pay_per = s.ChoiceField(["", "answer", "hour"])
    rate = s.CharField(required=False, allow_null=True, help_text='Decimal text: "0.12".')
    budget = s.CharField(required=False, allow_null=True, help_text="null: no limit")
    pays_late = s.BooleanField(required=False, default=True)
    version = s.IntegerField()


class Terms(s.Serializer):
    currency = s.CharField()
    pay_per = s.CharField()
    rate = s.CharField(allow_null=True)
    budget = s.CharField(allow_null=True)
    pays_late = s.BooleanField()
    version = s.IntegerField()


class Balance(s.Serializer):
    labeler = s.CharField()
    answers = s.IntegerField()
    active_ms = s.IntegerField()
    earned = s.CharField()
    paid = s.CharField()
    owed = s.CharField()


class Costs(s.Serializer):
    currency = s.CharField()
    spent = s.CharField()
    committed = s.CharField()
    budget = s.CharField(allow_null=True)
    per_accepted = s.CharField(allow_null=True)
    forecast = s.CharField(allow_null=True)
    paid = s.CharField()
    owed = s.CharField()
    accepted = s.IntegerField()
    left = s.IntegerField()
    labelers = Balance(many=True)


class Grant(s.Serializer):
    labeler = s.CharField()
    kind = s.ChoiceField(["bonus", "adjustment"])
    amount = s.CharField()
    note = s.CharField(max_length=200)
    key = s.UUIDField(help_text="Drawn once for this request.")


class LedgerEntry(s.Serializer):
    id = s.IntegerField()
    labeler = s.CharField()
    kind = s.CharField()
    amount = s.CharField(help_text="Above 0: owed to the labeler; below: paid.")
    currency = s.CharField()
    submission = s.UUIDField(allow_null=True)
    payout = s.IntegerField(allow_null=True)
    active_ms = s.IntegerField()
    note = s.CharField()
    at = s.DateTimeField()


class NewPayout(s.Serializer):
    until = s.DateField()
    key = s.UUIDField(help_text="Drawn once for this request.")


class Payout(s.Serializer):
    id = s.IntegerField()
    since = s.DateField(allow_null=True)
    until = s.DateField()
    amount = s.CharField()
    currency = s.CharField()
    labelers = s.IntegerField()
    is_undone = s.BooleanField()
    created_at = s.DateTimeField()
