"""Many answer while counts are folded, by several workers of which some are killed, and some transactions commit late."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections, transaction

from annotation.assignment.services import lease_next
from annotation.rollups import selectors
from annotation.rollups.models import TallyChange
from annotation.rollups.services import differences, fold, fold_all
from tests.cast import make_campaign, make_cast, make_labelers, send

pytestmark = pytest.mark.django_db(transaction=True)

# Folds, says so, and is killed before the transaction ends.
KILLED = """
import django, os, sys
django.setup()
from django.db import transaction
from annotation.rollups.services import fold
with transaction.atomic():
    print(fold(), flush=True)
    os.kill(os.getpid(), 9)
"""


def test_nothing_is_counted_twice_or_lost() -> None:
    cast = make_cast()
    campaign = make_campaign(cast, items=24, overlap=4)
    labelers = make_labelers(campaign, 4)
    done = threading.Event()

    def label(n: int) -> int:
        sent = 0
        while (assignment := lease_next(labeler=labelers[n], campaign=campaign)) is not None:
            with transaction.atomic():  # commits late: others, and workers, go by meanwhile
                send(assignment)
                sent += 1
                if sent % 5 == n:
                    connection.cursor().execute("SELECT pg_sleep(0.05)")
        connections.close_all()
        return sent

    def work(_n: int) -> int:
        folded = 0
        while not done.is_set():
            folded += fold(limit=3)
            assert differences() == []
        connections.close_all()
        return folded

    with ThreadPoolExecutor(6) as pool:
        workers = [pool.submit(work, n) for n in range(2)]
        sent = list(pool.map(label, range(4)))
        done.set()
        folded = sum(w.result() for w in workers)
    assert sent == [24] * 4 and folded > 0
    environment = {**os.environ, "WHETSTONE_TEST_DATABASE": str(connection.settings_dict["NAME"])}
    environment["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    other = make_campaign(cast, items=1, name="Other")
    left = TallyChange.objects.count()
    killed = subprocess.run(
        [sys.executable, "-c", KILLED], env=environment, stdout=subprocess.PIPE, text=True, check=False
    )
    assert killed.returncode == -9 and int(killed.stdout) == left > 0
    assert TallyChange.objects.count() == left and differences() == []
    fold_all()
    assert not TallyChange.objects.exists() and differences() == []
    n = selectors.counts(campaign.pk)
    assert (n["counted"], n["complete"], n["begun"], n["wanted"]) == (96, 24, 0, 96)
    assert selectors.counts(other.pk)["items"] == 1
