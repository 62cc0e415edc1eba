"""Files on the ticket's page: who may fetch them, and how they come and go by the composer."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.urls import reverse

from cases.attachments import attach, received
from cases.models import Attachment, Note
from cases.services import record
from notifications.models import Message
from staff.permissions import Role
from tests import builders
from tests.builders import MONDAY
from tests.cases.test_attachments import JPEG, PDF, SVG
from tickets.models import Ticket

pytestmark = pytest.mark.django_db
EN = {"Accept-Language": "en"}
HTMX = {**EN, "HX-Request": "true"}


@pytest.fixture(autouse=True)
def _house(attachments_folder):
    builders.house()


@pytest.fixture
def agent():
    """Whose replies leave at once; how one waits for an undo is in test_sending.py."""
    return builders.person("agent", language="en", undo_replies=False)


@pytest.fixture
def ticket(agent):
    return builders.ticket(agent)


def keep(ticket, content=JPEG, name="光猫 📷.jpg", **options):
    options = {"by": ticket.first_contact, "at": MONDAY, "visibility": "internal", **options}
    with received([SimpleUploadedFile(name, content)]) as files, transaction.atomic():
        locked = Ticket.objects.locked(ticket.pk)
        kept = attach(locked, files[0], **options)
        record(locked, transition="attached", at=MONDAY)
    return kept


def address(attachment):
    return reverse("desk:attachment", args=[attachment.pk])


# --- fetching ---------------------------------------------------------------------------------------------------------


def test_who_may_fetch_a_file(client, ticket):
    other_team = builders.team("billing", name_zh="账务组", name_en="Billing")
    page = address(keep(ticket))
    assert client.get(page)["Location"].startswith("/sign-in/")
    found = {}
    for role in Role:
        for team in (ticket.team, other_team):
            client.force_login(builders.person(role, team=team))
            found[role, team.code] = client.get(page).status_code
    for role in ("agent", "senior", "lead"):
        assert (found[role, "repair"], found[role, "billing"]) == (200, 404)
    for role in ("dispatcher", "supervisor", "head", "auditor"):
        assert (found[role, "repair"], found[role, "billing"]) == (200, 200)
    assert (found["administrator", "repair"], found["administrator", "billing"]) == (403, 403)


def test_a_file_is_saved_never_shown_and_nothing_in_it_runs(client, agent, ticket):
    kept = keep(ticket)
    client.force_login(agent)
    answer = client.get(address(kept))
    assert b"".join(answer.streaming_content) == JPEG
    assert answer["Content-Type"] == "image/jpeg"
    assert answer["Content-Disposition"].startswith("attachment; ")
    assert "filename*=utf-8''%E5%85%89%E7%8C%AB%20%F0%9F%93%B7.jpg" in answer["Content-Disposition"]
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert answer["Cache-Control"] == "private, no-store"


def test_an_address_that_leads_nowhere_and_a_file_that_is_gone(client, agent, ticket, attachments_folder):
    kept = keep(ticket)
    client.force_login(agent)
    assert client.get("/desk/attachments/999999/").status_code == 404
    assert client.get("/desk/attachments/..%2f..%2fetc/").status_code == 404
    assert client.post(address(kept)).status_code == 405
    assert client.head(address(kept)).status_code == 200
    (attachments_folder / kept.file.name).unlink()
    assert client.get(address(kept)).status_code == 404


# --- on the page ------------------------------------------------------------------------------------------------------


def test_a_file_without_a_turn_of_its_own_stands_in_the_timeline(client, agent, ticket):
    kept = keep(ticket)
    client.force_login(agent)
    page = client.get(reverse("desk:case", args=[ticket.number]), headers=EN).content.decode()
    assert page.count(f'href="{address(kept)}"') == 1
    assert "File attached: Photo, 1.0" in page
    assert "光猫 📷.jpg" in page


def send(client, agent, ticket, name, files, headers=EN, **data):
    client.force_login(agent)
    uploads = [SimpleUploadedFile(file_name, content) for file_name, content in files]
    form = {"body": "See the picture.", "key": "k", "files": uploads, **data}
    return client.post(reverse("desk:do", args=[ticket.number, name]), form, headers=headers)


@pytest.mark.parametrize(
    ("name", "visibility", "direction", "more"),
    [
        ("reply", "public", "out", {}),
        ("note", "internal", "none", {}),
        ("customer", "public", "in", {"channel": "web"}),
    ],
)
def test_files_go_with_a_reply_a_note_and_what_the_customer_said(
    client, agent, ticket, name, visibility, direction, more
):
    answer = send(client, agent, ticket, name, [("modem.jpg", JPEG), ("bill.pdf", PDF)], HTMX, **more)
    assert answer.status_code == 200
    note = Note.objects.get(direction=direction, body="See the picture.")
    assert list(note.attachments.values_list("name", "visibility")) == [
        ("modem.jpg", visibility), ("bill.pdf", visibility),
    ]  # fmt: skip
    page = answer.content.decode()
    turn = page[page.index("See the picture.") :].partition("</li><li")[0]
    for file in note.attachments.all():
        assert page.count(f'href="{address(file)}"') == 1
        assert file.name in page
    assert f'href="{address(note.attachments.first())}"' in turn
    assert "File attached" not in page


def test_a_double_click_is_one_reply_with_its_file(client, agent, ticket, attachments_folder):
    for _ in range(2):
        assert send(client, agent, ticket, "reply", [("modem.jpg", JPEG)]).status_code == 302
    assert Note.objects.filter(direction="out").count() == 1
    assert Attachment.objects.count() == 1
    assert sum(path.is_file() for path in attachments_folder.rglob("*")) == 1


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([("fine.jpg", JPEG), ("logo.jpg", SVG)], "“logo.jpg” is none of what can be attached"),
        ([("empty.pdf", b"")], "“empty.pdf” is empty."),
        ([("large.jpg", JPEG + bytes(2048))], "“large.jpg” is larger than 2.0"),
        ([(f"{n}.txt", str(n).encode()) for n in range(3)], "There are 2 files here already"),
    ],
)
def test_a_refused_file_is_named_and_what_was_typed_is_kept(
    client, agent, ticket, settings, attachments_folder, files, words
):
    settings.ATTACHMENT_MAX_BYTES, settings.ATTACHMENTS_PER_CASE = 2048, 2
    answer = send(client, agent, ticket, "reply", files, HTMX)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert words in page
    assert "Please choose the files again" in page
    assert "See the picture.</textarea>" in page
    assert not Note.objects.filter(direction="out").exists()
    assert not Message.objects.filter(template="ticket_reply").exists()
    assert not Attachment.objects.exists()
    assert not any(path.is_file() for path in attachments_folder.rglob("*"))


def test_a_reply_refused_for_its_words_says_that_the_files_must_be_chosen_again(client, agent, ticket):
    page = send(client, agent, ticket, "reply", [("modem.jpg", JPEG)], body=" ").content.decode()
    assert "Write the reply first." in page
    assert "Please choose the files again" in page
    page = send(client, agent, ticket, "reply", [], body=" ").content.decode()
    assert "Please choose the files again" not in page


def test_a_reader_cannot_attach(client, ticket):
    auditor = builders.person("auditor")
    assert send(client, auditor, ticket, "note", [("modem.jpg", JPEG)]).status_code == 403
    assert not Attachment.objects.exists()
