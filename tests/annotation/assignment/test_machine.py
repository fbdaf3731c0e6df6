"""The queue against a model of it: random acts of people and admins, and after each step the promises I-2 to I-5, I-9.

The model knows nothing of slots, lanes and cursors. It knows who holds what, who reads and can what, and how many answers an
item has, and says which items a labeler may be given; the database must agree, whatever the order of the queue.
"""

import datetime as dt
import uuid
from types import SimpleNamespace

import pytest
from django.db import connection, transaction
from django.db.models import Max, Min
from django.db.models.functions import Now
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from annotation.adjudication.services import compare_answers
from annotation.assignment import order, queue, services
from annotation.assignment.models import Assignment, Flag, LabelerCursor, QueueState, Slot
from annotation.assignment.strategies import CONTROL, all_strategies
from annotation.campaigns.models import Campaign
from annotation.campaigns.services import change_campaign, close_campaign, open_campaign, pause_campaign
from annotation.errors import Conflict
from annotation.items.models import Item
from annotation.items.services import NewItem, NewResponse, add_items, withdraw_items
from annotation.people.models import Membership, User
from annotation.people.services import change_routing, grant_role, revoke_role
from annotation.submissions.models import Submission
from annotation.submissions.services import submit
from tests.cast import Cast, answer, make_campaign, make_user

LABELERS = 4
UP_TO = 3  # answers of an item on which labelers differ
who = st.integers(0, LABELERS - 1)


class Model:
    """One item: how many answers it wants and has, and who did what with it."""

    def __init__(self, overlap: int, author: int | None, language: str, skills: set[str]) -> None:
        self.overlap, self.author = overlap, author
        self.language, self.skills = language, skills
        self.counted = 0
        self.leased: set[int] = set()
        self.gone: set[int] = set()  # answered or skipped it
        self.is_own = False  # an overlap of its own
        self.withdrawn = False
        self.reporters: set[int] = set()  # of harmful content, not looked at yet

    @property
    def free(self) -> int:
        return (
            0 if self.withdrawn or self.reporters else max(0, self.overlap - self.counted - len(self.leased))
        )

    def may_go_to(self, labeler: int, languages: set[str], skills: set[str]) -> bool:
        reads = not languages or any(
            f"{a}-".startswith(f"{b}-")
            for one in languages
            for a, b in ((one, self.language), (self.language, one))
        )
        is_new = labeler not in self.leased | self.gone and labeler != self.author
        return self.free > 0 and is_new and reads and self.skills <= skills


LANGUAGES = ["en", "en-GB", "zh"]
SKILLS = ["law", "medicine"]
SEQUENCES = ("item_id", "response_id", "assignment_id", "slot_pos")
ACTS = {  # name: how often, and what must not be empty
    "lease": (12, ""),
    "send": (5, "leases"),
    "send_late": (3, "expired"),
    "come_back": (2, "expired"),
    "send_again": (1, "sent"),
    "revise": (2, "sent"),
    "skip": (2, "leases"),
    "expire": (3, "leases"),
    "type_and_flag": (1, "leases"),
    "resolve": (1, "reported"),
    "suspend": (1, "leases"),
    "add": (1, ""),
    "change_overlap": (2, ""),
    "change_one_overlap": (1, ""),
    "compare": (2, ""),
    "move": (1, ""),
    "withdraw": (1, ""),
    "upkeep": (1, ""),
    "route": (2, ""),
    "change_strategy": (1, ""),
    "score": (1, ""),
    "order": (2, ""),
}


class QueueMachine(RuleBasedStateMachine):
    people: list[User]
    cast: Cast

    @rule(data=st.data())
    def act(self, data):
        """One act, drawn by how often it happens among those that are possible now (rules of their own would be left out at
        random, and most examples would lease nothing)."""
        possible = [act for act, (weight, needs) in ACTS.items() if not needs or getattr(self, needs)]
        if not self.campaign.is_open:
            possible += ["move"] * 8
        drawn = data.draw(st.sampled_from([act for act in possible for _n in range(ACTS[act][0])]))
        getattr(self, drawn)(data)

    @initialize(items=st.integers(1, 4), overlap=st.integers(1, 3))
    def begin(self, items, overlap):
        """Everything in a transaction that is undone, with the same ids each time: the same draws meet the same queue."""
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        with connection.cursor() as cursor:
            for name in SEQUENCES:
                cursor.execute("SELECT setval(%s, 1000001)", [f"annotation_{name}_seq"])
        self.campaign = make_campaign(self.cast, items=0, overlap=overlap, skills=SKILLS)
        Campaign.objects.update(extra_below=1.0, extra_up_to=UP_TO)
        self.campaign.refresh_from_db()
        self.members = [
            grant_role(actor=None, user=user, campaign=self.campaign, role="labeler") for user in self.people
        ]
        self.routes: list[tuple[set[str], set[str]]] = [(set(), set(SKILLS)) for _user in self.people]
        Membership.objects.filter(campaign=self.campaign, role="labeler").update(skills=SKILLS)
        self.items: dict[int, Model] = {}
        self.leases: dict[int, tuple[int, int]] = {}  # assignment -> labeler, item
        self.expired: dict[int, tuple[int, int]] = {}
        self.reported: set[tuple[int, int, str]] = set()
        self.sent: dict[int, tuple[int, uuid.UUID, Submission]] = {}  # assignment -> labeler, key, latest
        self.overlap, self.acknowledged = overlap, 0
        self.add(None, items)

    def teardown(self):
        if hasattr(self, "transaction"):
            transaction.set_rollback(True)
            self.transaction.__exit__(None, None, None)

    def add(self, data, n=None, author=None):
        if n is None:
            n, author = data.draw(st.integers(1, 2)), data.draw(st.none() | who)
        language = data.draw(st.sampled_from(LANGUAGES)) if data else "en"
        skills = data.draw(st.sets(st.sampled_from(SKILLS))) if data else set()
        priority = data.draw(st.integers(-1, 1)) if data else 0
        name = "policy" if author is None else self.people[author].username
        texts = [NewResponse("A", source_name=name), NewResponse("B")]
        item = NewItem("Q?", texts, language=language, skills=sorted(skills), priority=priority)
        ids = add_items(campaign=self.campaign, items=[item] * n)
        self.items |= {item_id: Model(self.overlap, author, language.lower(), skills) for item_id in ids}

    def lease(self, data):
        """What comes must be allowed; nothing may come only when nothing is allowed."""
        labeler, behind = data.draw(who), data.draw(st.booleans())
        user = self.people[labeler]
        LabelerCursor.objects.filter(labeler_id=user.pk).update(swept_at=None)  # as if a minute had passed
        mine = sorted(a for a, (holder, _item) in self.leases.items() if holder == labeler)
        got = services.lease_next(labeler=user, campaign=self.campaign, beyond=mine if behind else ())
        if mine and not behind:
            assert got.pk in mine if self.campaign.state in ("open", "paused") else got is None
            return
        allowed = {i for i, model in self.items.items() if model.may_go_to(labeler, *self.routes[labeler])}
        if not self.campaign.is_open or len(mine) == 2:
            assert got is None
        elif got is None:
            assert not allowed
        else:
            assert got.item_id in allowed and got.pk not in self.sent
            self.items[got.item_id].leased.add(labeler)
            self.leases[got.pk] = labeler, got.item_id
            self.expired.pop(got.pk, None)

    def send(self, data):
        assignment_id = data.draw(st.sampled_from(sorted(self.leases)))
        labeler, item_id = self.leases.pop(assignment_id)
        model = self.items[item_id]
        counts = self.campaign.state != Campaign.State.CLOSED and model.counted < model.overlap
        model.leased.discard(labeler)
        self._store(assignment_id, labeler, item_id, counts)

    def send_late(self, data):
        assignment_id = data.draw(st.sampled_from(sorted(self.expired)))
        labeler, item_id = self.expired.pop(assignment_id)
        counts = self.campaign.state != Campaign.State.CLOSED and self.items[item_id].free > 0
        self._store(assignment_id, labeler, item_id, counts)

    def _store(self, assignment_id, labeler, item_id, counts):
        key = uuid.uuid4()
        sent = self._submit(assignment_id, labeler, key, 0)
        assert sent.status == ("counted" if counts else "late")
        self.items[item_id].counted += counts
        self.items[item_id].gone.add(labeler)
        self.sent[assignment_id] = labeler, key, sent
        self.acknowledged += 1

    def _submit(self, assignment_id, labeler, key, seed, **fields):
        return submit(
            labeler=self.people[labeler],
            assignment_id=assignment_id,
            idempotency_key=key,
            answers=answer(Assignment.objects.get(pk=assignment_id), seed),
            **fields,
        )

    def send_again(self, data):
        assignment_id = data.draw(st.sampled_from(sorted(self.sent)))
        labeler, key, sent = self.sent[assignment_id]
        seed = sent.revision % 2
        assert self._submit(assignment_id, labeler, key, seed, revises=sent.supersedes_id).pk == sent.pk
        with pytest.raises(Conflict) as refused:
            self._submit(assignment_id, labeler, uuid.uuid4(), seed)
        assert refused.value.code == "already_sent"

    def revise(self, data):
        assignment_id = data.draw(st.sampled_from(sorted(self.sent)))
        labeler, _key, sent = self.sent[assignment_id]
        key = uuid.uuid4()
        if self.campaign.state == Campaign.State.CLOSED:
            with pytest.raises(Conflict):
                self._submit(assignment_id, labeler, key, 0, revises=sent.pk)
            return
        new = self._submit(assignment_id, labeler, key, (sent.revision + 1) % 2, revises=sent.pk)
        assert (new.revision, new.status) == (sent.revision + 1, sent.status)
        self.sent[assignment_id] = labeler, key, new
        self.acknowledged += 1

    def skip(self, data):
        assignment_id = data.draw(st.sampled_from(sorted(self.leases)))
        labeler, item_id = self.leases.pop(assignment_id)
        services.skip(labeler=self.people[labeler], assignment_id=assignment_id, reason="other")
        self.items[item_id].leased.discard(labeler)
        self.items[item_id].gone.add(labeler)

    def expire(self, data):
        chosen = data.draw(st.sets(st.sampled_from(sorted(self.leases)), min_size=1))
        Assignment.objects.filter(pk__in=chosen).update(lease_until=timezone.now() - dt.timedelta(seconds=1))
        assert services.release_expired() == len(chosen)
        for assignment_id in chosen:
            labeler, item_id = self.expired[assignment_id] = self.leases.pop(assignment_id)
            self.items[item_id].leased.discard(labeler)

    def come_back(self, data):
        """A heartbeat takes an expired lease up again if its item has a place and the labeler a free hand."""
        assignment_id = data.draw(st.sampled_from(sorted(self.expired)))
        labeler, item_id = self.expired[assignment_id]
        hands = sum(holder == labeler for holder, _item in self.leases.values())
        if self.campaign.is_open and self.items[item_id].free and hands < 2:
            services.heartbeat(labeler=self.people[labeler], assignment_id=assignment_id)
            self.leases[assignment_id] = self.expired.pop(assignment_id)
            self.items[item_id].leased.add(labeler)
        else:
            with pytest.raises(Conflict):
                services.heartbeat(labeler=self.people[labeler], assignment_id=assignment_id)

    def type_and_flag(self, data):
        assignment_id = data.draw(st.sampled_from(sorted(self.leases)))
        user = self.people[self.leases[assignment_id][0]]
        services.save_draft(labeler=user, assignment_id=assignment_id, data={"a": "b"})
        reason = data.draw(st.sampled_from(["broken", "harmful", "private"]))
        services.flag(labeler=user, assignment_id=assignment_id, reason=reason)
        labeler, item_id = self.leases[assignment_id]
        if reason != "broken" and (labeler, item_id, reason) not in self.reported:
            self.reported.add((labeler, item_id, reason))
            self.items[item_id].reporters.add(labeler)

    def resolve(self, data):
        report = data.draw(st.sampled_from(list(Flag.objects.filter(assignment__campaign=self.campaign))))
        withdraw = data.draw(st.booleans())
        services.resolve_flag(actor=self.cast.adam, flag=report, withdraw=withdraw)
        model = self.items[report.assignment.item_id]
        model.reporters.clear()
        model.withdrawn |= withdraw

    def suspend(self, data):
        """Whoever is sent away gives everything back at once; they come back later."""
        labeler, _item = self.leases[data.draw(st.sampled_from(sorted(self.leases)))]
        whom = {"user": self.people[labeler], "campaign": self.campaign, "role": "labeler"}
        grant_role(actor=self.cast.adam, **whom)
        revoke_role(actor=self.cast.adam, **whom)
        grant_role(actor=self.cast.adam, **whom)
        for assignment_id in [a for a, (holder, _item) in self.leases.items() if holder == labeler]:
            _labeler, item_id = self.expired[assignment_id] = self.leases.pop(assignment_id)
            self.items[item_id].leased.discard(labeler)

    def change_overlap(self, data):
        overlap = data.draw(st.integers(1, 4))
        most = max((model.counted for model in self.items.values() if not model.is_own), default=0)
        current = Campaign.objects.get(pk=self.campaign.pk)
        try:
            change_campaign(
                actor=self.cast.adam, campaign=current, version=current.version, changes={"overlap": overlap}
            )
        except Conflict as refused:
            assert most > overlap and refused.extra == {"counted": most}
            return
        if overlap != current.overlap:  # else nothing was changed
            assert most <= overlap
            self.overlap = overlap
            for model in self.items.values():
                if model.overlap < overlap or not model.is_own:
                    model.overlap, model.is_own = overlap, False
        self.campaign.refresh_from_db()

    def change_one_overlap(self, data):
        item_id, overlap = data.draw(st.sampled_from(sorted(self.items))), data.draw(st.integers(1, 4))
        model, item = self.items[item_id], Item.objects.get(pk=item_id)
        try:
            services.change_item_overlap(actor=self.cast.adam, item=item, overlap=overlap)
        except Conflict as refused:
            assert model.counted > overlap and refused.extra == {"counted": model.counted}
            return
        assert model.counted <= overlap
        if overlap != model.overlap:
            model.overlap, model.is_own = overlap, True

    def compare(self, data):
        """Whoever is complete, below the limit, in the queue, and not unanimous gets one place more."""
        compare_answers()
        for item in Item.objects.filter(campaign=self.campaign).select_related("disagreement"):
            model = self.items[item.pk]
            if item.overlap != model.overlap:
                assert item.overlap == model.overlap + 1 <= UP_TO and model.counted == model.overlap
                assert not model.withdrawn and not model.reporters and self.campaign.state != "closed"
                assert item.disagreement.spread > 0 and item.has_own_overlap
                model.overlap, model.is_own = item.overlap, True

    def move(self, data):
        acts = {
            "open": [pause_campaign, close_campaign],
            "paused": [open_campaign, open_campaign, close_campaign],
            "closed": [open_campaign],
        }[self.campaign.state]
        self.campaign = data.draw(st.sampled_from(acts))(actor=self.cast.adam, campaign=self.campaign)

    def withdraw(self, data):
        item_id = data.draw(st.sampled_from(sorted(self.items)))
        withdraw_items(campaign=self.campaign, item_ids=[item_id], actor=self.cast.adam)
        self.items[item_id].withdrawn = True

    def upkeep(self, data):
        services.tend_queues()

    def route(self, data):
        languages = data.draw(st.lists(st.sampled_from(LANGUAGES), max_size=2))
        self._route(data.draw(who), languages, data.draw(st.lists(st.sampled_from(SKILLS), max_size=2)))

    def _route(self, labeler, languages, skills):
        member = self.members[labeler]
        change_routing(actor=self.cast.adam, membership=member, languages=languages, skills=skills)
        self.routes[labeler] = {code.lower() for code in languages}, set(skills)

    def change_strategy(self, data):
        share = data.draw(st.sampled_from([0.1, 0.5, 1.0]))
        changes = {"strategy": data.draw(st.sampled_from(sorted(all_strategies()))), "control_share": share}
        current = Campaign.objects.get(pk=self.campaign.pk)
        change_campaign(actor=self.cast.adam, campaign=current, version=current.version, changes=changes)
        self.campaign.refresh_from_db()

    def score(self, data):
        chosen = data.draw(st.sets(st.sampled_from(sorted(self.items)), min_size=1))
        services.save_scores(campaign=self.campaign, scores={i: float(i % 3) for i in chosen}, source="model")

    def order(self, data):
        """As if the time for a new order had come; all places that are open have new positions then."""
        QueueState.objects.filter(order_due_at__isnull=False).update(order_due_at=Now())
        last = Slot.objects.aggregate(last=Max("pos"))["last"] or 0
        moved = services.order_queues()
        assert moved in (0, Slot.objects.count())
        assert not moved or Slot.objects.aggregate(first=Min("pos"))["first"] > last
        assert not QueueState.objects.filter(order_due_at__isnull=False).exists()

    @invariant()
    def the_database_agrees(self):
        rows = dict(Item.objects.filter(campaign=self.campaign).values_list("pk", "counted"))
        assert rows == {item_id: model.counted for item_id, model in self.items.items()}
        assert all(model.counted <= model.overlap for model in self.items.values())
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT item_id, count(*) FROM annotation_slot WHERE campaign_id = %s GROUP BY 1",
                [self.campaign.pk],
            )
            slots = dict(cursor.fetchall())
            cursor.execute(
                "SELECT s.chosen_by, i.id, l.language, l.skills, p.language FROM annotation_slot s"
                " JOIN annotation_item i ON i.id = s.item_id JOIN annotation_prompt p ON p.id = i.prompt_id"
                " JOIN annotation_lane l ON l.campaign_id = s.campaign_id AND l.number = s.lane AND l.number = i.lane"
            )
            stand = cursor.fetchall()
        assert len(stand) == sum(slots.values())  # each in a lane that there is, the lane of its item
        for chosen_by, item_id, language, skills, written in stand:
            assert chosen_by in {*all_strategies(), CONTROL}
            assert (language, set(skills)) == (self.items[item_id].language, self.items[item_id].skills)
            assert written.lower() == language
        assert slots == {item_id: model.free for item_id, model in self.items.items() if model.free}
        out = Assignment.objects.filter(campaign=self.campaign, state=1).values_list("pk", flat=True)
        assert set(out) == set(self.leases)
        assert Submission.objects.filter(campaign=self.campaign).count() == self.acknowledged


@pytest.mark.django_db
def test_the_queue_behaves_like_its_model(monkeypatch):
    monkeypatch.setattr(services, "SKIPS_PER_MINUTE", 10**9)
    for drawing in (order, queue):  # places, and responses on the screen: the same each time
        monkeypatch.setattr(drawing, "secrets", SimpleNamespace(randbits=lambda bits: 11))
    QueueMachine.cast = Cast(*(make_user(name) for name in ("lena", "otto", "rita", "adam", "reza", "stan")))
    QueueMachine.people = [make_user(f"labeler-{n}") for n in range(LABELERS)]
    run_state_machine_as_test(
        QueueMachine,
        settings=settings(
            max_examples=26,
            stateful_step_count=80,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
