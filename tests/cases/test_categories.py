"""The category tree as a file: loaded once, changed by name, refused with the place of the mistake."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from cases.categories import DEFAULTS, load_categories, load_shipped_categories, read_categories
from cases.models import Category
from cases.suggesting import suggested
from common.errors import InvalidInput


def test_the_shipped_tree_has_three_levels_in_both_languages():
    nodes = read_categories(DEFAULTS.read_text())
    leaves = {node["code"] for node in nodes} - {node["parent"] for node in nodes}
    assert 50 <= len(leaves) <= 80
    assert {code.count(".") for code in leaves} == {2}
    assert all(node["name_zh"] and node["name_en"].isascii() for node in nodes)
    assert max(len(node["code"]) for node in nodes) <= 120


@pytest.mark.django_db
def test_loading_twice_changes_nothing_and_a_renamed_category_keeps_its_row():
    load_shipped_categories()
    before = list(Category.objects.order_by("code").values_list("pk", "code", "name_en", "order"))
    assert load_categories(DEFAULTS.read_text()) == (0, 0)
    assert load_shipped_categories() == 0
    assert list(Category.objects.order_by("code").values_list("pk", "code", "name_en", "order")) == before
    assert load_categories('[tv]\nzh = "x"\nen = "Television"') == (0, 1)
    assert Category.objects.get(code="tv").name_en == "Television"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[Tv]\nzh='x'\nen='y'", "Tv"),
        ("[tv]\nzh='x'", "tv: en"),
        ("[a.b.c.d]\nzh='x'\nen='y'", "a: zh"),
        ("tv = 1", "tv"),
        ("[tv", "not TOML"),
        ("[tv]\nzh='x'\nen='y'\nteam='No Code'", "tv: team"),
        ("[tv]\nzh='x'\nen='y'\nwords='box'", "tv: words"),
    ],
)
def test_a_broken_file_is_refused_by_place(text, where):
    with pytest.raises(InvalidInput, match=where):
        read_categories(text)


def test_a_team_holds_for_what_is_below_until_another_is_named():
    text = "[a]\nzh='x'\nen='y'\nteam='first'\n[a.b]\nzh='x'\nen='y'\n[a.b.c]\nzh='x'\nen='y'\nteam='second'"
    assert [(node["code"], node["team_code"]) for node in read_categories(text)] == [
        ("a", "first"),
        ("a.b", "first"),
        ("a.b.c", "second"),
    ]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("said", "codes"),
    [
        ("宽带上不了网", ["broadband.fault.no-connection"]),
        ("手机上不了网了", ["mobile.fault.no-data"]),
        ("上不了网", ["broadband.fault.no-connection", "mobile.fault.no-data"]),
        ("家里 WiFi 覆盖差", ["broadband.fault.wifi"]),
        ("No internet since noon", ["broadband.fault.no-connection"]),
        ("The LANDLINE has a fault", ["fixed.service.fault"]),
        ("It has a fault", []),  # of what?
        ("close to the office", []),  # a word of a root, and part of no name
        ("您好", []),
    ],
)
def test_words_name_a_category_in_both_languages_or_none(said, codes):
    load_shipped_categories()
    assert [category.code for category in suggested(said, Category.objects.all())] == codes


@pytest.mark.django_db
def test_the_command_names_the_file_and_the_reason(tmp_path):
    path = tmp_path / "tree.toml"
    path.write_text("[tv]\nzh = 1")
    with pytest.raises(CommandError, match=r"tree\.toml: tv: zh"):
        call_command("categories", "load", str(path))
    assert not Category.objects.exists()
