"""Many people at once: which lists are read and how, all or nothing, what the invitations give, and what stays of a note."""

import csv
import io

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotation.campaigns.services import change_campaign
from annotation.errors import Invalid, TooLarge
from annotation.items.readers.base import Row
from annotation.people import bulk
from annotation.people.erasure import erase_person
from annotation.people.models import AuditEvent, Invitation, Membership
from annotation.people.services import accept_invitation, grant_role, sha256_of, sign_up_by_invitation
from annotation.submissions.own_data import own_data
from tests.cast import Cast, make_campaign, make_cast

SKILLS = ("chess", "math", "math proofs")
HEADER = "note,role,languages,skills\n"


@pytest.fixture
def cast(db) -> Cast:
    return make_cast()


@pytest.fixture
def campaign(cast):
    campaign = make_campaign(cast, items=0)
    return change_campaign(
        actor=cast.adam, campaign=campaign, version=campaign.version, changes={"skills": list(SKILLS)}
    )


def read(text: str | bytes) -> list[Row]:
    return bulk.read_list(text.encode() if isinstance(text, str) else text, skills=SKILLS)


def values(text: str | bytes) -> list[tuple[int, dict]]:
    return [(row.number, row.values) for row in read(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("anna\n\n  Ben Okri \r\n", [(1, {"note": "anna"}), (3, {"note": "Ben Okri"})]),
        ('"Okri, Ben"', [(1, {"note": "Okri, Ben"})]),
        ("note\nanna", [(2, {"note": "anna"})]),
        (b"\xef\xbb\xbfNote\nanna", [(2, {"note": "anna"})]),
        (
            "role;note\nReviewer;anna\n;ben",
            [(2, {"role": "reviewer", "note": "anna"}), (3, {"role": "", "note": "ben"})],
        ),
        ("note\tlanguages\nanna\ten zh-Hant;de", [(2, {"note": "anna", "languages": ["en", "zh-Hant", "de"]})]),
        ("note,skills\na,math proofs", [(2, {"note": "a", "skills": ["math proofs"]})]),
        ("note,skills\na,math chess", [(2, {"note": "a", "skills": ["math", "chess"]})]),
        ("note,skills\na,math proofs; chess", [(2, {"note": "a", "skills": ["math proofs", "chess"]})]),
        ("note,skills\na,math go", [(2, {"note": "a", "skills": ["math go"]})]),
        (HEADER + "a,,,\n,,,\n", [(2, {"note": "a", "role": "", "languages": [], "skills": []})]),
    ],
)  # fmt: skip
def test_a_list_is_read(text, found):
    assert values(text) == found


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "no rows"),
        (b" \n\t\n", "no rows"),
        (b"note,role\n", "this one 0"),
        (b"note,email\nanna,a@example.org", "no column “email”"),
        (b"role\nlabeler", "one of them note"),
        (b"note,note\na,b", "once"),
        (b"anna,labeler\nben,labeler", "must name the columns"),
        (b"note\nJos\xe9", "Byte 9"),
        (b'note\nanna\n"ben', "After row 2"),
        (b"x\n" * 1_001, "1,001|1001"),
    ],
)
def test_what_is_no_list_is_refused(raw, said):
    with pytest.raises(Invalid, match=said) as refused:
        read(raw)
    assert refused.value.fields["people"] == [refused.value.message]


def test_a_list_beyond_a_megabyte_is_refused():
    with pytest.raises(TooLarge):
        read(b"note\n" + b"x" * 1024**2)


@pytest.mark.parametrize(
    ("row", "column", "rule"),
    [
        ("a,b", "", "2 cells, the header has 4"),
        (",labeler,,", "note", "1 to 120"),
        ("x" * 121 + ",,,", "note", "1 to 120"),
        ("a\x00b,,,", "note", "control character"),
        ("a\x1b[31m,,,", "note", "control character"),
        ('"two\nlines",,,', "note", "line break"),
        ("First,,,", "note", "the same as in row 2"),
        ("a,owner,,", "role", "no such role"),
        ("a,,english!,", "languages", "not a list of language codes"),
        ("a,,,go", "skills", "no such skill"),
        ("a,reviewer,en,", "languages", "only labelers"),
        ("a,admin,,chess", "skills", "only labelers"),
    ],
)
def test_one_bad_row_refuses_them_all(cast, campaign, row, column, rule):
    people = read(HEADER + "first,,en,chess\n" + row + "\nlast,,,\n")
    with pytest.raises(Invalid) as refused:
        bulk.invite_many(actor=cast.adam, campaign=campaign, people=people)
    (error,) = refused.value.extra["errors"]
    assert (error["line"], error["field"]) == (3, column) and rule in error["rule"] and error["remedy"]
    assert refused.value.code == "bad_rows" and refused.value.extra["total"] == 1
    assert (
        not Invitation.objects.exists() and not AuditEvent.objects.filter(action="invitation.import").exists()
    )


def test_fifty_errors_are_shown_and_all_are_counted(cast, campaign):
    people = [Row(n, {"note": f"a{n}", "role": "owner"}) for n in range(1, 62)]
    with pytest.raises(Invalid) as refused:
        bulk.invite_many(actor=cast.adam, campaign=campaign, people=people)
    assert [len(refused.value.extra["errors"]), refused.value.extra["total"]] == [50, 61]


@pytest.mark.parametrize(
    ("values", "column"),
    [
        ({}, "note"),
        ({"note": None}, "note"),
        ({"note": ["a"]}, "note"),
        ({"note": "a", "email": "b"}, "email"),
        ({"note": "a", "role": {}}, "role"),
        ({"note": "a", "role": None}, "role"),
        ({"note": "a", "skills": None}, "skills"),
        ({"note": "a", "role": ["admin"]}, "role"),
        ({"note": "a", "languages": "en"}, "languages"),
        ({"note": "a", "languages": [1]}, "languages"),
        ({"note": "a", "languages": ["en"] * 21}, "languages"),
        ({"note": "a", "skills": "chess"}, "skills"),
    ],
)
def test_odd_objects_are_refused(cast, campaign, values, column):
    people = bulk.rows_of([values])
    with pytest.raises(Invalid) as refused:
        bulk.invite_many(actor=cast.adam, campaign=campaign, people=people)
    assert [e["field"] for e in refused.value.extra["errors"]] == [column]


@pytest.mark.parametrize("days", [0, 367, "7", None, True])
def test_odd_ends_are_refused(cast, campaign, days):
    with pytest.raises(Invalid) as refused:
        bulk.invite_many(actor=cast.adam, campaign=campaign, people=read("anna"), days=days)
    assert "days" in refused.value.fields


def test_each_row_is_an_invitation_for_one_use(cast, campaign):
    people = read(HEADER + "=anna@example.org,,EN de,math proofs\nBen,reviewer,,\n")
    made = bulk.invite_many(actor=cast.adam, campaign=campaign, people=people, days=3)
    stored = list(
        Invitation.objects.order_by("id").values_list("note", "role", "languages", "skills", "max_uses")
    )
    assert stored == [
        ("=anna@example.org", "labeler", ["de", "en"], ["math proofs"], 1),
        ("Ben", "reviewer", [], [], 1),
    ]
    assert [sha256_of(token) for _one, token in made] == [
        *Invitation.objects.order_by("id").values_list("token_sha256", flat=True)
    ]
    assert {(one.expires_at - one.created_at).days for one, _token in made} == {3}
    (event,) = AuditEvent.objects.filter(action="invitation.import")
    assert event.after == {"count": 2, "roles": ["labeler", "reviewer"], "days": 3}
    file = bulk.links_file([(one, f"https://x/join/{token}/") for one, token in made])
    table = list(csv.reader(io.StringIO(file.decode("utf-8-sig"))))
    assert table[0] == ["note", "role", "expires_at", "link"]
    assert [row[0] for row in table[1:]] == ["'=anna@example.org", "Ben"]  # no formula
    assert table[1][3] == f"https://x/join/{made[0].token}/"


def test_the_membership_begins_with_what_the_invitation_says(cast, campaign):
    people = read(HEADER + "new,,en zh,chess;math\nknown,,en,chess\n")
    (_new, new), (_known, known) = bulk.invite_many(actor=cast.adam, campaign=campaign, people=people)
    campaign.refresh_from_db()
    change_campaign(
        actor=cast.adam, campaign=campaign, version=campaign.version, changes={"skills": ["chess"]}
    )
    _user, membership = sign_up_by_invitation(token=new, username="nova", password="correct horse battery")
    assert (membership.languages, membership.skills) == (["en", "zh"], ["chess"])  # math is no more
    accept_invitation(user=cast.lena, token=known)
    lena = Membership.objects.get(user=cast.lena, campaign=campaign)
    assert (lena.languages, lena.skills) == ([], [])  # as they were


def test_a_thousand_cost_as_many_statements_as_one(cast, campaign):
    counts = []
    for n in (1, 1_000):
        people = [Row(k, {"note": f"{n}-{k}"}) for k in range(n)]
        with CaptureQueriesContext(connection) as asked:
            bulk.invite_many(actor=cast.adam, campaign=campaign, people=people)
        counts.append(len(asked))
    assert counts[0] == counts[1] and Invitation.objects.count() == 1_001


def test_a_person_sees_their_note_and_takes_it_along_when_they_go(cast, campaign):
    people = read("the tall one\nNova@example.org again\nsupernova\n")
    (_mine, token), *_others = bulk.invite_many(actor=cast.adam, campaign=campaign, people=people)
    user, _membership = sign_up_by_invitation(
        token=token, username="nova", password="correct horse battery", email="nova@example.org"
    )
    mine = own_data(user).decode()
    assert "the tall one" in mine and "supernova" not in mine
    grant_role(actor=cast.adam, user=user, campaign=campaign, role="labeler")
    erase_person(user=user, actor=None, note=False)
    assert list(Invitation.objects.order_by("id").values_list("note", flat=True)) == [
        "",
        "erased again",
        "supernova",
    ]
