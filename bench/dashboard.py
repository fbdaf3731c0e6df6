"""What the pages of a campaign cost at a million items and a million answers: p50 and p95 of 50 requests each, and CPU.

    python -m bench dashboard            1,000,000 items
    python -m bench dashboard --small    2,000: does it run

The rows are made inside the database without its triggers, then `recount --repair` counts them once, which is measured, too.
The promise is a p95 of 150 ms. Wall-clock times hold on a quiet machine only; CPU, by the accounting of the processes, is
what a page takes from the server.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.site import cpu_of, database, sign_in, start_web

REQUESTS = 50
LABELERS = 1_000
DAYS = 60
PROTOCOL = [{"key": "grade", "type": "critique", "settings": {"criteria": ["overall"]}}]

# n items with two places each; four in ten answered twice, two once, four not at all; over 60 days, by 1,000 labelers.
FILL = """
SET session_replication_role = replica;
INSERT INTO annotation_user (id, username, password, is_superuser, first_name, last_name, email, is_staff, is_active,
                             date_joined, kind, pseudonym_key, language)
    SELECT 1000 + k, 'labeler-' || k, '', false, '', '', '', false, true, now(), 'human', md5(k::text), ''
    FROM generate_series(0, {labelers} - 1) k;
INSERT INTO annotation_membership (user_id, campaign_id, role)
    SELECT 1000 + k, {c}, 'labeler' FROM generate_series(0, {labelers} - 1) k;
INSERT INTO annotation_labelercursor (campaign_id, labeler_id, pos, held)
    SELECT {c}, 1000 + k, 0, '{{}}' FROM generate_series(0, {labelers} - 1) k;
INSERT INTO annotation_prompt (id, campaign_id, messages, language, sha256)
    SELECT k, {c}, jsonb_build_array(jsonb_build_object('role', 'user', 'content', 'Question ' || k || ': why is it so?')),
           'en', md5(k::text) || md5(k::text) FROM generate_series(1, {n}) k;
INSERT INTO annotation_response (id, prompt_id, text, n_codepoints, sha256, source, source_name)
    SELECT k, k, 'Because of ' || k, length('Because of ' || k), encode(sha256(('Because of ' || k)::bytea), 'hex'),
           'import', '' FROM generate_series(1, {n}) k;
INSERT INTO annotation_item (id, campaign_id, prompt_id, external_id, round_number, priority, overlap, counted,
                             withdrawn_at)
    SELECT k, {c}, k, 'q-' || k, 1, 0, 2, CASE WHEN k % 10 < 4 THEN 2 WHEN k % 10 < 6 THEN 1 ELSE 0 END,
           CASE WHEN k % 100000 = 9 THEN now() END
    FROM generate_series(1, {n}) k;
INSERT INTO annotation_itemresponse (item_id, response_id, position) SELECT k, k, 0 FROM generate_series(1, {n}) k;
INSERT INTO annotation_slot (campaign_id, pos, replica, item_id)
    SELECT {c}, k, r, k FROM generate_series(1, {n}) k, generate_series(1, 2) r
    WHERE k % 10 >= 6 OR (k % 10 >= 4 AND r = 1);
CREATE TEMPORARY TABLE answered AS
    SELECT row_number() OVER () AS a, k, 1000 + (k + r * 7) % {labelers} AS labeler,
           now() - make_interval(secs => {days} * 86400 * (1 - (k + 0.5) / ({n} + 1))) AS at
    FROM generate_series(1, {n}) k, generate_series(1, 2) r WHERE k % 10 < 4 OR (k % 10 < 6 AND r = 1);
INSERT INTO annotation_assignment (id, campaign_id, item_id, labeler_id, state, leased_at, lease_until, protocol_id,
                                   guidelines_id, response_order, order_seed)
    SELECT a, {c}, k, labeler, 2, at - interval '20 seconds', at, {protocol}, {guidelines}, ARRAY[k], 1 FROM answered;
INSERT INTO annotation_submission (id, campaign_id, item_id, assignment_id, labeler_id, labeler_kind, revision, status,
        idempotency_key, request_sha256, protocol_version, guidelines_version, active_ms, total_ms, device_class, ui_version,
        submitted_at)
    SELECT md5(a::text)::uuid, {c}, k, a, labeler, 'human', 0, CASE WHEN a % 50 = 0 THEN 'late' ELSE 'counted' END,
           md5('k' || a)::uuid, repeat('0', 64), 1, 1, 5000 + a % 9000, 20000, 'desktop', '1', at FROM answered;
INSERT INTO annotation_feedback (submission_id, question, type, version, target_id, payload, choice_set)
    SELECT md5(a::text)::uuid, 'grade', 'critique', 1, k,
           jsonb_build_object('verdict', null, 'ratings', jsonb_build_object('overall', 1 + a % 7), 'tags', '[]'::jsonb,
                              'spans', '[]'::jsonb), '{{}}'::jsonb FROM answered;
INSERT INTO annotation_assignment (id, campaign_id, item_id, labeler_id, state, lease_until, protocol_id, guidelines_id,
                                   response_order, order_seed)
    SELECT 10 * {n} + k, {c}, k, 1000 + (k + 3) % {labelers}, CASE WHEN k % 1000 = 1 THEN 1 ELSE 3 END,
           now() + interval '1 day', {protocol}, {guidelines}, ARRAY[k], 1
    FROM generate_series(1, {n}) k WHERE k % 50 = 1;
INSERT INTO annotation_skip (assignment_id, reason, note, created_at)
    SELECT id, (ARRAY['unclear', 'expertise', 'other'])[1 + id % 3], '', now() - make_interval(secs => id % 5000000)
    FROM annotation_assignment WHERE state = 3;
INSERT INTO annotation_flag (assignment_id, reason, note, created_at)
    SELECT id, 'broken', '', now() FROM annotation_assignment WHERE id % 500 = 1 AND id <= {n};
INSERT INTO annotation_ledgerentry (campaign_id, labeler_id, submission_id, kind, micros, currency, answers, active_ms, at)
    SELECT {c}, labeler, md5(a::text)::uuid, 'answer', 120000, 'EUR', 1, 5000, at FROM answered;
SET session_replication_role = DEFAULT;
"""


def run(small: bool) -> dict[str, Any]:
    """Seconds of filling and of the recount, and for each page its p50 and p95 in ms and CPU ms of web and PostgreSQL."""
    data_dir = Path(tempfile.mkdtemp(prefix="whetstone-bench-"))
    os.environ["WHETSTONE_DATA_DIR"] = str(data_dir)
    os.environ["DJANGO_SETTINGS_MODULE"] = "annotation.project.settings"
    try:
        with database(data_dir) as places:
            return _run(data_dir, places, 2_000 if small else 1_000_000)
    finally:
        shutil.rmtree(data_dir, ignore_errors=True)


def _run(data_dir: Path, places: Any, n: int) -> dict[str, Any]:
    from django.core.management import call_command
    from django.db import connection

    from annotation.rollups.services import differences, repair

    call_command("collectstatic", verbosity=0, interactive=False)
    began = time.perf_counter()
    campaign, admin = _campaign()
    fill = FILL.format(
        n=n,
        c=campaign.pk,
        labelers=LABELERS,
        days=DAYS,
        protocol=campaign.protocol_id,
        guidelines=campaign.guidelines_id,
    )
    with connection.cursor() as cursor:
        cursor.execute(fill)
    filled_s = time.perf_counter() - began
    began = time.perf_counter()
    repair()
    recounted_s = time.perf_counter() - began
    wrong = len(differences())
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    from annotation.people.models import User
    from annotation.quality import reports

    statistics_s = {}
    for statistic in reports.STATISTICS:
        began = time.perf_counter()
        if not reports.compute(campaign.pk, statistic):
            raise RuntimeError(f"{statistic} was not computed")
        statistics_s[statistic] = round(time.perf_counter() - began, 1)

    with start_web(data_dir) as web:
        clients = {
            "admin": sign_in(web.url, admin),
            "labeler": sign_in(web.url, User.objects.get(username="labeler-7")),
        }
        pages = {
            name: _measure(web, places, clients[who], address)
            for name, (who, address) in _pages(campaign.slug, n).items()
        }
        for client in clients.values():
            client.close()
    return {
        "items": n,
        "filled_s": round(filled_s),
        "recount_s": round(recounted_s, 1),
        "differences": wrong,
        "statistics_s": statistics_s,  # of a worker, for the pages of quality
        "pages": pages,
    }


def _campaign() -> tuple[Any, Any]:
    from annotation.campaigns.services import create_campaign, open_campaign
    from annotation.ledger.services import set_terms
    from annotation.people.models import User

    admin = User.objects.create(username="admin")
    campaign = create_campaign(
        actor=admin, name="Bench", overlap=2, guidelines="Grade it.", protocol=PROTOCOL
    )
    campaign = set_terms(
        actor=admin,
        campaign=campaign,
        version=campaign.version,
        currency="EUR",
        pay_per="answer",
        rate="0.12",
        budget="1000000",
        pays_late=True,
    )
    return open_campaign(actor=admin, campaign=campaign), admin


def _pages(slug: str, n: int) -> dict[str, tuple[str, str]]:
    """Name of a page: (who asks, address)."""
    base = f"/campaigns/{slug}/"
    return {
        "campaigns": ("admin", "/campaigns/"),
        "overview": ("admin", base),
        "overview, the part that refreshes": ("admin", f"{base}?live=1"),
        "items": ("admin", f"{base}items/"),
        "items, from the middle on": ("admin", f"{base}items/?after={n // 2}"),
        "items that wait": ("admin", f"{base}items/?state=waiting"),
        "items begun": ("admin", f"{base}items/?state=begun"),
        "items complete": ("admin", f"{base}items/?state=complete"),
        "items withdrawn": ("admin", f"{base}items/?state=withdrawn"),
        "items reported": ("admin", f"{base}items/?state=reported"),
        "search by id": ("admin", f"{base}items/?q=q-{n // 3}"),
        "search, nothing found": ("admin", f"{base}items/?q=nothing"),
        "one item": ("admin", f"{base}items/{n // 10 * 10 - 9}/"),
        "people": ("admin", f"{base}people/"),
        "quality": ("admin", f"{base}quality/"),
        "quality, labelers": ("admin", f"{base}quality/labelers/"),
        "quality, reliability": ("admin", f"{base}quality/reliability/"),
        "quality, leaderboard": ("admin", f"{base}quality/leaderboard/"),
        "money": ("admin", f"{base}money/"),
        "history": ("admin", f"{base}history/"),
        "home of a labeler": ("labeler", "/"),
        "my work": ("labeler", "/work/"),
    }


def _measure(web: Any, places: Any, client: Any, address: str) -> dict[str, Any]:
    print(address, file=sys.stderr, flush=True)
    reply = client.get(address)  # once to warm up
    if reply.status_code != 200:
        raise RuntimeError(f"{address}: {reply.status_code} {reply.text[:300]}")
    before, times = cpu_of(web, places), []
    for _turn in range(REQUESTS):
        began = time.perf_counter()
        client.get(address).raise_for_status()
        times.append((time.perf_counter() - began) * 1000)
        if sum(times) > 60_000:  # far beyond any promise: enough was seen
            break
    after = cpu_of(web, places)
    web_ms, postgres_ms = ((b - a) * 1000 / len(times) for a, b in zip(before, after, strict=True))
    return {
        "p50_ms": round(statistics.median(times), 1),
        "p95_ms": round(statistics.quantiles(times, n=20)[18] if len(times) > 1 else times[0], 1),
        "web_cpu_ms": round(web_ms, 1),
        "postgres_cpu_ms": round(postgres_ms, 1),
        "kb": round(len(json.dumps(reply.text)) / 1000),
    }
