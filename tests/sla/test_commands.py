"""`manage.py calendars` and `policies`: what is exported loads back, the dry run tells all and changes nothing."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from sla import shipped
from sla.arithmetic.toml import LONGEST_NAME
from sla.models import CalendarVersion, Deadline, PolicyVersion, Rule
from sla.policies import LONGEST_PROMISE
from tests import builders
from tests.builders import MONDAY
from tickets import services
from tickets.models import Ticket

pytestmark = pytest.mark.django_db

WEEK = ", ".join(f'{day} = ["09:00-17:00"]' for day in ("mon", "tue", "wed", "thu", "fri"))
OFFICE = f"""
[calendar.office]
timezone = "Asia/Shanghai"
week = {{ {WEEK} }}
"""
CLOSED = OFFICE + 'closed = ["2026-03-04"]\n'
POLICY = """
[[rule]]
promise = "resolve"
when = { kind = "ticket" }
stop = "resolved"
limit = "16h"
calendar = "office"
pauses = ["pending"]
"""


@pytest.fixture
def run(tmp_path):
    def run(*arguments: str, text: str | None = None) -> str:
        out = io.StringIO()
        if text is not None:
            (tmp_path / "file.toml").write_text(text, encoding="utf-8")
            arguments = (*arguments, str(tmp_path / "file.toml"))
        call_command(*arguments, stdout=out)
        return out.getvalue()

    return run


@pytest.fixture
def cases(run):
    """Three cases on an office calendar: done by Wednesday morning, running into it, and paused."""
    run("calendars", "load", text=OFFICE)
    run("policies", "load", text=POLICY)
    PolicyVersion.objects.update(valid_from=None)
    agent = builders.person("senior")
    early = builders.ticket(agent, channel="phone", customer=None, at=MONDAY - timedelta(hours=5))
    late = builders.ticket(agent, channel="phone", customer=None, at=MONDAY + timedelta(hours=4))
    paused = builders.ticket(agent, channel="phone", customer=None, at=MONDAY + timedelta(hours=4))
    services.wait_for_customer(ticket_id=paused.pk, reason="documents", by=agent, at=MONDAY + timedelta(hours=5))
    return early, late, paused


@pytest.fixture(autouse=True)
def _now(monkeypatch):
    monkeypatch.setattr("common.clock.now", lambda: MONDAY + timedelta(hours=6))


def due(ticket):
    return Deadline.objects.get(case=ticket, promise="resolve").due_at


def test_calendars_load_back_identical(run, tmp_path):
    builders.house()
    path = tmp_path / "all.toml"
    run("calendars", "export", str(path))
    forms = dict(CalendarVersion.objects.values_list("name", "form"))
    assert set(run("calendars", "load", str(path)).splitlines()) == {f"{name}: nothing changed" for name in forms}
    CalendarVersion.objects.all().delete()
    run("calendars", "load", str(path))
    assert dict(CalendarVersion.objects.values_list("name", "form")) == forms


def test_an_awkward_calendar_loads_back_identical(run, tmp_path):
    text = OFFICE.replace("office", '"2026 办公"') + (
        'closed = ["2026-05-01"]\nopen = { "2026-05-09" = ["09:00-12:00", "13:00-24:00"] }\n'
        'title = { en = "It\\u2019s \\"ours\\" \\\\", zh = "办公" }\ncomplete_through = "2026-12-31"\n'
    )
    run("calendars", "load", text=text)
    (before,) = CalendarVersion.objects.values_list("form", flat=True)
    exported = run("calendars", "export", "-")
    CalendarVersion.objects.all().delete()
    run("calendars", "load", text=exported)
    assert list(CalendarVersion.objects.values_list("name", "form")) == [("2026 办公", before)]


def test_policies_load_back_identical(run, tmp_path):
    builders.house()
    path = tmp_path / "policy.toml"
    run("policies", "export", str(path))
    fields = [field.attname for field in Rule._meta.concrete_fields if field.attname not in ("id", "version_id")]
    rules = list(Rule.objects.order_by("pk").values(*fields))
    assert run("policies", "load", str(path)) == "nothing changed\n"
    PolicyVersion.objects.all().delete()
    run("policies", "load", str(path))
    assert list(Rule.objects.order_by("pk").values(*fields)) == rules
    assert run("policies", "export", "-").splitlines()[1:] == path.read_text().splitlines()[1:]


def test_the_dry_run_lists_exactly_what_would_move_and_changes_nothing(cases, run):
    early, late, paused = cases
    before = list(Deadline.objects.order_by("pk").values())
    said = run("calendars", "load", "--dry-run", text=CLOSED)
    assert said.splitlines() == [
        "office: would be a new version, 2 open deadlines move",
        f"  {late.number} resolve: 2026-03-04T13:00:00+08:00 -> 2026-03-05T13:00:00+08:00",
        f"  {paused.number} resolve: 2026-03-04T14:00:00+08:00 -> 2026-03-05T14:00:00+08:00"
        ", paused: as if it resumed now",
    ]
    assert early.number not in said
    assert (list(Deadline.objects.order_by("pk").values()), CalendarVersion.objects.count()) == (before, 1)


def test_loading_re_aims_exactly_what_was_listed(cases, run):
    early, late, paused = cases
    versions = {ticket.pk: Ticket.objects.get(pk=ticket.pk).version for ticket in cases}
    early_due, late_due = due(early), due(late)
    said = run("calendars", "load", text=CLOSED)
    assert "office: is a new version, 2 open deadlines move" in said
    assert "re-aimed 2 in 3 cases" in said
    assert (due(early), due(late)) == (early_due, late_due + timedelta(days=1))
    services.resume_ticket(ticket_id=paused.pk, by=None, at=MONDAY + timedelta(hours=6))
    assert due(paused) == late_due + timedelta(days=1, hours=1)
    for ticket in cases[:2]:
        assert Ticket.objects.get(pk=ticket.pk).version == versions[ticket.pk]
    assert Ticket.objects.get(pk=late.pk).sort_due_at == due(late)
    assert late.events.filter(kind="clocks_aimed").count() == 1
    assert early.events.filter(kind="clocks_aimed").count() == 0
    assert run("calendars", "load", text=CLOSED) == "office: nothing changed\n"


def test_a_file_is_published_whole_or_not_at_all(cases, run):
    """The first calendar is good; under the second a live deadline would never end."""
    dues = [due(ticket) for ticket in cases]
    bad = '[calendar.office]\ntimezone = "Asia/Shanghai"\nopen = { "2026-03-02" = ["09:00-10:00"] }\n'
    with pytest.raises(CommandError, match="office"):
        run("calendars", "load", text=OFFICE.replace("office", "annex") + bad)
    assert list(CalendarVersion.objects.values_list("name", "number")) == [("office", 1)]
    assert [due(ticket) for ticket in cases] == dues


def test_loading_again_finishes_what_was_interrupted(cases, run, monkeypatch):
    _early, late, paused = cases
    late_due = due(late)

    def killed(*_args, **_options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("sla.services.retarget", killed)
        with pytest.raises(KeyboardInterrupt):
            run("calendars", "load", text=CLOSED)
    assert due(late) == late_due
    said = run("calendars", "load", "--dry-run", text=CLOSED)
    assert "office: nothing changed, 2 open deadlines move since it was loaded last" in said
    assert late.number in said
    assert paused.number in said
    assert "re-aimed 2 in 3 cases" in run("calendars", "load", text=CLOSED)
    assert due(late) == late_due + timedelta(days=1)
    assert run("calendars", "load", text=CLOSED) == "office: nothing changed\n"


def test_a_new_policy_holds_for_new_cases_only(cases, run):
    dues = [due(ticket) for ticket in cases]
    changed = POLICY.replace("16h", "8h")
    dry = run("policies", "load", "--dry-run", text=changed)
    assert "0 open deadlines move" in dry
    assert [line[0] for line in dry.splitlines()[:2]] == ["-", "+"]
    assert PolicyVersion.objects.count() == 1
    run("policies", "load", text=changed)
    assert [due(ticket) for ticket in cases] == dues
    fresh = builders.ticket(
        builders.person(), channel="phone", customer=None, at=MONDAY + timedelta(hours=6, seconds=1)
    )
    assert Deadline.objects.get(case=fresh).limits == ["8h"]


def test_a_kind_that_no_case_has_is_taken_and_pointed_out(run):
    run("calendars", "load", text=OFFICE)
    misprint = POLICY.replace('kind = "ticket"', 'kind = ["ticket", "tiket"]')
    said = run("policies", "load", "--dry-run", text=misprint).splitlines()
    assert "nothing is of the kind 'tiket' here: its rules hold for no case yet" in said
    assert not any("nothing is of the kind" in line for line in run("policies", "load", text=POLICY).splitlines())


TOWN = """
[[rule]]
promise = "repair"
when = { kind = "ticket", type = "fault" }
stop = "resolved"
limit = "48h"
statutory = true
"""
COUNTRY = TOWN.replace("48h", "72h").replace('"fault"', '"fault", rural = true')
LAW = TOWN + COUNTRY
LOOSER = {
    "looser in town": (LAW.replace("48h", "49h"), "repair: 49h is looser than the legal 48h"),
    "gone": (POLICY, "would be without the legal 48h"),
    "gone in town": (COUNTRY, "would be without the legal 48h"),
    "law no longer": (LAW.replace("statutory = true", "", 1), "would be without the legal 48h"),
    "not promised": (LAW.replace('"72h"', "[]"), "would be without the legal 72h"),
    "looser for some": (
        LAW + TOWN.replace("48h", "60h").replace('"fault"', '"fault", grade = "gold"'),
        "repair: 60h is looser than the legal 48h",
    ),
}


@pytest.mark.parametrize("name", list(LOOSER))
def test_a_new_version_may_not_loosen_the_law_unless_the_law_has_changed(run, name):
    run("calendars", "load", text=OFFICE + OFFICE.replace("office", "always"))
    run("policies", "load", text=LAW)
    text, reason = LOOSER[name]
    with pytest.raises(CommandError, match=reason):
        run("policies", "load", text=text)
    assert PolicyVersion.objects.count() == 1
    run("policies", "load", "--new-law", text=text)
    assert PolicyVersion.objects.count() == 2


def test_a_law_on_a_calendar_that_knows_no_end_any_more_is_one_line_too(run):
    run("calendars", "load", text=OFFICE + OFFICE.replace("office", "always"))
    run("policies", "load", text=LAW)
    run("calendars", "load", text='[calendar.always]\ntimezone = "UTC"\nopen = { "2026-03-02" = ["09:00-10:00"] }\n')
    with pytest.raises(CommandError, match="--new-law"):
        run("policies", "load", text=POLICY + LAW.replace('"resolved"', '"resolved"\ncalendar = "office"'))


def test_a_new_version_may_be_stricter_than_the_law(run):
    run("calendars", "load", text=OFFICE + OFFICE.replace("office", "always"))
    run("policies", "load", text=LAW)
    run("policies", "load", text=LAW.replace("72h", "60h").replace("48h", "24h"))
    run("policies", "load", text=TOWN.replace("48h", "24h"))
    assert PolicyVersion.objects.count() == 3


BAD = {
    "no such file": ("calendars", None, "No such file"),
    "not toml": ("calendars", "[calendar", "not TOML"),
    "no time": ("calendars", '[calendar.x]\ntimezone = "UTC"\nweek = {}\n', "no open time"),
    "no zone": ("calendars", '[calendar.x]\ntimezone = "Mars"\nweek = {}\n', "is not a time zone"),
    "policy not toml": ("policies", "rule]]", "not TOML"),
    "empty": ("policies", "", "there is no rule in it"),
    "calendar in a policy": ("policies", OFFICE + POLICY, "calendars load"),
    "unknown calendar": ("policies", POLICY.replace('"office"', '"moon"'), "there is no calendar 'moon'"),
    "limit": ("policies", POLICY.replace('"16h"', '"soon"'), "'soon' is not a limit"),
    "number": ("policies", POLICY.replace('"16h"', "16"), "limit is neither text nor a list of texts"),
    "missing": ("policies", POLICY.replace('stop = "resolved"', ""), "stop is missing"),
    "not tables": ("policies", "rule = 5", "[[rule]] tables"),
    "long calendar": ("calendars", OFFICE.replace("office", "c" * 61), "ccc': a name has 1 to 60 characters"),
    "no name": ("calendars", OFFICE.replace("office", '" "'), "calendar ' ': a name has 1 to 60 characters"),
    "NUL": ("calendars", OFFICE + 'title = { en = "\\u0000" }\n', "has a NUL in it"),
    "nested": ("calendars", f"a = {'[' * 9999}", "nested too deeply"),
    "long promise": (
        "policies",
        POLICY.replace('"resolve"', f'"{"p" * 41}"'),
        "ppp): the name of a promise has 1 to 40",
    ),
    "no such word": (
        "policies",
        POLICY.replace('kind = "ticket"', 'urgency = "urgnt"'),
        "when.urgency: there is no urgnt, only",
    ),
    "no word": (
        "policies",
        POLICY.replace('kind = "ticket"', "category = []"),
        "when.category is neither text nor a list",
    ),
    "NUL in a word": (
        "policies",
        POLICY.replace('kind = "ticket"', 'category = "\\u0000"'),
        "when.category is neither text",
    ),
}


@pytest.mark.parametrize("name", list(BAD))
def test_a_bad_file_is_one_clear_line_and_nothing_is_published(run, tmp_path, name):
    run("calendars", "load", text=OFFICE)
    command, text, reason = BAD[name]
    if text is not None:
        (tmp_path / "nowhere.toml").write_text(text)
    with pytest.raises(CommandError) as refused:
        run(command, "load", str(tmp_path / "nowhere.toml"))
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)
    assert (CalendarVersion.objects.count(), PolicyVersion.objects.count()) == (1, 0)


def test_names_are_as_long_as_their_columns():
    assert {Rule._meta.get_field("calendar").max_length, CalendarVersion._meta.get_field("name").max_length} == {
        LONGEST_NAME
    }
    assert {model._meta.get_field("promise").max_length for model in (Rule, Deadline)} == {LONGEST_PROMISE}


def test_exporting_before_there_is_a_policy_says_what_to_do(run):
    with pytest.raises(CommandError, match=r"manage\.py shipped"):
        run("policies", "export", "-")


def test_an_export_that_cannot_be_written_is_one_line(run, tmp_path):
    builders.house()
    with pytest.raises(CommandError, match="No such file"):
        run("calendars", "export", str(tmp_path / "nowhere" / "file.toml"))


def test_the_shipped_files_are_their_own_export():
    """The house's own TOML and what `export` would write of it say the same."""
    builders.house()
    from sla import files
    from sla.arithmetic import parse_calendars

    versions = CalendarVersion.objects.order_by("name")
    exported = parse_calendars(files.write_calendars(versions))
    assert {n: c.to_dict() for n, c in exported.items()} == {
        n: c.to_dict() for n, c in shipped.shipped_calendars().items()
    }
