"""The settings as command-line flags; a secret has only the flag that names its file.

A secret on a command line is readable by every user of the machine (ps), so there is no flag for one.
"""

from argparse import ArgumentParser, Namespace

from gateway.settings.model import KEYS, Key


def add_flags(parser: ArgumentParser) -> None:
    """Add `--config` and one flag per setting to a parser; `overrides` reads them back."""
    group = parser.add_argument_group("settings (each wins over its environment variable and the TOML file)")
    group.add_argument("--config", metavar="FILE", help="TOML file of settings (GATEWAY_CONFIG)")
    for key in KEYS.values():
        suffix, described = (
            ("_file", f"file that holds {key.description}") if key.secret else ("", key.description)
        )
        name = key.name + suffix
        flag = "--" + name.replace(".", "-").replace("_", "-")
        group.add_argument(flag, dest=name, metavar=_metavar(key), help=described.replace("%", "%%"))


def overrides(arguments: Namespace) -> dict[str, object]:
    """Return what was given on the command line by dotted name, as `load` takes it."""
    return {
        name: value
        for name, value in vars(arguments).items()
        if value is not None and (name == "config" or name.removesuffix("_file") in KEYS)
    }


def _metavar(key: Key) -> str:
    if key.secret:
        return "FILE"
    return key.name.rpartition("_")[2].upper() if key.name.endswith(("_ms", "_s", "_url", "_id")) else "VALUE"
