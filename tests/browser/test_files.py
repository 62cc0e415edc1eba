"""Files by a real browser: chosen, sent with a note, fetched again; with script and without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from common import clock
from desk.forms import NoteForm
from tests import builders
from tests.cases.test_attachments import JPEG, SVG
from tickets import services

from .conftest import Watch, Words, complaints_of_axe

pytestmark = pytest.mark.usefixtures("house", "attachments_folder")


def at_the_note(visit: Any, say: Words, **options: Any) -> Page:
    agent = builders.person("agent", language=say.language)
    ticket = builders.ticket(agent, at=clock.now())
    services.take_ticket(ticket_id=ticket.pk, by=agent)
    page: Page = visit(agent, language=say.language, **options)
    page.goto(reverse("desk:case", args=[ticket.number]))
    page.locator("label", has=page.locator("#mode-note")).click()
    return page


def write(page: Page, say: Words, file: Path) -> None:
    form = page.locator("draft-box.mode-note")
    form.get_by_label(say.of(NoteForm.base_fields["files"].label)).set_input_files(file)
    form.get_by_role("textbox").fill("The splitter is corroded.")
    form.get_by_role("button", name=say("Add the note")).click()


@pytest.mark.parametrize(
    "options", [{}, {"java_script_enabled": False}, {"phone": True}], ids=["script", "no script", "phone"]
)
def test_a_picture_goes_with_a_note_and_can_be_fetched(visit: Any, tmp_path: Path, options: dict[str, Any]) -> None:
    say = Words("zh-hans")
    picture = tmp_path / "分光器.jpg"
    picture.write_bytes(JPEG)
    page = at_the_note(visit, say, **options)
    write(page, say, picture)
    link = page.get_by_role("link", name="分光器.jpg")
    expect(link).to_be_visible()
    with page.expect_download() as download:
        link.click()
    assert download.value.suggested_filename == "分光器.jpg"
    assert Path(download.value.path()).read_bytes() == JPEG
    if options.get("java_script_enabled", True):
        assert complaints_of_axe(page) == []


def test_a_file_that_is_not_taken_is_said_beside_the_field(
    visit: Any, watch: Watch, tmp_path: Path, say: Words
) -> None:
    watch.expect_status(422)
    picture = tmp_path / "logo.jpg"
    picture.write_bytes(SVG)
    page = at_the_note(visit, say)
    write(page, say, picture)
    field = page.locator("draft-box.mode-note .composer-files")
    expect(field).to_contain_text("“logo.jpg” is none of what can be attached")
    expect(field).to_contain_text("Please choose the files again")
    expect(page.locator("draft-box.mode-note").get_by_role("textbox")).to_have_value("The splitter is corroded.")
    assert complaints_of_axe(page) == []
