"""Files of a case: taken by what they are, kept as evidence, never lost and never left behind."""

from __future__ import annotations

import hashlib
import os
import sys
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from cases.attachments import LONGEST_NAME, attach, clean_name, examine, received, storage
from cases.facts import Names, sentence
from cases.models import Attachment, Case, CaseEvent, Note
from cases.services import record, verify_timeline
from common.errors import DomainError, InvalidInput, StaleVersion
from tests import builders
from tests.builders import MONDAY
from tickets import conversation, services
from tickets.models import Ticket

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(range(256)) * 4 + b"\xff\xd9"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
WEBP = b"RIFF\x24\x00\x00\x00WEBPVP8 " + bytes(32)
HEIC = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(32)
AVIF = b"\x00\x00\x00\x18ftypavif\x00\x00\x00\x00mif1avif" + bytes(32)
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj"
ZIP = b"PK\x03\x04" + bytes(range(256))
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
HTML = b"\xef\xbb\xbf \n<!doctype html><script>alert(1)</script>"
ELF = b"\x7fELF\x02\x01\x01" + bytes(64)


@pytest.fixture(autouse=True)
def store(attachments_folder):
    return attachments_folder


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def upload(content=JPEG, name="modem.jpg", content_type="image/jpeg"):
    return SimpleUploadedFile(name, content, content_type)


@pytest.fixture
def ticket(db):
    builders.house()
    return builders.ticket(builders.person("agent"), channel="phone")


def keep(ticket, *uploads, **options):
    """Attach in a transaction of its own, as a service does."""
    options = {"by": ticket.first_contact, "at": MONDAY, "visibility": "public", **options}
    with received(uploads) as files, transaction.atomic():
        locked = Ticket.objects.locked(ticket.pk)
        made = [attach(locked, file, **options) for file in files]
        record(locked, transition="attached", at=MONDAY, by=options["by"])
    return made


# --- what is taken ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "found", "name"),
    [
        (JPEG, "image/jpeg", "a.jpg"),
        (PNG, "image/png", "a.png"),
        (WEBP, "image/webp", "a.webp"),
        (HEIC, "image/heic", "a.heic"),
        (PDF, "application/pdf", "a.pdf"),
        ("光猫日志 🔧\n".encode(), "text/plain", "a.txt"),
        ("光猫日志".encode("gb18030"), "text/plain", "a.txt"),
        (b"\xef\xbb\xbfwith a mark\r\n\tand tabs", "text/plain", "a.log"),
    ],
)
def test_what_it_is_decides_not_what_it_says(content, found, name):
    for said in (name, "a.exe", "a.svg", "a"):
        file = examine(upload(content, said, "text/html"))
        assert file.content_type == found
        assert (file.size, file.digest) == (len(content), hashlib.sha256(content).hexdigest())
        assert not file.name.endswith((".exe", ".svg"))
    assert examine(upload(content, name)).name == name


@pytest.mark.parametrize(
    "content", [SVG, HTML, ZIP, ELF, AVIF, b"GIF89a" + bytes(32), b"text with \x00 in it", b"\xff"]
)
def test_what_is_none_of_them_is_refused_whatever_it_calls_itself(content):
    with pytest.raises(InvalidInput, match=r"photo\.jpg") as refusal:
        examine(upload(content, "photo.jpg", "image/jpeg"))
    assert refusal.value.field == "files"


def test_a_program_with_the_beginning_of_a_picture_gets_the_ending_of_one():
    assert examine(upload(JPEG, "invoice.pdf.exe")).name == "invoice.pdf.exe.jpg"


def test_nothing_is_not_a_file():
    with pytest.raises(InvalidInput, match=r"modem\.jpg"):
        examine(upload(b""))


def test_the_size_is_counted_not_believed(settings):
    settings.ATTACHMENT_MAX_BYTES = 1000
    liar = upload(JPEG + bytes(2000))
    liar.size = 10
    with pytest.raises(InvalidInput) as refusal:
        examine(liar)
    assert refusal.value.field == "files"
    exactly = JPEG[:900] + bytes(100)
    assert examine(upload(exactly)).size == 1000


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\windows\\system32\\evil.jpg", "evil.jpg"),
        ("/absolute/路由器 照片.jpg", "路由器 照片.jpg"),
        ("C:\\photo.jpg", "photo.jpg"),
        ("👩‍🔧 at work 🔧.jpg", "👩‍🔧 at work 🔧.jpg"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        ("a\r\nSet-Cookie: x=1.jpg", "a Set-Cookie_ x=1.jpg"),
        ("\x00.jpg", "jpg"),
        ("...", "file"),
        ("", "file"),
        ("folder/", "file"),
        ("e\u0301.jpg", "\u00e9.jpg"),
        ('a"b<c>.jpg', "a_b_c_.jpg"),
        ("x" * 300 + ".jpeg", "x" * 115 + ".jpeg"),
        ("x." + "y" * 300, "x." + "y" * 118),
    ],
)
def test_names_lose_folders_and_tricks_and_keep_what_people_wrote(given, kept):
    assert clean_name(given) == kept


@given(st.text(max_size=400))
def test_no_name_is_too_long_or_leads_anywhere(text):
    name = clean_name(text)
    assert 0 < len(name) <= LONGEST_NAME
    assert not set(name) & set('/\\\r\n\t\0"')
    assert name not in (".", "..")
    assert clean_name(name) == name


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_an_attachment_is_a_row_a_file_and_a_fact_with_its_digest(ticket, store):
    (kept,) = keep(ticket, upload())
    (path,) = files_in(store)
    assert path.read_bytes() == JPEG
    assert path.relative_to(store).as_posix() == kept.file.name
    assert (len(kept.file.name), kept.file.name[2]) == (35, "/")
    assert "modem" not in kept.file.name
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    event = CaseEvent.objects.get(case=ticket, kind="attached")
    digest = hashlib.sha256(JPEG).hexdigest()
    assert event.facts == {
        "attachment": kept.pk, "note": None, "kind": "photo", "type": "image/jpeg", "size": len(JPEG), "digest": digest,
    }  # fmt: skip
    assert (event.public, event.by_id) == (True, ticket.first_contact_id)
    assert kept.kind == "photo"
    assert verify_timeline(Case.objects.get(pk=ticket.pk)) == []
    assert "KB" in sentence(event, Names())


def test_what_a_large_upload_left_on_disk_is_taken_over(ticket, store):
    big = TemporaryUploadedFile("a.jpg", "image/jpeg", len(JPEG), None)
    big.write(JPEG)
    (kept,) = keep(ticket, big)
    assert kept.file.open().read() == JPEG
    assert (store / kept.file.name).stat().st_mode & 0o777 == 0o600


def test_kind_visibility_and_author_are_as_told(ticket):
    (signed,) = keep(ticket, upload(PNG, "sign.png"), kind="signature", visibility="internal")
    (sent,) = keep(ticket, upload(PDF, "bill.pdf"), by=ticket.customer)
    (system,) = keep(ticket, upload(b"log", "x.log"), by=None)
    assert (signed.kind, signed.visibility, signed.by_customer) == ("signature", "internal", False)
    assert (sent.kind, sent.by_id, sent.by_customer) == ("document", None, True)
    assert (system.by_id, system.by_customer) == (None, False)
    public = CaseEvent.objects.filter(case=ticket, kind="attached").values_list("by_kind", "public")
    assert list(public) == [("person", False), ("customer", True), ("system", True)]
    for wrong in ({"kind": "video"}, {"visibility": "secret"}):
        with pytest.raises(InvalidInput):
            keep(ticket, upload(b"y", "y.txt"), **wrong)


def test_the_same_content_in_the_same_place_is_one_attachment(ticket, store):
    first, again = keep(ticket, upload(), upload(name="copy.jpg"))
    assert first.pk == again.pk
    assert keep(ticket, upload())[0].pk == first.pk
    assert len(files_in(store)) == 1
    assert CaseEvent.objects.filter(case=ticket, kind="attached").count() == 1
    assert keep(ticket, upload(), visibility="internal")[0].pk != first.pk


def test_a_case_takes_twenty_files_and_not_one_more(ticket, store, settings):
    settings.ATTACHMENTS_PER_CASE = 3
    keep(ticket, *(upload(f"text {number}".encode(), "a.txt") for number in range(2)))
    before = Case.objects.get(pk=ticket.pk).event_seq
    with pytest.raises(InvalidInput) as refusal:
        keep(ticket, upload(b"third", "a.txt"), upload(b"fourth", "a.txt"))
    assert refusal.value.field == "files"
    assert Attachment.objects.count() == 2
    assert len(files_in(store)) == 2  # nothing of the refused two is left behind
    assert Case.objects.get(pk=ticket.pk).event_seq == before


class Stop(Exception):
    pass


def interrupted(ticket, store, *, within):
    """Attach a file and fail, within the transaction or after it."""
    with received([upload()]) as files:
        with transaction.atomic():
            locked = Ticket.objects.locked(ticket.pk)
            attach(locked, files[0], by=None, at=MONDAY, visibility="public")
            record(locked, transition="attached", at=MONDAY)
            assert len(files_in(store)) == 1
            if within:
                raise Stop
        raise Stop


def test_a_transaction_that_fails_leaves_no_file(ticket, store):
    with pytest.raises(Stop):
        interrupted(ticket, store, within=True)
    assert files_in(store) == []
    assert not Attachment.objects.exists()


def test_what_was_committed_keeps_its_file_whatever_happens_afterwards(ticket, store):
    with pytest.raises(Stop):
        interrupted(ticket, store, within=False)
    assert len(files_in(store)) == 1
    assert Attachment.objects.count() == 1


CHANGES = {
    "update": lambda kept: Attachment.objects.filter(pk=kept.pk).update(name="other.jpg"),
    "delete": lambda kept: kept.delete(),
    "by hand": lambda kept: connection.cursor().execute("DELETE FROM cases_attachment"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_database_refuses_to_change_or_delete_one(ticket, change):
    (kept,) = keep(ticket, upload())
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        CHANGES[change](kept)
    assert Attachment.objects.get().name == "modem.jpg"
    assert kept.file.open().read() == JPEG


# --- malware ----------------------------------------------------------------------------------------------------------

SCANNER = """
import sys
content = open(sys.argv[1], "rb").read()
sys.exit(1 if b"EICAR" in content else 0)
"""


@pytest.fixture
def scanner(settings):
    settings.ATTACHMENT_SCANNER = [sys.executable, "-c", SCANNER]


def test_a_clean_file_passes_the_houses_scanner_and_another_does_not(ticket, scanner):
    assert keep(ticket, upload())
    with pytest.raises(InvalidInput, match=r"bad\.jpg") as refusal:
        keep(ticket, upload(JPEG + b"EICAR", "bad.jpg"))
    assert refusal.value.field == "files"
    assert Attachment.objects.count() == 1


def test_a_scanner_that_does_not_run_lets_nothing_through(ticket, settings, store, monkeypatch):
    settings.ATTACHMENT_SCANNER = [str(store / "gone")]
    with pytest.raises(DomainError) as refusal:
        keep(ticket, upload())
    assert (refusal.value.code, refusal.value.field) == ("refused", "files")
    settings.ATTACHMENT_SCANNER = [sys.executable, "-c", "import time; time.sleep(60)"]
    monkeypatch.setattr("cases.attachments.SCAN_SECONDS", 0.1)
    with pytest.raises(DomainError):
        keep(ticket, upload())
    assert not Attachment.objects.exists()


# --- with the conversation --------------------------------------------------------------------------------------------


def reply(ticket, *uploads, key="k", body="Here is the picture."):
    with received(uploads) as files:
        return conversation.reply_to_customer(
            ticket_id=ticket.pk, body=body, by=ticket.first_contact, at=MONDAY, key=key, files=files
        )


def test_files_of_a_turn_are_seen_by_whoever_sees_the_turn(ticket):
    reply(ticket, upload())
    with received([upload(PDF, "inside.pdf")]) as files:
        conversation.add_internal_note(ticket_id=ticket.pk, body="x", by=ticket.first_contact, at=MONDAY, files=files)
    with received([upload(PNG, "from me.png")]) as files:
        conversation.customer_wrote(
            ticket_id=ticket.pk, body="x", channel="web", by=ticket.customer, at=MONDAY, files=files
        )
    found = Attachment.objects.values_list("name", "visibility", "by_customer", "note__direction")
    assert list(found) == [
        ("modem.jpg", "public", False, "out"),
        ("inside.pdf", "internal", False, "none"),
        ("from me.png", "public", True, "in"),
    ]
    assert [file.name for file in Attachment.objects.visible_to_customer(ticket.customer)] == [
        "modem.jpg",
        "from me.png",
    ]
    assert not Attachment.objects.visible_to_customer(builders.customer(name="Other", phone="13900001111")).exists()
    assert verify_timeline(Case.objects.get(pk=ticket.pk)) == []


def test_a_form_sent_twice_is_one_reply_with_one_file(ticket, store):
    reply(ticket, upload())
    reply(ticket, upload())
    assert (Note.objects.filter(direction="out").count(), Attachment.objects.count()) == (1, 1)
    assert len(files_in(store)) == 1


def test_a_refused_reply_leaves_neither_words_nor_file(ticket, store):
    reply(ticket)
    with pytest.raises(StaleVersion):
        reply(ticket, upload(), body="other words")
    assert files_in(store) == []
    services.take_ticket(ticket_id=ticket.pk, by=ticket.first_contact, at=MONDAY + timedelta(hours=1))
    with pytest.raises(DomainError), received([upload()]) as files:
        conversation.reply_to_customer(
            ticket_id=ticket.pk, body="done", then="resolve", by=ticket.first_contact, key="k2", files=files
        )  # not verified
    assert files_in(store) == []
    assert not Attachment.objects.exists()


# --- after a restore --------------------------------------------------------------------------------------------------


def look(*options):
    out = StringIO()
    call_command("attachments", *options, stdout=out)
    return out.getvalue()


def test_the_command_tells_what_is_gone_changed_or_left_behind(ticket, store):
    assert "as it was" in look()
    gone, changed, fine = keep(ticket, upload(), upload(PNG), upload(PDF))
    assert "as it was" in look()
    (store / gone.file.name).unlink()
    os.chmod(store / changed.file.name, 0o600)
    (store / changed.file.name).write_bytes(b"other")
    out = StringIO()
    with pytest.raises(CommandError, match="2 attachments"):
        call_command("attachments", stdout=out)
    assert f"attachment {gone.pk}: its file {gone.file.name} is gone" in out.getvalue()
    assert f"attachment {changed.pk}: its file {changed.file.name} was changed" in out.getvalue()
    assert f"attachment {fine.pk}:" not in out.getvalue()


def test_strays_are_removed_when_asked_and_nothing_else(ticket, store):
    (kept,) = keep(ticket, upload())
    stray = storage().save("ab/stray", upload())
    assert f"{stray} belongs to no attachment" in look()
    assert len(files_in(store)) == 2
    look("--remove-strays")
    assert files_in(store) == [store / kept.file.name]
