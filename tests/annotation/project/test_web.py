"""What every answer of the site carries, and how signing in is limited; on the real server where it matters."""

import pytest
from django.conf import settings
from django.test import Client

from annotation.models import User

POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "font-src 'self'",
    "connect-src 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'self'",
}


def test_every_answer_carries_a_strict_content_security_policy(client, db):
    for address in ("/healthz", "/accounts/login/", "/no-such-page"):
        policy = client.get(address)["Content-Security-Policy"]

        assert {part.strip() for part in policy.split(";")} == POLICY


def test_other_headers_that_browsers_obey(client, db):
    response = client.get("/accounts/login/")

    assert response["X-Frame-Options"] == "DENY"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("abcd-1234", True),
        ("x" * 64, True),
        ("short", False),
        ("x" * 65, False),
        ("a b c d e f", False),
        ("1234567\n89", False),
    ],
)
def test_a_request_id_is_taken_if_well_formed_and_made_otherwise(client, db, given, kept):
    answered = client.get("/healthz", headers={"x-request-id": given})["X-Request-ID"]

    assert (answered == given) is kept
    assert 8 <= len(answered) <= 64


def test_nobody_makes_an_account_without_an_invitation(client, db):
    before = User.objects.count()

    response = client.post(
        "/accounts/signup/",
        {
            "username": "eve",
            "email": "eve@example.org",
            "password1": "correct-horse-battery",
            "password2": "correct-horse-battery",
        },
    )

    assert response.status_code == 200  # "sign-up is closed"
    assert User.objects.count() == before


def test_a_name_and_a_password_sign_in_and_an_email_address_does_too(client, db):
    user = User.objects.create_user("ada", "ada@example.org", "correct-horse-battery")

    for login in ("ada", "ada@example.org"):
        response = client.post("/accounts/login/", {"login": login, "password": "correct-horse-battery"})

        assert response.status_code == 302
        assert client.session["_auth_user_id"] == str(user.pk)
        client.post("/accounts/logout/")


@pytest.mark.parametrize("login", ["ada", "ada@example.org"])
def test_guessing_a_password_is_stopped_with_429_and_only_for_that_name_and_address(db, settings, login):
    settings.AXES_ENABLED = True
    settings.AXES_FAILURE_LIMIT = 3
    settings.ACCOUNT_RATE_LIMITS = False  # allauth's own limit would come first
    User.objects.create_user("ada", "ada@example.org", "correct-horse-battery")
    User.objects.create_user("bob", "bob@example.org", "correct-horse-battery")
    client = Client()

    statuses = [
        client.post("/accounts/login/", {"login": login, "password": f"guess-{n}"}).status_code
        for n in range(4)
    ]
    right = {"login": login, "password": "correct-horse-battery"}
    refused = client.post("/accounts/login/", right)
    elsewhere = Client(REMOTE_ADDR="192.0.2.7").post("/accounts/login/", right)
    other = Client().post("/accounts/login/", {"login": "bob", "password": "correct-horse-battery"})

    assert statuses[:2] == [200, 200]
    assert statuses[-1] == 429
    assert refused.status_code == 429
    assert refused["Retry-After"] == "900"
    assert "15 minutes" in refused.content.decode()
    assert elsewhere.status_code == 302
    assert other.status_code == 302


def test_a_form_without_its_token_is_refused(db):
    client = Client(enforce_csrf_checks=True)

    assert client.post("/accounts/login/", {"login": "ada", "password": "x"}).status_code == 403


def test_the_real_server_answers_signs_in_and_serves_static_files(site):
    user = User.objects.create_user("ada")
    with site.client() as anonymous, site.client(user) as ada:
        assert anonymous.get("/healthz").json() == {"database": "ok"}
        assert anonymous.get("/accounts/password/change/").status_code == 302
        assert ada.get("/accounts/password/change/", follow_redirects=True).status_code == 200
        script = anonymous.get("/static/django_htmx/htmx-2.min.js")
        assert script.status_code == 200
        assert script.headers["content-type"].startswith("text/javascript")
        assert anonymous.get("/healthz", headers={"host": "evil.example"}).status_code == 400


def test_a_second_factor_is_set_up_by_a_code_that_the_policy_lets_the_browser_show(page, site):
    User.objects.create_user("ada", "ada@example.org", "correct-horse-battery")
    page.goto("/accounts/login/")
    page.get_by_label("Username").or_(page.get_by_label("Login")).first.fill("ada")
    page.get_by_label("Password").first.fill("correct-horse-battery")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda address: "/accounts/login" not in address)

    page.goto("/accounts/2fa/totp/activate/")  # asks for the password once more
    page.get_by_label("Password").first.fill("correct-horse-battery")
    page.keyboard.press("Enter")

    drawn = page.locator("figure.totp-code svg").bounding_box()
    assert drawn["width"] == drawn["height"] > 80
    assert settings.SESSION_COOKIE_NAME in {cookie["name"] for cookie in page.context.cookies()}
