"""The rules of the house, checked on every run: layout, size, imports, and what the README promises."""

import ast
import json
import os
import re
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "gateway").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

# Modules without a test file of their own, each with its reason. This list only shrinks.
UNTESTED = {
    "gateway/__main__.py": "three lines that call cli.main; the demo's smoke test runs them",
}
# Tests of the whole: they mirror no module.
WHOLE = ("tests/test_architecture.py", "tests/e2e/", "tests/contract/", "tests/bench/", "tests/fuzz/")

DRAWERS = {"util", "utils", "helper", "helpers", "common", "misc", "manager", "base"}
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
IMPURE = {"asyncio", "aiohttp", "websockets", "socket", "ssl", "time", "random", "logging", "structlog"}
# What the design wants pure: decisions, protocols and audio, without a loop, a clock or a socket.
PURE = (
    "audio/*.py",
    "bridge/actions.py",
    "bridge/comfort.py",
    "bridge/commands.py",
    "bridge/dtmf_match.py",
    "bridge/conversation.py",
    "bridge/events.py",
    "bridge/machine.py",
    "bridge/media.py",
    "bridge/response.py",
    "bridge/table.py",
    "egress/addresses.py",
    "egress/destinations.py",
    "egress/signing.py",
    "bridge/talk.py",
    "dialling/config.py",
    "dialling/opening.py",
    "dialling/outcomes.py",
    "ledger/live.py",
    "ledger/page.py",
    "simulator/playout.py",
    "simulator/report.py",
    "simulator/twiml.py",
    "tools/answer.py",
    "tools/breaker.py",
    "tools/catalog.py",
    "tools/masking.py",
    "tools/request.py",
    "tools/retrying.py",
    "tools/schema.py",
    "tools/templates.py",
    "twilio/messages.py",
    "twilio/protocol.py",
    "twilio/signature.py",
    "twilio/twiml.py",
    "vatel/messages.py",
    "vatel/protocol.py",
)
README_COMMANDS = ("pip install -e '.[demo]' && vatel-gateway demo", "pip install -e '.[dev]' && pytest")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def named(path: Path) -> str:
    """Return a file's path below the repository."""
    return path.relative_to(ROOT).as_posix()


def module(path: Path) -> str:
    """Return the dotted name under which a source file is imported."""
    return named(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@cache
def tree(path: Path) -> ast.Module:
    """Return a file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module", autouse=True)
def _trees_are_felled() -> Iterator[None]:
    """Millions of nodes would make every later collection of garbage a long one."""
    yield
    tree.cache_clear()


def functions(path: Path) -> Iterator[Function]:
    """Yield every function and method of a file, inner ones too."""
    return (node for node in ast.walk(tree(path)) if isinstance(node, Function))


def length(function: Function) -> int:
    """Count a function's lines without its decorators and docstring."""
    lines = (function.end_lineno or 0) - function.lineno + 1
    if ast.get_docstring(function) is not None:
        docstring = function.body[0]
        lines -= (docstring.end_lineno or 0) - docstring.lineno + 1
    return lines


def written_lines(paths: list[Path]) -> int:
    """Count the lines of files that are not blank."""
    return sum(bool(line.strip()) for path in paths for line in path.read_text(encoding="utf-8").splitlines())


# --- layout


def mirror(source: Path) -> Path:
    """Return where a module's test belongs: gateway/x/y.py is tested by tests/x/test_y.py."""
    return ROOT / "tests" / source.relative_to(ROOT / "gateway").with_name(f"test_{source.name}")


def test_every_module_has_its_test() -> None:
    """Each module has its mirror among the tests, or the lack of one has a reason."""
    without = {named(path) for path in SOURCES if path.name != "__init__.py" and not mirror(path).exists()}

    assert without == set(UNTESTED)


def subjects(test: Path) -> tuple[Path, Path]:
    """Return what tests/x/test_y.py may be the test of: gateway/x/y.py, or the tests' own tool beside it."""
    tool = test.with_name(test.name.removeprefix("test_"))
    return ROOT / "gateway" / tool.relative_to(ROOT / "tests"), tool


def test_every_test_file_has_its_module() -> None:
    """Each test file tests a module, unless it tests the whole."""
    tests = [path for path in TESTS if path.name.startswith("test_") and not named(path).startswith(WHOLE)]

    assert [named(path) for path in tests if not any(one.exists() for one in subjects(path))] == []


def test_untested_modules_exist() -> None:
    """The list of exceptions names no module that is gone."""
    assert {named(path) for path in SOURCES} >= set(UNTESTED)


def test_tests_are_no_packages() -> None:
    """No test folder has an __init__.py: the importlib mode needs none."""
    assert [named(path) for path in TESTS if path.name == "__init__.py"] == []


def test_no_module_is_a_drawer() -> None:
    """Modules are named after what is in them, not after being useful."""
    assert [named(path) for path in SOURCES + TESTS if DRAWERS & set(path.stem.split("_"))] == []


def test_every_module_says_what_it_is() -> None:
    """Each file that has code begins with a docstring."""
    silent = [path for path in SOURCES if tree(path).body and not ast.get_docstring(tree(path))]

    assert [named(path) for path in silent] == []


def test_every_test_says_what_it_shows() -> None:
    """Each test has a docstring of a sentence."""
    silent = [
        f"{named(path)}: {function.name}"
        for path in TESTS
        for function in functions(path)
        if function.name.startswith("test_") and not (ast.get_docstring(function) or "").endswith((".", "?"))
    ]

    assert silent == []


# --- budgets


def test_functions_are_short() -> None:
    """Half of all functions have at most 8 lines, nine in ten at most 25, none more than 50."""
    sizes = sorted(length(function) for path in SOURCES for function in functions(path))
    long = [
        f"{named(path)}:{function.lineno} {function.name}: {length(function)}"
        for path in SOURCES
        for function in functions(path)
        if length(function) > 50
    ]

    assert long == []
    assert statistics.median(sizes) <= 8
    assert statistics.quantiles(sizes, n=10)[-1] <= 25


def test_modules_fit_their_budget() -> None:
    """No module is longer than 400 lines."""
    sizes = {named(path): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}

    assert {name: size for name, size in sizes.items() if size > 400} == {}


def test_classes_fit_their_budget() -> None:
    """No class has more than 15 methods."""
    classes = [
        (f"{named(path)}: {node.name}", sum(isinstance(item, Function) for item in node.body))
        for path in SOURCES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef)
    ]

    assert [(name, methods) for name, methods in classes if methods > 15] == []


def test_tests_outweigh_the_source() -> None:
    """There are at least 1.1 lines of test per line of source."""
    source, tests = written_lines(SOURCES), written_lines(TESTS)

    assert tests >= 1.1 * source, f"{tests} lines of tests for {source} of source ({tests / source:.2f})"


def catches_everything(node: ast.AST) -> bool:
    """Tell whether a node is an except clause, or a suppress(), for any exception at all."""
    if isinstance(node, ast.ExceptHandler):
        caught = [node.type] if not isinstance(node.type, ast.Tuple) else node.type.elts
    elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
        caught = list(node.args)
    else:
        return False
    return any(one is None or ast.unparse(one) in {"Exception", "BaseException"} for one in caught)


def test_broad_excepts_are_few() -> None:
    """At most five places catch any exception: the outermost frames of the shells."""
    places = [
        f"{named(path)}:{getattr(node, 'lineno', 0)}"
        for path in SOURCES
        for node in ast.walk(tree(path))
        if catches_everything(node)
    ]

    assert len(places) <= 5, places


def test_nothing_is_left_for_later() -> None:
    """No file holds a note of unfinished work: a known gap is an issue, or stands in the README's limits."""
    files = [*SOURCES, *TESTS, *(ROOT / "config").iterdir(), ROOT / "README.md", ROOT / "pyproject.toml"]

    assert [named(path) for path in files if UNFINISHED.search(path.read_text(encoding="utf-8"))] == []


# --- at import


def test_import_contracts_hold() -> None:
    """The layers and the pure modules are as pyproject.toml declares them."""
    program = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )

    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]


def imported_at_once(path: Path) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the imports that run when a file is imported: none in functions, none for type checkers."""
    nodes: list[ast.AST] = [tree(path)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif not isinstance(node, Function) and not (
            isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        ):
            nodes += ast.iter_child_nodes(node)


def needed_at_import(path: Path, ours: set[str]) -> set[str]:
    """Return which of our modules must be whole before a file can be imported."""
    named = set()
    for node in imported_at_once(path):
        if isinstance(node, ast.Import):
            named |= {name.name for name in node.names}
        else:
            whole = {f"{node.module}.{name.name}" for name in node.names}
            named |= {name if name in ours else str(node.module) for name in whole}
    with_packages = {
        ".".join(name.split(".")[:depth]) for name in named for depth in range(1, 1 + len(name.split(".")))
    }
    # The packages that a module is in are being imported already.
    return {name for name in with_packages & ours if not f"{module(path)}.".startswith(f"{name}.")}


def test_no_modules_import_each_other() -> None:
    """Whichever module is imported first, none is met half made."""
    ours = {module(path) for path in SOURCES}

    TopologicalSorter({module(path): needed_at_import(path, ours) for path in SOURCES}).prepare()


def test_importing_a_module_only_defines_things() -> None:
    """Importing the modules works without the extras, and does nothing to the world outside."""
    modules = [module(path) for path in SOURCES if path.name != "__main__.py"]
    run = subprocess.run(
        [sys.executable, "-W", "ignore", str(ROOT / "tests" / "import_each.py")],
        input="\n".join(modules),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=25,
        check=True,
    )
    reports = [json.loads(line) for line in run.stdout.splitlines()]

    assert [report["module"] for report in reports] == modules, run.stderr[-4000:]
    assert [report for report in reports if report["did"]] == []


def imports(path: Path) -> set[str]:
    """Return the top-level names of all that a file imports anywhere in it, inside functions too."""
    nodes = list(ast.walk(tree(path)))
    whole = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    parts = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in whole | parts}


def purity_contract() -> dict[str, list[str]]:
    """Return the import contract that lists pure modules, as pyproject.toml declares it."""
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    [contract] = [one for one in tools["importlinter"]["contracts"] if one["type"] == "forbidden"]
    declared: dict[str, list[str]] = contract
    return declared


def says_pure(path: Path) -> bool:
    """Tell whether a file's docstring calls it PURE."""
    return re.search(r"\bPURE\b", ast.get_docstring(tree(path)) or "") is not None


def test_modules_that_say_pure_are_pure() -> None:
    """Whoever calls itself PURE imports no loop, socket, clock, chance or log, not even inside a function."""
    impure = {named(path): imports(path) & IMPURE for path in SOURCES if says_pure(path)}

    assert len(impure) > 50
    assert {name: found for name, found in impure.items() if found} == {}


@pytest.mark.parametrize("pattern", PURE)
def test_what_must_be_pure_is_held_to_it(pattern: str) -> None:
    """Each module that the design wants pure says so, or it or its package is in the import contract."""
    contract = [f"{name}." for name in purity_contract()["source_modules"]]
    wanted = sorted((ROOT / "gateway").glob(pattern))
    held = [path for path in wanted if says_pure(path) or f"{module(path)}.".startswith(tuple(contract))]

    assert wanted
    assert held == wanted


def test_import_contract_forbids_the_same() -> None:
    """Import-linter, which follows imports of imports, bars the modules that this file bars."""
    assert set(purity_contract()["forbidden_modules"]) == IMPURE


def test_only_the_settings_read_the_environment() -> None:
    """No module but the settings' own looks at environment variables."""
    readers = [
        path for path in SOURCES if re.search(r"\bos\.(environ|getenv)\b", path.read_text(encoding="utf-8"))
    ]

    assert [named(path) for path in readers] == ["gateway/settings/sources.py"]


# --- promises


def test_readme_commands_stand_there_word_for_word() -> None:
    """The two commands to start with are lines of the README, ready to be copied."""
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()

    assert [command for command in README_COMMANDS if command not in lines] == []


def test_readme_draws_the_call_machine_as_it_is() -> None:
    """The diagram in the README is the one made from the table."""
    from gateway.bridge.table import diagram

    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert f"<!-- call-machine:begin -->\n```mermaid\n{diagram()}\n```\n<!-- call-machine:end -->" in readme


def test_readme_names_files_that_exist() -> None:
    """Every file that the README links to is there."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))

    assert [link for link in links if not (ROOT / link).exists()] == []


def declared() -> tuple[list[Requirement], list[Requirement]]:
    """Return the required packages and those of the demo extra, as pyproject.toml declares them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    demo = project["optional-dependencies"]["demo"]
    return [Requirement(line) for line in project["dependencies"]], [Requirement(line) for line in demo]


def pinned() -> list[Requirement]:
    """Return the packages that the image installs."""
    lines = (ROOT / "deploy" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("version", ["3.11", "3.13"])
def test_image_pins_satisfy_what_is_declared(version: str) -> None:
    """Every declared dependency has one exact pin on each Python, within its declared range."""
    python = {"python_version": version}
    pins = {pin.name: pin for pin in pinned() if pin.marker is None or pin.marker.evaluate(python)}

    for need in declared()[0]:
        if need.marker is None or need.marker.evaluate(python):
            [pin] = pins[need.name].specifier
            assert pin.operator == "=="
            assert need.specifier.contains(pin.version), need.name


def test_image_holds_nothing_of_the_demo_extra() -> None:
    """The GPL part, and what comes with it, stays out of the image."""
    assert {extra.name for extra in declared()[1]} & {pin.name for pin in pinned()} == set()
    assert "demo]" not in (ROOT / "Dockerfile").read_text(encoding="utf-8")
