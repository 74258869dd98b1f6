"""Destinations: every spelling of a place that is closed, faults that say the fix, and no secret repeated."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from gateway.egress.addresses import Allowance
from gateway.egress.destinations import MAX_URL_CHARS, Policy, fault, faults, is_loopback_name

STRICT = Policy(Allowance())
LOOSE = Policy(Allowance.parse(["127.0.0.0/8", "::1", "10.0.0.0/8"]), allow_http=True)

GOOD = [
    "https://hooks.example.com",
    "https://hooks.example.com/",
    "https://hooks.example.com/a/b?c=d&e=%20",
    "https://hooks.example.com:8443/x",
    "https://hooks.example.com:443",
    "HTTPS://HOOKS.EXAMPLE.COM/X",
    "https://hooks.example.com./x",
    "https://a_b.c-d.example",
    "https://bücher.example/ü?ü=ü",
    "https://xn--bcher-kva.example/",
    "https://8.8.8.8/x",
    "https://[2606:4700:4700::1111]/x",
    "https://[2606:4700:4700::1111]:8443",
    "https://h.example/{{ arguments.order_id }}/x",
    "https://h.example/{% if a %}x{% endif %}?q={{ a | urlencode }}",
    "https://h.example/a@b",
    "https://h.example/" + "x" * (MAX_URL_CHARS - len("https://h.example/")),
    "https://1e100.net",
    "https://a.0xg",
    "https://localhost.example.com",
]
# Every form in which getaddrinfo or a URL parser takes an address that must not be reached, and its kin.
CLOSED = [
    "169.254.169.254",
    "[fd00:ec2::254]",
    "127.0.0.1",
    "localhost",
    "LocalHost",
    "localhost.",
    "api.localhost",
    "a.b.localhost.",
    "0",
    "00",
    "0x",
    "0x0",
    "0.0.0.0",
    "10.0.0.1",
    "10.1",
    "0xa.1",
    "100.64.0.1",
    "192.0.0.8",
    "192.168.1.1",
    "192.168.257",
    "168.63.129.16",
    "224.0.0.1",
    "192.88.99.1",
    "2130706433",
    "017700000001",
    "0x7f000001",
    "0X7F.1",
    "0x7f.1",
    "0x7f.0x0.0x0.0x1",
    "0177.0.0.1",
    "0177.1",
    "127.1",
    "127.0.1",
    "127.65535",
    "127.0.0.1.",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "169.254.43518",
    "１２７.0.0.1",
    "①②⑦.⓪.⓪.①",
    "127。0。0。1",
    "ⅼocalhost",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::127.0.0.1]",
    "[::7f00:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::1]",
    "[2002:a9fe:a9fe::1]",
    "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
    "[fec0::1]",
    "[fe80::1]",
    "[fe80::1%25eth0]",
    "[fe80::1%eth0]",
    "[ff02::1]",
    "[2001:db8::1]",
]
FAULTY = [
    ("", "is not whole"),
    ("hooks.example.com/x", "is not whole"),
    ("//hooks.example.com/x", "is not whole"),
    ("https:/hooks.example.com", "is not whole"),
    ("https:hooks.example.com", "is not whole"),
    ("mailto:a@example.com", "is not whole"),
    ("http://hooks.example.com/x", "use https, or set egress.allow_http"),
    ("ftp://hooks.example.com/x", "the scheme ftp is not supported: use https"),
    ("file:///etc/passwd", "the scheme file is not supported"),
    ("gopher://hooks.example.com", "the scheme gopher is not supported"),
    ("ws://hooks.example.com", "the scheme ws is not supported"),
    ("javascript://hooks.example.com", "the scheme javascript is not supported"),
    ("https://user:pass@hooks.example.com", "has a user or a password"),
    ("https://user@hooks.example.com", "has a user or a password"),
    ("https://@hooks.example.com", "has a user or a password"),
    ("https://good.example@127.0.0.1/", "has a user or a password"),
    ("https://hooks.example.com/#part", "has a fragment"),
    ("https://hooks.example.com#", "has a fragment"),
    ("https://hooks.example.com/a b", "percent-encoded"),
    ("https://hooks.example.com /", "percent-encoded"),
    ("https://hooks.example.com\\@127.0.0.1/", "percent-encoded"),
    ("https:\\\\hooks.example.com", "percent-encoded"),
    ("https://hooks.example.com/\r\nX: y", "percent-encoded"),
    ("https://hooks.example.com/\x00", "percent-encoded"),
    ("https://hooks.\texample.com/", "percent-encoded"),
    ("https://hooks.example.com/\u2028", "percent-encoded"),
    ("https://hooks.exa\u00admple.com/", "percent-encoded"),
    ("https://hooks.example.com/\ud800", "percent-encoded"),
    (" https://hooks.example.com", "percent-encoded"),
    ("https://h.example/{{ a }} b", "percent-encoded"),
    ("https://h.example/{{\n}}\n", "percent-encoded"),
    ("https://h.example/" + "x" * MAX_URL_CHARS, "longer than 2048 characters: shorten it"),
    ("https://{{ host }}/x", "is a template: write it out"),
    ("https://{{ a }}.example.com/x", "is a template"),
    ("https://{% if a %}x{% endif %}.example.com/", "is a template"),
    ("https://h.example:{{ port }}/", "is a template"),
    ("https://{host}.example.com/", "is a template"),
    ("{{ scheme }}://h.example/", "is not whole"),
    ("https://", "no valid host"),
    ("https:///x", "no valid host"),
    ("https://:443/", "no valid host"),
    ("https://h.example:99999/", "no valid host or port"),
    ("https://h.example:x/", "no valid host or port"),
    ("https://h.example:-1/", "no valid host or port"),
    ("https://[::1/", "no valid host or port"),
    ("https://[::1]x/", "no valid host or port"),
    ("https://[127.0.0.1]/", "no valid host or port"),
    ("https://[v1.a]/", "is not an IP address"),
    ("https://a..b/", "no valid host name"),
    ("https://.example.com/", "no valid host name"),
    ("https://ex%41mple.com/", "no valid host name"),
    ("https://h*.example.com/", "no valid host name"),
    ("https://" + "a" * 64 + ".com/", "no valid host name"),
    ("https://" + "a." * 127 + "toolong/", "no valid host name"),
    ("https://1.2.3.4.5/", "is no IPv4 address"),
    ("https://256.0.0.1/", "is no IPv4 address"),
    ("https://1.256.1/", "is no IPv4 address"),
    ("https://1.16777216/", "is no IPv4 address"),
    ("https://4294967296/", "is no IPv4 address"),
    ("https://08.8.8.8/", "is no IPv4 address"),
    ("https://example.1/", "is no IPv4 address"),
    ("https://example.0x7f/", "is no IPv4 address"),
    ("https://010.8.8.8/", "write 8.8.8.8"),
    ("https://134744072/", "write 8.8.8.8"),
    ("https://h.example:0/", "has port 0"),
    ("https://h.example:22/", "port 22 is for SSH"),
    ("https://h.example:25/x", "port 25 is for mail"),
    ("https://8.8.8.8:6379", "port 6379 is for Redis"),
    ("https://[2606:4700:4700::1111]:5432", "port 5432 is for PostgreSQL"),
    ("https://h.example:２２/", "port 22 is for SSH"),
]


@pytest.mark.parametrize("url", GOOD)
def test_good_url_has_no_fault(url: str) -> None:
    """What an operator would write passes, templates in path and query included."""
    assert fault(url, STRICT) is None
    assert fault(url, LOOSE) is None


@pytest.mark.parametrize("host", CLOSED)
@pytest.mark.parametrize("tail", ["", "/", ":8443/x"])
def test_closed_address_is_refused_in_every_spelling(host: str, tail: str) -> None:
    """However an address is written, what it is decides."""
    said = fault(f"https://{host}{tail}", STRICT)

    assert said is not None
    assert said.endswith("use a public one, or add it to egress.allow_private")


@pytest.mark.parametrize(("url", "said"), FAULTY)
def test_fault_is_named_with_its_fix(url: str, said: str) -> None:
    """A person who saves the URL reads what to write instead."""
    found = fault(url, STRICT)

    assert found is not None
    assert said in found
    assert ": " in found or "use https" in found


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://h.example/", []),
        ("http://u:p@10.0.0.1:22/#x", ["a fragment", "is http", "a user", "a private address", "SSH"]),
        ("ftp://@h.example/", ["the scheme ftp", "a user"]),
        ("gopher://h.example/", ["the scheme gopher"]),
        ("http://u@{{ x }}:22/", ["is http", "a user", "is a template"]),
        ("http://h.example:x/", ["is http", "no valid host or port"]),
        ("http://a b#", ["a space"]),
    ],
)
def test_every_fault_of_a_url_is_told(url: str, said: list[str]) -> None:
    """One does not hide another, as long as the URL can be read at all."""
    found = faults(url, STRICT)

    assert len(found) == len(said)
    assert all(part in sentence for part, sentence in zip(said, found, strict=True))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:8000/x", None),
        ("https://127.9.9.9/", None),
        ("http://10.1.2.3/", None),
        ("http://localhost:8000/x", None),
        ("http://api.localhost/", None),
        ("http://[::1]:8000/", None),
        ("http://[::ffff:10.0.0.1]/", None),
        ("http://１０.0.0.1/", None),
        ("http://2130706433/", "write 127.0.0.1"),
        ("http://127.1/", "write 127.0.0.1"),
        ("http://127.0.0.1./", "write 127.0.0.1"),
        ("http://192.168.0.1/", "a private address"),
        ("http://[fe80::1%25eth0]/", "no plain address"),
        ("http://localhost:22/", "port 22 is for SSH"),
        ("ftp://localhost/", "the scheme ftp"),
    ],
)
def test_allowed_address_passes_in_its_plain_spelling(url: str, said: str | None) -> None:
    """A list entry opens its network and no other rule."""
    found = fault(url, LOOSE)

    assert found is None if said is None else said in (found or "")


@pytest.mark.parametrize(("cidr", "open_"), [("127.0.0.1", True), ("::1", True), ("10.0.0.0/8", False)])
def test_localhost_passes_when_either_loopback_address_is_allowed(cidr: str, open_: bool) -> None:
    """The client goes to the one that is."""
    policy = Policy(Allowance.parse([cidr]))

    assert (fault("https://localhost/x", policy) is None) is open_


@pytest.mark.parametrize("url", ["http://h.example/", "https://10.1.2.3/"])
def test_fix_is_named_by_the_operators_own_table(url: str) -> None:
    """Tools and event webhooks are allowed more in different places."""
    assert "webhooks.allow_" in (fault(url, Policy(Allowance(), table="webhooks")) or "")


def test_http_needs_to_be_allowed() -> None:
    """Each part of a policy opens what it names only."""
    assert fault("http://h.example/", Policy(Allowance(), allow_http=True)) is None
    assert fault("http://127.0.0.1/", Policy(Allowance(), allow_http=True)) is not None
    assert fault("http://127.0.0.1/", Policy(Allowance.parse(["127.0.0.1"]))) is not None


@pytest.mark.parametrize(
    "url",
    [
        "https://s3cret:s3cret@h.example/",
        "https://h.example/?key=s3cret#s3cret",
        "https://h.example/s3cret s3cret",
        "https://s3cret.example:99999/s3cret",
        "s3cret",
        "https://h.example/" + "s3cret" * 400,
        "https://h.example:22/s3cret",
        "http://h.example/s3cret",
        "https://127.0.0.1/s3cret",
        "https://{{ s3cret }}/s3cret",
        "https://s3cret..example/",
        "s3cretsecretsecretsecrets3cret://h.example/",
    ],
)
def test_fault_repeats_nothing_that_may_be_secret(url: str) -> None:
    """Whoever reads the log of faults learns no password, query or path."""
    assert "s3cret" not in (fault(url, STRICT) or "s3cret")


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("localhost", True),
        ("LOCALHOST.", True),
        ("a.localhost", True),
        ("localhosts", False),
        ("notlocalhost", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_loopback_names_are_localhost_and_below(host: str, ours: bool) -> None:
    """Only whole labels count."""
    assert is_loopback_name(host) is ours


parts = st.one_of(
    st.integers(0, 2**33).map(str),
    st.integers(0, 2**33).map(hex),
    st.integers(0, 2**33).map(lambda number: f"0{number:o}"),
    st.sampled_from(["0", "1", "127", "08", "0x", "256"]),
)


@given(st.lists(parts, min_size=1, max_size=5), st.sampled_from(["", "."]))
def test_numeric_host_passes_only_as_the_system_reads_it(labels: list[str], dot: str) -> None:
    """What passes is a plain public address; what the system takes for another one never does."""
    host = ".".join(labels) + dot
    try:
        address = socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        address = None

    if fault(f"https://{host}/", STRICT) is None:
        assert address == host
        assert Allowance().refusal(host) is None


@given(st.text(max_size=40), st.text(max_size=20))
def test_whatever_passes_leads_to_no_closed_address(authority: str, rest: str) -> None:
    """No text raises, and the host that the client would ask is judged as it is."""
    url = f"https://{authority}/{rest}"

    if fault(url, STRICT) is None:
        host = URL(url).raw_host or ""
        assert not is_loopback_name(host)
        assert Allowance().refusal(host) in (None, "not an IP address")
        assert host.isascii()


@given(st.text())
def test_no_text_raises(url: str) -> None:
    """Any text is a URL or has a fault, the first of them all."""
    assert fault(url, STRICT) == next(iter(faults(url, STRICT)), None)
    assert fault(url, STRICT) is not None or url.lower().startswith("https://")
