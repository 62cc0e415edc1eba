from __future__ import annotations

from typing import cast

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from staff.models import User

pytestmark = pytest.mark.django_db
ENGLISH = {"HTTP_ACCEPT_LANGUAGE": "en"}


@pytest.fixture
def wang(db: None) -> User:
    return User.objects.create_user("wang", PASSWORD, name="王建国", role="agent")


PASSWORD = "a long password"


def sign_in(client: Client, username: str = "wang", password: str = PASSWORD, query: str = "") -> HttpResponse:
    answer = client.post(reverse("sign_in") + query, {"username": username, "password": password}, **ENGLISH)
    return cast(HttpResponse, answer)


def test_name_and_password_open_the_desk(client: Client, wang: User) -> None:
    answer = sign_in(client)
    assert (answer.status_code, answer["Location"]) == (302, settings.LOGIN_REDIRECT_URL)
    assert client.session["_auth_user_id"] == str(wang.pk)


def test_after_signing_in_the_wanted_page_opens(client: Client, wang: User) -> None:
    assert sign_in(client, query="?next=/desk/team/")["Location"] == "/desk/team/"


def test_it_never_leads_to_another_site(client: Client, wang: User) -> None:
    assert sign_in(client, query="?next=https://elsewhere.example/")["Location"] == settings.LOGIN_REDIRECT_URL


def test_a_refusal_does_not_tell_which_accounts_exist(client: Client, wang: User) -> None:
    User.objects.create_user("gone", PASSWORD, name="Gone", is_active=False)
    pages = []
    for name, password in [("wang", "wrong"), ("nobody", "wrong"), ("gone", PASSWORD)]:
        answer = sign_in(client, name, password)
        assert answer.status_code == 422
        assert f'value="{name}"' in answer.content.decode()  # what was typed is kept
        pages.append([str(error) for error in answer.context["form"].non_field_errors()])
    assert pages == [["The name and the password do not match. Check both, then try again."]] * 3
    assert "_auth_user_id" not in client.session


def test_the_fifth_failure_locks_the_name(client: Client, wang: User) -> None:
    for _ in range(4):
        assert sign_in(client, password="wrong").status_code == 422
    locked = sign_in(client, password="wrong")
    assert locked.status_code == 429
    assert locked["Retry-After"] == "900"
    assert "is locked until" in locked.content.decode()
    # The right password does not open it now, and somebody else is not held up.
    assert sign_in(client).status_code == 429
    User.objects.create_user("li", PASSWORD, name="Li Wen")
    assert sign_in(client, "li").status_code == 302


def test_signing_out_needs_a_post(client: Client, wang: User) -> None:
    client.force_login(wang)
    assert client.get(reverse("sign_out")).status_code == 405
    assert "_auth_user_id" in client.session
    client.post(reverse("sign_out"))
    assert "_auth_user_id" not in client.session


def test_the_demonstration_lists_its_people_only_in_demo_mode(client: Client, settings) -> None:
    settings.DEMO = False
    assert b'value="supervisor"' not in client.get(reverse("sign_in")).content
    settings.DEMO = True
    assert b'value="supervisor"' in client.get(reverse("sign_in")).content


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("zh-CN,zh;q=0.9", "zh-hans"), ("en-US,en;q=0.8", "en"), ("fr", "zh-hans"), ("", "zh-hans")],
)
def test_the_browser_chooses_the_first_language(client: Client, accepted: str, language: str) -> None:
    answer = client.get(reverse("sign_in"), HTTP_ACCEPT_LANGUAGE=accepted)
    assert answer["Content-Language"] == language
    assert f'<html lang="{language}"' in answer.content.decode()


def test_the_language_switch_returns_to_the_page_and_is_remembered(client: Client) -> None:
    page = reverse("sign_in") + "?next=/desk/"
    answer = client.post(reverse("set_language"), {"language": "en", "next": page})
    assert (answer.status_code, answer["Location"]) == (302, page)
    assert client.get(page, HTTP_ACCEPT_LANGUAGE="zh-CN")["Content-Language"] == "en"


@pytest.mark.parametrize("elsewhere", ["https://elsewhere.example/", "//elsewhere.example/", "javascript:alert(1)", ""])
def test_the_language_switch_never_leads_to_another_site(client: Client, elsewhere: str) -> None:
    assert client.post(reverse("set_language"), {"language": "en", "next": elsewhere})["Location"] == "/"


def test_the_profile_wins_over_cookie_and_browser(client: Client, wang: User) -> None:
    client.force_login(wang)
    client.post(reverse("set_language"), {"language": "en", "next": "/"})
    wang.refresh_from_db()
    assert wang.language == "en"
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "zh-hans"
    assert client.post(reverse("presence"), {"presence": "online"}, HTTP_HX_REQUEST="true")["Content-Language"] == "en"


def test_an_unknown_language_changes_nothing(client: Client, wang: User) -> None:
    client.force_login(wang)
    client.post(reverse("set_language"), {"language": "tlh", "next": "/"})
    wang.refresh_from_db()
    assert wang.language == ""


def test_preferences_change_only_what_was_sent(client: Client, wang: User) -> None:
    client.force_login(wang)
    answer = client.post(reverse("preferences"), {"theme": "dark", "next": "/desk/?view=waiting"})
    assert (answer.status_code, answer["Location"]) == (302, "/desk/?view=waiting")
    wang.refresh_from_db()
    assert (wang.theme, wang.density, wang.language) == ("dark", "comfortable", "")


def test_preferences_refuse_what_does_not_exist(client: Client, wang: User) -> None:
    client.force_login(wang)
    assert client.post(reverse("preferences"), {"theme": "neon"}).status_code == 400
    wang.refresh_from_db()
    assert wang.theme == "system"


def test_presence_is_kept_with_its_time_and_the_menu_comes_back(client: Client, wang: User) -> None:
    client.force_login(wang)
    answer = client.post(reverse("presence"), {"presence": "break", "next": "/desk/"}, HTTP_HX_REQUEST="true")
    wang.refresh_from_db()
    assert wang.presence == "break"
    assert wang.presence_since is not None
    assert 'class="presence presence-break"' in answer.content.decode()
    assert client.post(reverse("presence"), {"presence": "online", "next": "/desk/"})["Location"] == "/desk/"


def test_the_same_presence_again_keeps_its_start(client: Client, wang: User) -> None:
    client.force_login(wang)
    client.post(reverse("presence"), {"presence": "online"})
    wang.refresh_from_db()
    since = wang.presence_since
    client.post(reverse("presence"), {"presence": "online"})
    wang.refresh_from_db()
    assert wang.presence_since == since


@pytest.mark.parametrize("name", ["preferences", "presence"])
def test_strangers_are_sent_to_sign_in(client: Client, name: str) -> None:
    assert client.post(reverse(name)).headers["Location"].startswith(settings.LOGIN_URL)


def test_every_answer_has_the_time_and_a_reference(client: Client, wang: User) -> None:
    answer = client.get(reverse("sign_in"), HTTP_X_REQUEST_ID="abc-12345678")
    assert answer["X-Server-Now"].isdigit()
    assert answer["X-Request-ID"] == "abc-12345678"
    assert client.get(reverse("sign_in"), HTTP_X_REQUEST_ID="<b>x</b> 12345")["X-Request-ID"].isalnum()


def test_signed_in_pages_are_not_stored(client: Client, wang: User) -> None:
    client.force_login(wang)
    answer = client.post(reverse("presence"), {"presence": "online"}, HTTP_HX_REQUEST="true")
    assert answer["Cache-Control"] == "private, no-store"
