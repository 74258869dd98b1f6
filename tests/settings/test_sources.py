"""How the sources are merged, and how each fault is told."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.errors import ConfigError
from gateway.settings.model import KEYS, Settings
from gateway.settings.sources import load

CANARY = "canary-0123456789abcdef"


def faults(cli: dict[str, object], env: dict[str, str]) -> list[str]:
    """Return the lines of the one error that loading raises."""
    with pytest.raises(ConfigError) as caught:
        load(cli, env)
    assert caught.value.reason == "bad_settings"
    return str(caught.value).splitlines()


def toml(folder: Path, text: str) -> dict[str, str]:
    """Write a TOML file and return the environment that names it."""
    path = folder / "gateway.toml"
    path.write_text(text, encoding="utf-8")
    return {"GATEWAY_CONFIG": str(path)}


def test_nothing_given_means_defaults() -> None:
    """Without any source every value is its default."""
    assert load({}, {}).values() == Settings().values()


def test_the_process_environment_is_read_when_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Called bare, loading reads this process's environment."""
    monkeypatch.setenv("GATEWAY_PORT", "9001")

    assert load().port == 9001


def test_command_line_wins_over_environment_wins_over_file(tmp_path: Path) -> None:
    """Each value comes from the highest source that gives it."""
    env = toml(tmp_path, "port = 1\nhost = '::'\n[audio]\nlead_ms = 100\n")
    settings = load({"port": 3}, {**env, "GATEWAY_PORT": "2", "GATEWAY_HOST": "127.0.0.1"})

    assert (settings.port, settings.host, settings.audio.lead_ms) == (3, "127.0.0.1", 100)
    assert settings.origin("port") == "--port"
    assert settings.origin("host") == "GATEWAY_HOST"
    assert settings.origin("audio.lead_ms") == f"{tmp_path}/gateway.toml: audio.lead_ms"
    assert settings.origin("audio.jitter_ms") == "default"


def test_config_flag_wins_over_its_variable(tmp_path: Path) -> None:
    """The file named on the command line is the one that is read."""
    other = tmp_path / "other.toml"
    other.write_text("port = 7\n", encoding="utf-8")

    assert load({"config": str(other)}, toml(tmp_path, "port = 1\n")).port == 7


def test_flags_not_given_do_not_count() -> None:
    """A flag left out on the command line leaves the environment in force."""
    assert load({"port": None, "config": None}, {"GATEWAY_PORT": "2"}).port == 2


def test_other_variables_are_none_of_ours() -> None:
    """Variables without our prefix are left alone."""
    assert load({}, {"PATH": "/bin", "XGATEWAY_PORT": "1", "gateway_port": "1"}).port == 8080


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("0", False), ("no", False), ("Yes", True), ("off", False)]
)
def test_environment_booleans_read_as_people_write_them(text: str, value: bool) -> None:
    """The usual words for yes and no work in the environment."""
    env = {"GATEWAY_HOST": "127.0.0.1", "GATEWAY_TWILIO__VALIDATE_SIGNATURES": text}

    assert load({}, env).twilio.validate_signatures is value


def test_empty_variable_of_an_optional_setting_is_unset(tmp_path: Path) -> None:
    """An empty value from a compose file does not hide the file's value."""
    env = toml(tmp_path, "public_url = 'https://voice.example.com'\n")
    empty = {"GATEWAY_PUBLIC_URL": "", "GATEWAY_VATEL__API_KEY": "", "GATEWAY_TWILIO__AUTH_TOKEN_FILE": ""}

    settings = load({"tools.file": ""}, env | empty)

    assert settings.public_url == "https://voice.example.com"
    assert settings.secrets() == []
    assert settings.tools.file is None


def test_relative_path_starts_where_it_was_written(tmp_path: Path) -> None:
    """A file named in the TOML file is looked for beside it, one named in the environment where we run."""
    beside = load({}, toml(tmp_path, "[tools]\nfile = 'tools.toml'\n"))
    here = load({}, {"GATEWAY_TOOLS__FILE": "tools.toml"})

    assert beside.tools.file == str(tmp_path / "tools.toml")
    assert here.tools.file == "tools.toml"


@pytest.mark.parametrize("variable", ["GATEWAY_PORT", "GATEWAY_HOST", "GATEWAY_AUDIO__RESAMPLER"])
def test_empty_variable_of_a_needed_setting_is_a_fault(variable: str) -> None:
    """A setting that has a default cannot be emptied."""
    assert faults({}, {variable: ""})[0].startswith(f"{variable}: ")


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("GATEWAY_TWILIO_AUTH_TOKEN", "GATEWAY_TWILIO__AUTH_TOKEN"),
        ("GATEWAY_TWILIO__TOKEN", "GATEWAY_TWILIO__AUTH_TOKEN"),
        ("GATEWAY_LEAD_MS", "GATEWAY_AUDIO__LEAD_MS"),
        ("GATEWAY_Port", "GATEWAY_PORT"),
        ("GATEWAY_PUBLIC_URI", "GATEWAY_PUBLIC_URL"),
        ("GATEWAY_VATEL__API_KEY_FIL", "GATEWAY_VATEL__API_KEY_FILE"),
    ],
)
def test_misspelt_variable_is_told_what_was_meant(variable: str, meant: str) -> None:
    """An unknown variable is an error that names the nearest known one and not its value."""
    assert faults({}, {variable: CANARY}) == [f"{variable}: is no setting; did you mean {meant}?"]


def test_unlike_variable_gets_no_guess() -> None:
    """Nothing is suggested where nothing is near; a non-secret has no file form."""
    assert "did you mean" not in faults({}, {"GATEWAY_QQQ": "1"})[0]
    assert "is no setting" in faults({}, {"GATEWAY_PORT_FILE": "/x"})[0]


@pytest.mark.parametrize(
    "variable", ["GATEWAY_SERVICE_HOST", "GATEWAY_PORT_80_TCP", "GATEWAY_PORT_80_TCP_ADDR"]
)
def test_kubernetes_service_links_are_named_as_such(variable: str) -> None:
    """What Kubernetes injects beside a Service called gateway is recognised, with its cure."""
    assert "enableServiceLinks: false" in faults({}, {variable: "10.0.0.1"})[0]


def test_kubernetes_port_link_is_named_as_such() -> None:
    """The link that overwrites the port itself is recognised by its value."""
    assert faults({}, {"GATEWAY_PORT": "tcp://10.0.0.1:80"})[0].endswith(
        "enableServiceLinks: false into the pod"
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("prot = 1", "prot: is no setting; did you mean port?"),
        ("[audio]\nlead = 1", "audio.lead: is no setting; did you mean audio.lead_ms?"),
        ("[twillio]\nauth_token = 'x'", "twillio: is no setting; did you mean twilio?"),
        ("audio = 3", "audio: must be a table of settings, not a single value"),
    ],
)
def test_misspelt_toml_key_is_told_what_was_meant(tmp_path: Path, text: str, line: str) -> None:
    """An unknown key of the file is an error that names the file, the key and the nearest known one."""
    assert faults({}, toml(tmp_path, text)) == [f"{tmp_path}/gateway.toml: {line}"]


@pytest.mark.parametrize(
    "text",
    [
        "port = '8080'",
        "port = true",
        "port = 1.5",
        "[twilio]\nvalidate_signatures = 'yes'",
        "[audio.lead_ms]",
    ],
)
def test_toml_values_keep_their_types(tmp_path: Path, text: str) -> None:
    """TOML has numbers and booleans, so a quoted one is a slip."""
    assert " must be a valid " in faults({}, toml(tmp_path, text))[0]


def test_broken_toml_is_told_with_its_place(tmp_path: Path) -> None:
    """A syntax error names the file and the line."""
    assert "is not TOML" in faults({}, toml(tmp_path, "port = \n"))[0]
    assert "line 1" in faults({}, toml(tmp_path, "port = \n"))[0]


def test_toml_file_that_is_not_text_is_told(tmp_path: Path) -> None:
    """A file in another encoding is refused with the cure."""
    (tmp_path / "latin.toml").write_bytes(b"host = '\xff'")

    assert "save it as UTF-8" in faults({"config": tmp_path / "latin.toml"}, {})[0]


def test_missing_toml_file_is_told_with_its_source(tmp_path: Path) -> None:
    """A file that is named must exist; a directory is none."""
    assert "No such file" in faults({"config": str(tmp_path / "none.toml")}, {})[0]
    assert "cannot be read" in faults({}, {"GATEWAY_CONFIG": str(tmp_path)})[0]


def test_secret_is_read_from_a_file(tmp_path: Path) -> None:
    """The file's closing line break is not part of the secret."""
    (tmp_path / "token").write_text(f"{CANARY}\r\n", encoding="utf-8")
    settings = load({}, {"GATEWAY_TWILIO__AUTH_TOKEN_FILE": str(tmp_path / "token")})

    assert settings.secrets() == [CANARY]
    assert settings.origin("twilio.auth_token") == f"GATEWAY_TWILIO__AUTH_TOKEN_FILE ({tmp_path}/token)"


def test_secret_file_in_toml_starts_at_its_folder(tmp_path: Path) -> None:
    """A relative path in the TOML file is looked up beside it."""
    (tmp_path / "key").write_text(CANARY, encoding="utf-8")

    assert load({}, toml(tmp_path, "[vatel]\napi_key_file = 'key'\n")).secrets() == [CANARY]


def test_secret_file_flag_is_known(tmp_path: Path) -> None:
    """The command line takes a secret's file."""
    (tmp_path / "key").write_text(CANARY, encoding="utf-8")

    assert load({"vatel.api_key_file": str(tmp_path / "key")}, {}).secrets() == [CANARY]


def test_secret_and_its_file_in_one_source_is_a_fault(tmp_path: Path) -> None:
    """Given twice in one place, it is unclear which one is meant."""
    env = {"GATEWAY_VATEL__API_KEY": CANARY, "GATEWAY_VATEL__API_KEY_FILE": CANARY}
    both = toml(tmp_path, f"[twilio]\nauth_token = '{CANARY}'\nauth_token_file = 'x'\n")

    assert faults({}, env) == [
        "GATEWAY_VATEL__API_KEY and GATEWAY_VATEL__API_KEY_FILE: give the secret or its file, not both"
    ]
    assert "not both" in faults({}, both)[0]


def test_secret_of_a_higher_source_hides_a_lower_file(tmp_path: Path) -> None:
    """An override in the environment replaces the file named in the TOML, whichever form each takes."""
    env = toml(tmp_path, "[vatel]\napi_key_file = 'missing'\n") | {"GATEWAY_VATEL__API_KEY": CANARY}
    (tmp_path / "key").write_text("from-file", encoding="utf-8")
    file = toml(tmp_path, f"[vatel]\napi_key = '{CANARY}'\n")

    assert load({}, env).secrets() == [CANARY]
    assert load({}, file | {"GATEWAY_VATEL__API_KEY_FILE": str(tmp_path / "key")}).secrets() == ["from-file"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"two words", "pasted whole"),
        (b"\xff\xfe", "pasted whole"),
        (b"x" * 5000, "longer than any secret"),
    ],
)
def test_unfit_secret_file_is_a_fault_unseen(tmp_path: Path, content: bytes, why: str) -> None:
    """A secret file with the wrong content is refused without showing it."""
    (tmp_path / "key").write_bytes(content)
    [line] = faults({}, {"GATEWAY_VATEL__API_KEY_FILE": str(tmp_path / "key")})

    assert why in line
    assert "two words" not in line


@pytest.mark.parametrize("value", [CANARY, "nul\\u0000byte"])
def test_secret_pasted_in_place_of_its_file_is_not_shown(tmp_path: Path, value: str) -> None:
    """A missing file is told by its key alone, for its name may be the secret."""
    [line] = faults({}, toml(tmp_path, f'[vatel]\napi_key_file = "{value}"\n'))

    assert line.startswith(f"{tmp_path}/gateway.toml: vatel.api_key_file: names a file that cannot be read")
    assert CANARY not in line


def test_every_fault_of_every_source_is_in_one_error(tmp_path: Path) -> None:
    """One start tells all that is wrong, each line with its source, what is wrong and the fix."""
    env = toml(tmp_path, "[calls]\nmax_active = 0\n") | {
        "GATEWAY_PORT": "99999",
        "GATEWAY_AUDIO__RESAMPLER": "best",
        "GATEWAY_PUBLIC_URL": "https://voice.example.com",
        "GATEWAY_TWILIO__VALIDATE_SIGNATURES": "false",
        "GATEWAY_TWILIO__AUTH_TOKEN": f"{CANARY} ",
    }

    lines = faults({"audio.lead_ms": "soon", "bart": 1}, env)

    assert [line.partition(": ")[0] for line in lines] == [
        "--bart",
        "--audio-lead-ms",
        "GATEWAY_AUDIO__RESAMPLER",
        "GATEWAY_PORT",
        "GATEWAY_TWILIO__AUTH_TOKEN",
        f"{tmp_path}/gateway.toml",
        "twilio.validate_signatures may be false only while both host and public_url are loopback addresses",
    ]
    assert lines[1] == (
        "--audio-lead-ms: must be a valid integer; it means: milliseconds of speech sent ahead of what the "
        "caller has heard; for example 200"
    )
    assert "must be 'soxr' or 'low_delay'" in lines[2]
    assert not any(CANARY in line for line in lines)


def test_rule_over_a_refused_value_is_not_told_twice() -> None:
    """A value that does not fit is not also said to conflict."""
    lines = faults({}, {"GATEWAY_AUDIO__BUFFER_MS": "x", "GATEWAY_AUDIO__LEAD_MS": "2000"})

    assert len(lines) == 1


def test_line_breaks_in_names_cannot_forge_lines(tmp_path: Path) -> None:
    """A key with a line break in its name still makes one line."""
    lines = faults({}, {"GATEWAY_X\nall is well": "1"} | toml(tmp_path, '"a\\nb" = 1\n'))

    assert len(lines) == 2


@given(
    st.dictionaries(
        st.sampled_from([key.env for key in KEYS.values()]),
        st.text(st.characters(exclude_characters="\0"), max_size=40).map(lambda text: text + CANARY),
        min_size=1,
    )
)
@example({"GATEWAY_VATEL__API_KEY": "\udcff" + CANARY})
def test_no_environment_crashes_or_leaks(env: dict[str, str]) -> None:
    """Whatever stands in the environment, loading ends in settings or in one error without values."""
    try:
        told = repr(load({}, env).vatel)
    except ConfigError as error:
        told = str(error)

    assert CANARY not in told
