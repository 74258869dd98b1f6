"""Read the settings: command line over environment over TOML file over defaults, every fault in one error.

An empty environment variable (or flag) of a setting that may be unset counts as not given, so that
`GATEWAY_PUBLIC_URL=${PUBLIC_URL:-}` in a compose file works. A secret may be given as a file by the same
name with `_file` behind it; giving both in one source is an error.
"""

import os
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, cast

from pydantic import ConfigDict, TypeAdapter, ValidationError

from gateway.errors import ConfigError
from gateway.settings.model import KEYS, Key, Settings, conflicts

CONFIG_ENV = "GATEWAY_CONFIG"
_PREFIX = "GATEWAY_"
_FILE = "_file"
_MOST_SECRET_BYTES = 4096

# What Kubernetes puts into every pod beside a Service named "gateway".
_SERVICE_LINK = re.compile(r"GATEWAY_(SERVICE_(HOST|PORT)(_\w+)?|PORT_\d+_(TCP|UDP)(_\w+)?)")
_SERVICE_LINK_FIX = (
    "Kubernetes set it for a Service named 'gateway': put enableServiceLinks: false into the pod"
)


@dataclass(frozen=True, slots=True)
class _Given:
    """One value as a source gave it; `source` is what messages call it."""

    value: object
    source: str
    typed: bool = False
    folder: Path = field(default_factory=Path)


_Level = dict[str, _Given]


def load(cli: Mapping[str, object] = MappingProxyType({}), env: Mapping[str, str] | None = None) -> Settings:
    """Merge all sources into one Settings.

    Args:
        cli: values by dotted name (`audio.lead_ms`, or `config` for the TOML file); None means not given.
        env: the environment, the process's own when None.

    Raises:
        ConfigError: with one line per fault: its source, what is wrong, the fix; never a secret's value.
    """
    environment = os.environ if env is None else env
    faults: list[str] = []
    flags = _read_flags(cli, faults)
    variables = _read_environment(environment, faults)
    path = cli.get("config") or environment.get(CONFIG_ENV)
    table = _read_toml(Path(str(path)), faults) if path else {}
    merged = _merge([flags, variables, table], faults)
    values = {name: _validate(KEYS[name], given, faults) for name, given in merged.items()}
    return _assemble(values, merged, faults)


def environment() -> Mapping[str, str]:
    """Return the process's environment: secrets that the tools file points to, an object store's client."""
    return os.environ


def _assemble(values: Mapping[str, object], merged: _Level, faults: list[str]) -> Settings:
    sound = {name: value for name, value in values.items() if value is not _FAULTY}
    faults += conflicts({**_defaults(values), **sound})
    if faults:
        raise ConfigError("\n".join(map(_one_line, faults)), reason="bad_settings")
    tree: dict[str, Any] = {}
    for name, value in sound.items():
        section, _, key = name.rpartition(".")
        (tree.setdefault(section, {}) if section else tree)[key] = value
    return Settings.model_validate(tree).with_origins({name: merged[name].source for name in sound})


def _one_line(fault: str) -> str:
    # The names of keys and files come from outside and may hold line breaks.
    return fault if fault.isprintable() else ascii(fault)


def _defaults(given: Mapping[str, object]) -> dict[str, object]:
    return {name: key.field.default for name, key in KEYS.items() if name not in given}


# --- the three sources, each as {dotted name: what was given}


def _read_flags(cli: Mapping[str, object], faults: list[str]) -> _Level:
    level: _Level = {}
    for name, value in cli.items():
        if value is None or name == "config":
            continue
        given = _Given(value, _flag_name(name))
        _place(level, name, given, faults, _flag_name)
    return level


def _read_environment(env: Mapping[str, str], faults: list[str]) -> _Level:
    level: _Level = {}
    for variable in sorted(env):
        if not variable.startswith(_PREFIX) or variable == CONFIG_ENV:
            continue
        if _SERVICE_LINK.fullmatch(variable):
            faults.append(f"{variable}: is no setting; {_SERVICE_LINK_FIX}")
            continue
        name = _NAMES_BY_ENV.get(variable, variable)
        _place(level, name, _Given(env[variable], variable), faults, _env_name)
    return level


def _read_toml(path: Path, faults: list[str]) -> _Level:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        faults.append(
            f"{path}: cannot be read ({error.strerror}); name an existing file with --config or {CONFIG_ENV}"
        )
        return {}
    except UnicodeDecodeError:
        faults.append(f"{path}: is not UTF-8 text; save it as UTF-8")
        return {}
    except tomllib.TOMLDecodeError as error:
        faults.append(f"{path}: is not TOML: {error}")
        return {}
    level: _Level = {}
    for name, value in _flatten(document):
        given = _Given(value, f"{path}: {name}", typed=True, folder=path.parent)
        _place(level, name, given, faults, str)
    return level


def _flatten(document: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name, value in document.items():
        if isinstance(value, dict) and name in _SECTIONS:
            yield from ((f"{name}.{key}", inner) for key, inner in value.items())
        else:
            yield name, value


def _place(level: _Level, name: str, given: _Given, faults: list[str], spell: Callable[[str], str]) -> None:
    key = KEYS.get(name.removesuffix(_FILE) if name in _FILE_NAMES else name)
    if key is None:
        faults.append(f"{given.source}: {_unknown(name, spell)}")
    elif given.value == "" and key.optional and not given.typed:
        return
    else:
        level[name] = given


# --- names


def _flag_name(name: str) -> str:
    return "--" + name.replace(".", "-").replace("_", "-")


def _env_name(name: str) -> str:
    return _PREFIX + name.upper().replace(".", "__")


_FILE_NAMES = frozenset(name + _FILE for name, key in KEYS.items() if key.secret)
_SECTIONS = frozenset(name.partition(".")[0] for name in KEYS if "." in name)
_NAMES_BY_ENV = {_env_name(name): name for name in (*KEYS, *_FILE_NAMES)}


def _unknown(name: str, spell: Callable[[str], str]) -> str:
    if name in _SECTIONS:
        return "must be a table of settings, not a single value"
    # Compared without the common prefix, which would make everything look alike.
    asked = name.removeprefix(_PREFIX).lower().replace("__", ".")
    tables = _SECTIONS if spell is str else ()
    close = get_close_matches(asked, (*KEYS, *_FILE_NAMES, *tables), n=1, cutoff=0.6)
    if close:
        return f"is no setting; did you mean {spell(close[0])}?"
    return "is no setting; remove it, or see config/gateway.example.toml for every key"


# --- from given to valid


def _merge(levels: Iterable[_Level], faults: list[str]) -> _Level:
    """Let the first level that gives a key decide, then read the secrets given as files."""
    merged: _Level = {}
    for level in levels:
        for name in _FILE_NAMES & level.keys():
            plain = name.removesuffix(_FILE)
            if plain in level:
                sources = f"{level[plain].source} and {level[name].source}"
                faults.append(f"{sources}: give the secret or its file, not both")
            elif plain not in merged and (secret := _read_secret(level[name], faults)):
                merged[plain] = secret
        for name, given in level.items():
            if name in KEYS:
                merged.setdefault(name, given)
    return merged


def _read_secret(given: _Given, faults: list[str]) -> _Given | None:
    # Faults do not repeat the path: somebody may have pasted the secret itself there.
    path = given.folder / str(given.value)
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_SECRET_BYTES + 1).decode().rstrip("\r\n")
    except UnicodeDecodeError:
        text = "\0"  # refused by the key's own format, like any other character no key has
    except (OSError, ValueError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is no path"
        faults.append(f"{given.source}: names a file that cannot be read ({cause}); mount the secret there")
        return None
    if len(text) > _MOST_SECRET_BYTES:
        faults.append(f"{given.source}: names a file longer than any secret; it must hold the secret alone")
        return None
    return _Given(text, f"{given.source} ({path})")


class _Faulty:
    """Stands for a value that did not fit its key."""


_FAULTY = _Faulty()


def _validate(key: Key, given: _Given, faults: list[str]) -> object:
    declared = cast(Any, Annotated[key.field.annotation, key.field])
    adapter: TypeAdapter[object] = TypeAdapter(declared, config=ConfigDict(allow_inf_nan=False))
    try:
        # TOML has types of its own: a quoted number there is a slip, in the environment it is the only way.
        value = adapter.validate_python(given.value, strict=given.typed)
        return str(given.folder / str(value)) if key.path else value
    except ValidationError as error:
        faults.extend(f"{given.source}: {_sentence(text)}; {_fix(key, given)}" for text in _texts(error))
        return _FAULTY


def _texts(error: ValidationError) -> list[str]:
    return [
        fault["msg"] for fault in error.errors(include_input=False, include_url=False, include_context=False)
    ]


def _sentence(text: str) -> str:
    return (
        text.removeprefix("Value error, ").replace("Input should be", "must be").partition(", unable to")[0]
    )


def _fix(key: Key, given: _Given) -> str:
    if key.env == given.source and str(given.value).startswith("tcp://"):
        return _SERVICE_LINK_FIX
    return f"it means: {key.description}; for example {key.example}"
