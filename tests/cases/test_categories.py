"""The category tree as a file: loaded once, changed by name, refused with the place of the mistake."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from cases.categories import DEFAULTS, load_categories, load_shipped_categories, read_categories
from cases.models import Category
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
    ],
)
def test_a_broken_file_is_refused_by_place(text, where):
    with pytest.raises(InvalidInput, match=where):
        read_categories(text)


@pytest.mark.django_db
def test_the_command_names_the_file_and_the_reason(tmp_path):
    path = tmp_path / "tree.toml"
    path.write_text("[tv]\nzh = 1")
    with pytest.raises(CommandError, match=r"tree\.toml: tv: zh"):
        call_command("categories", "load", str(path))
    assert not Category.objects.exists()
