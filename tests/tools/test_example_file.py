"""The example of a tools file: it works, it is whole, and what it calls defaults are the defaults."""

import json
import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from gateway.audio.fillers import load_filler
from gateway.tools.loading import load
from gateway.tools.spec import BuiltinTool, Table, WebhookTool
from tests.tools.example_file import EXAMPLE, described, example_text

MODELS = [
    model
    for model in Table.__subclasses__()
    if model.__name__ != "ToolTable" and model.__module__ == Table.__module__
] + [WebhookTool, BuiltinTool]


def test_it_loads_as_it_is() -> None:
    """Whoever starts with the file unchanged, and no secret set, has tools; the smallest is the first."""
    catalog = load(EXAMPLE, {}, load_filler)

    assert catalog.find("book_table", "") is catalog.tools[0]
    assert set(tomllib.loads(example_text())["tools"][0]) == {"name", "url"}


def test_it_loads_with_all_that_is_commented_out(tmp_path: Path) -> None:
    """Every line that waits to be uncommented fits where it stands."""
    password, path = tmp_path / "password", tmp_path / "tools.toml"
    password.write_text("t0ken\n", encoding="utf-8")
    text = example_text(uncommented=True).replace("/run/secrets/tools_password", str(password))
    path.write_text(text, encoding="utf-8")
    catalog = load(path, {"TOOLS_TOKEN": "a", "TOOLS_API_KEY": "b"}, load_filler)

    assert catalog.secrets >= {"a", "b", "t0ken"}
    assert len(catalog.tools) == len(load(EXAMPLE, {}, load_filler).tools)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_key_of_every_table_is_shown(model: type[Table]) -> None:
    """No key is left for people to find in the source; what all tools have is shown once."""
    shown = {
        key for kind, table in described(example_text(uncommented=True)) if kind is model for key in table
    }
    wanted = set(model.model_fields)
    if model is BuiltinTool:
        wanted -= set(WebhookTool.model_fields) - {"name"}

    assert shown == wanted


def test_every_default_is_shown_and_is_the_default() -> None:
    """From "Every key" on the file has each key that has a default, and that value."""
    _, heading, text = example_text().partition("# --- Every key of a tool")
    checked = 0
    for model, table in described(f"{text.partition(chr(10))[2]}\n[default]\nurl = 'x'"):
        if len(table) == 1 and "url" in table:
            continue  # the default, which only has to be there
        for key, field in model.model_fields.items():
            default = field.get_default(call_default_factory=True)
            if field.is_required() or default is None or isinstance(default, Table):
                continue
            assert table[key] == json.loads(json.dumps(default)), f"{model.__name__}.{key}"
            checked += 1

    assert heading
    assert checked > 20


def test_every_choice_is_shown() -> None:
    """Each built-in tool, each method, both modes and each kind of auth are there to be copied or chosen."""
    tables = list(described(example_text(uncommented=True)))
    builtins = {table["builtin"] for model, table in tables if model is BuiltinTool}
    modes = {table["mode"] for _, table in tables if "mode" in table}

    assert builtins == set(get_args(BuiltinTool.model_fields["builtin"].annotation))
    assert modes == set(get_args(WebhookTool.model_fields["mode"].annotation))
    assert all(method in example_text() for method in get_args(WebhookTool.model_fields["method"].annotation))


def test_it_is_easy_to_read() -> None:
    """No line is wider than the source's, and among all keys none stands without a word on it."""
    lines = example_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith('name = "every_key"'))

    assert [line for line in lines if len(line) > 110] == []
    assert [line for line in lines[start:] if re.match(r"\w", line) and "#" not in line] == []
