"""The first migration: a frozen copy of the tables, in the order in which they can be made."""

import ast
from pathlib import Path

from gateway.storage import schema
from gateway.storage.versions import v0001_first


def test_it_is_the_first() -> None:
    """Nothing comes before it, and its name is its file's."""
    assert v0001_first.down_revision is None
    assert v0001_first.revision == Path(v0001_first.__file__).stem


def test_it_is_frozen() -> None:
    """It takes nothing from code that later versions will change."""
    tree = ast.parse(Path(v0001_first.__file__).read_text(encoding="utf-8"))
    modules = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]

    assert modules == ["typing", "alembic"]


def test_parents_are_made_before_their_children() -> None:
    """Each table is made after those that its foreign keys point at: PostgreSQL insists."""
    steps = [name for name in v0001_first.upgrade.__code__.co_names if name.startswith("_")]
    made = [name[1:] for name in steps]

    assert set(made) <= set(schema.metadata.tables)
    for place, name in enumerate(made):
        parents = {key.column.table.name for key in schema.metadata.tables[name].foreign_keys}
        assert parents <= set(made[:place]), name
