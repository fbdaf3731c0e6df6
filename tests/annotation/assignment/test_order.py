"""The order of the queue: what each strategy puts first, the random control, and that a new order passes nobody by."""

import pytest
from django.db import connection
from django.db.models import Count
from django.db.models.functions import Now

from annotation.assignment import order, services, strategies
from annotation.assignment.models import Assignment, LabelerCursor, QueueState, Slot
from annotation.assignment.strategies import CONTROL, all_strategies
from annotation.campaigns.services import change_campaign
from annotation.errors import Invalid
from annotation.items.models import Item
from annotation.items.services import NewItem, NewResponse, add_items
from tests.annotation.assignment.test_services import lapse
from tests.cast import Cast, add_some_items, make_campaign, make_cast, make_labelers, send

pytestmark = pytest.mark.django_db
NEVER = 1e-9  # a control share under which nothing is drawn


@pytest.fixture
def cast() -> Cast:
    return make_cast()


def add(campaign, priorities) -> list[int]:
    texts = [NewResponse("A"), NewResponse("B")]
    return add_items(campaign=campaign, items=[NewItem(f"{p}?", texts, priority=p) for p in priorities])


def change(cast, campaign, **changes) -> None:
    """As an admin changes it and a worker carries it out."""
    campaign.refresh_from_db()
    change_campaign(actor=cast.adam, campaign=campaign, version=campaign.version, changes=changes)
    services.order_queues()
    campaign.refresh_from_db()


def queue(campaign) -> list[int]:
    """Item ids as they stand."""
    return list(
        Slot.objects.filter(campaign_id=campaign.pk)
        .order_by("pos", "replica")
        .values_list("item_id", flat=True)
    )


def test_each_strategy_puts_its_own_first(cast):
    campaign = make_campaign(cast, items=0, overlap=2, strategy="oldest", control_share=NEVER)
    a, b, c, d = add(campaign, [0, 5, -1, 5])
    assert queue(campaign) == [a, a, b, b, c, c, d, d]
    change(cast, campaign, strategy="priority")
    assert [set(queue(campaign)[n : n + 2]) for n in (0, 2)] in ([{b}, {d}], [{d}, {b}])
    assert queue(campaign)[4:] == [a, a, c, c]
    services.save_scores(campaign=campaign, scores={c: 0.9, a: 0.2, 10**9: 1.0}, source="run 7")
    change(cast, campaign, strategy="uncertainty")
    assert queue(campaign)[:4] == [c, c, a, a] and set(queue(campaign)[4:]) == {b, d}
    send(services.lease_next(labeler=cast.lena, campaign=campaign))  # c has an answer, the others none
    change(cast, campaign, strategy="least_covered")
    assert set(queue(campaign)[:3]) == {a, b, d} and set(queue(campaign)[3:]) == {a, b, c, d}
    before = queue(campaign)
    change(cast, campaign, strategy="random")
    assert sorted(queue(campaign)) == sorted(before)
    assert set(Slot.objects.values_list("chosen_by", flat=True)) == {"random"}  # all of it is a control


def test_every_strategy_orders_a_queue_and_says_what_it_does(cast):
    campaign = make_campaign(cast, items=3, overlap=2)
    for slug, strategy in all_strategies().items():
        assert strategy.slug == slug and str(strategy.label) and str(strategy.purpose).endswith(".")
        moved, _seed = order.reorder(campaign.pk, strategy=strategy, share=0.0)
        assert moved == 6
        assert Slot.objects.filter(chosen_by=slug).count() == 6


def test_a_seed_says_the_whole_order(cast):
    campaign = make_campaign(cast, items=30)
    found = []
    for seed in (1, 1, 2):
        order.reorder(campaign.pk, strategy=strategies.get("oldest"), share=0.5, seed=seed)
        found.append(
            (queue(campaign), list(Slot.objects.order_by("pos").values_list("chosen_by", flat=True)))
        )
    assert found[0] == found[1] != found[2]


def test_the_control_is_a_random_sample_spread_over_the_queue(cast):
    campaign = make_campaign(cast, items=0, strategy="priority", control_share=0.25)
    add(campaign, list(range(-200, 200)))
    services.order_queues()
    priority = dict(Item.objects.values_list("pk", "priority"))
    stand = list(Slot.objects.order_by("pos").values_list("item_id", "chosen_by"))
    control = [(at, priority[item]) for at, (item, how) in enumerate(stand) if how == CONTROL]
    chosen = [priority[item] for item, how in stand if how == "priority"]
    assert chosen == sorted(chosen, reverse=True) and len(control) + len(chosen) == 400
    # Five standard deviations of a binomial share, of a mean of ranks, and of the number in the first half.
    assert abs(len(control) - 100) < 44
    assert abs(sum(p for _at, p in control) / len(control)) < 75
    assert abs(sum(at < 200 for at, _p in control) - len(control) / 2) < 30
    ranks = [at for at, _p in control]
    assert max(ranks) > 300 and min(ranks) < 100


def test_an_assignment_says_how_it_was_chosen(cast):
    campaign = make_campaign(cast, items=2, strategy="oldest", control_share=1.0)
    first = services.lease_next(labeler=cast.lena, campaign=campaign)
    assert Assignment.objects.get(pk=first.pk).chosen_by == CONTROL
    lapse(first)
    services.release_expired()  # its place goes to the tail as what it was
    assert set(Slot.objects.values_list("chosen_by", flat=True)) == {CONTROL}
    other = Item.objects.exclude(pk=first.item_id).get()
    named = services.assign_item(actor=cast.adam, campaign=campaign, item_id=other.pk, labeler=cast.otto)
    assert Assignment.objects.get(pk=named.pk).chosen_by == "assigned"
    services.skip(labeler=cast.otto, assignment_id=named.pk, reason="other")
    assert Slot.objects.get(item_id=other.pk).chosen_by == "oldest"


def test_a_strategy_needs_a_control_unless_it_is_one(cast):
    campaign = make_campaign(cast, items=1, control_share=0)
    with pytest.raises(Invalid) as refused:
        change(cast, campaign, strategy="oldest")
    assert "control_share" in refused.value.fields
    change(cast, campaign, strategy="oldest", control_share=0.05)
    with pytest.raises(Invalid):
        change(cast, campaign, control_share=0.0)
    with pytest.raises(Invalid) as refused:
        change(cast, campaign, strategy="newest")
    assert "oldest" in refused.value.fields["strategy"][0]


def test_after_a_new_order_everybody_gets_the_rest_without_looking_behind(cast, monkeypatch):
    monkeypatch.setattr(order, "BATCH", 3)
    campaign = make_campaign(cast, items=10, overlap=3, strategy="priority", control_share=0.3)
    people = [cast.lena, cast.otto, *make_labelers(campaign, 1)]
    seen: dict[int, list[int]] = {person.pk: [] for person in people}

    def work(person, n):
        for _turn in range(n):
            LabelerCursor.objects.filter(labeler_id=person.pk).update(swept_at=Now())
            assignment = services.lease_next(labeler=person, campaign=campaign)
            if assignment is None:
                return
            seen[person.pk].append(assignment.item_id)
            send(assignment)

    work(cast.lena, 7)
    work(cast.otto, 2)
    for strategy in ("least_covered", "oldest"):
        change(cast, campaign, strategy=strategy)
        for person in people:
            work(person, 2)
    for person in people:
        work(person, 20)
        assert len(seen[person.pk]) == len(set(seen[person.pk])) == 10
    assert Slot.objects.count() == 0


def test_each_batch_is_planned_for_what_it_holds(cast, monkeypatch):
    """A plan that is kept for any batch expects ten places; for thousands it costs the square of them."""
    monkeypatch.setattr(order, "BATCH", 2)
    campaign = make_campaign(cast, items=40, strategy="oldest", control_share=NEVER)

    change(cast, campaign, strategy="random")

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(generic_plans), sum(custom_plans) >= 18 FROM pg_prepared_statements"
            " WHERE statement LIKE '%WITH wanted AS%'"
        )
        assert cursor.fetchone() == (0, True)  # twenty batches; the first two were not prepared yet


def test_what_comes_in_later_is_put_in_order_a_little_later(cast):
    campaign = make_campaign(cast, items=0, strategy="priority", control_share=NEVER)
    (low,) = add(campaign, [0])
    state = QueueState.objects.get(campaign_id=campaign.pk)
    assert state.order_due_at is not None and services.order_queues() == 0  # not yet
    (high,) = add(campaign, [9])
    assert queue(campaign) == [low, high]
    QueueState.objects.update(order_due_at=Now())
    assert services.order_queues() == 2 and queue(campaign) == [high, low]
    state.refresh_from_db()
    assert state.order_due_at is None and state.ordered_at and state.order_seed is not None
    oldest = make_campaign(cast, items=1, name="Other", strategy="oldest")
    assert not QueueState.objects.filter(
        campaign_id=oldest.pk
    ).exists()  # the tail is where later ones belong


def test_an_order_is_carried_out_by_one_and_a_wish_meanwhile_is_kept(cast):
    campaign = make_campaign(cast, items=1)
    order.want_order(campaign.pk, in_s=0)
    claimed = order.claim()
    assert claimed is not None and order.claim() is None
    order.want_order(campaign.pk, in_s=60)
    order.finish(*claimed, seed=1)
    assert QueueState.objects.filter(order_due_at__isnull=False).exists()


def test_scores_are_finite_and_of_this_campaign(cast):
    campaign, other = make_campaign(cast, items=0), make_campaign(cast, items=0, name="Other")
    (mine,), (theirs,) = add_some_items(campaign, 1), add_some_items(other, 1)
    assert services.save_scores(campaign=campaign, scores={mine: 1.0, theirs: 2.0}, source="run 1") == 1
    assert services.save_scores(campaign=campaign, scores={mine: 3.0}, source="run 2") == 1
    item = Item.objects.select_related("score").get(pk=mine)
    assert (item.score.value, item.score.source) == (3.0, "run 2")
    with pytest.raises(Invalid):
        services.save_scores(campaign=campaign, scores={mine: float("nan")}, source="run 3")
    assert Item.objects.filter(score__isnull=False).aggregate(n=Count("pk"))["n"] == 1
    many = dict.fromkeys(range(10**9, 10**9 + 70_000), 1.0) | {
        mine: 4.0
    }  # one statement takes 65,535 parameters
    assert services.save_scores(campaign=campaign, scores=many, source="run 4") == 1
