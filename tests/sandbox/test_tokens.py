import base64
import json
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from gateway.sandbox.stage import Opening
from gateway.sandbox.tokens import Grant, Tokens

AGENT = UUID("00000000-0000-4000-8000-000000000001")
GRANT = Grant(AGENT, ("voice", "chat"), Opening(first_message="Hello"))


def tokens() -> Tokens:
    """Return a fresh mint; its tokens are good for a minute unless asked otherwise."""
    return Tokens(b"secret")


def test_token_is_shaped_as_a_jwt_with_the_claims_people_look_for() -> None:
    """Header and claims decode; scopes, agent and expiry are among them."""
    head, claims, _ = tokens().mint(GRANT, now=0.0, issued_at=1_000).split(".")
    decoded = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert json.loads(base64.urlsafe_b64decode(head + "=="))["typ"] == "JWT"
    assert decoded["scopes"] == ["voice", "chat"]
    assert decoded["agent_id"] == str(AGENT)
    assert decoded["exp"] == 1_060


def test_claim_gives_what_was_granted() -> None:
    """The first bearer gets the grant."""
    mint = tokens()
    assert mint.claim(mint.mint(GRANT, 0.0, 0), 1.0) == GRANT


def test_second_claim_is_refused_as_used() -> None:
    """A token opens one connection, never two."""
    mint = tokens()
    token = mint.mint(GRANT, 0.0, 0)
    mint.claim(token, 1.0)
    assert mint.claim(token, 2.0) == "used"


def test_token_expires() -> None:
    """A token is good up to its time and not at it."""
    mint = tokens()
    early, late = mint.mint(GRANT, 0.0, 0), mint.mint(GRANT, 0.0, 0)
    assert mint.claim(early, 59.9) == GRANT
    assert mint.claim(late, 60.0) == "expired"


def test_forged_token_is_refused() -> None:
    """A token of another mint, or a changed one, is worth nothing."""
    mint = tokens()
    assert mint.claim(Tokens(b"other").mint(GRANT, 0.0, 0), 1.0) == "invalid"
    assert mint.claim(mint.mint(GRANT, 0.0, 0) + "x", 1.0) == "invalid"


def test_two_tokens_are_never_the_same() -> None:
    """Tokens minted in the same second for the same agent differ."""
    mint = tokens()
    assert mint.mint(GRANT, 0.0, 0) != mint.mint(GRANT, 0.0, 0)


def test_time_a_token_is_good_for_is_its_own() -> None:
    """Of two tokens of one mint the short-lived one expires first, and says so among its claims."""
    mint = tokens()
    short, long = mint.mint(GRANT, 0.0, 0, ttl_s=5.0), mint.mint(GRANT, 0.0, 0)
    claims = json.loads(base64.urlsafe_b64decode(short.split(".")[1] + "=="))
    assert claims["exp"] == 5
    assert mint.claim(short, 5.0) == "expired"
    assert mint.claim(long, 5.0) == GRANT


def test_ledger_does_not_grow_without_end() -> None:
    """Tokens past their time are forgotten, claimed or not."""
    mint = tokens()
    for second in range(1_000):
        token = mint.mint(GRANT, float(second), 0)
        if second % 2:
            mint.claim(token, float(second))
    assert len(mint._open) + len(mint._spent) <= 62


@given(st.lists(st.tuples(st.sampled_from(["mint", "claim", "again"]), st.floats(0.0, 30.0)), max_size=40))
def test_no_order_of_events_lets_a_token_in_twice(steps: list[tuple[str, float]]) -> None:
    """Whatever is minted, claimed and claimed again, at whatever times, each token opens once at most."""
    mint, now, granted = tokens(), 0.0, 0
    minted: list[str] = []
    opened: set[str] = set()
    for action, passes_s in steps:
        now += passes_s
        if action == "mint" or not minted:
            minted.append(mint.mint(GRANT, now, 0))
        else:
            token = minted[-1] if action == "claim" else minted[0]
            if isinstance(mint.claim(token, now), Grant):
                assert token not in opened
                opened.add(token)
                granted += 1
    assert granted == len(opened) <= len(minted)


def test_claims_hold_what_the_session_is_to_have() -> None:
    """Version, chat and overrides are written down; what was not asked for is not there."""
    opening = Opening("Hi", "Be brief.", (("city", "Lyon"),))
    full = Grant(AGENT, ("voice",), opening, "org", "version", "chat").claims
    assert full["version_id"] == "version"
    assert full["organization_id"] == "org"
    assert full["parameters"] == {
        "chat_id": "chat",
        "first_message": "Hi",
        "prompt": "Be brief.",
        "variables": {"city": "Lyon"},
    }
    plain = Grant(AGENT).claims
    assert plain["parameters"] == {}
    assert "version_id" not in plain


def test_any_claims_can_be_signed() -> None:
    """As for a media server: three parts, the same for the same claims and secret."""
    signed = tokens().sign({"sub": "caller"})
    assert signed.count(".") == 2
    assert signed == tokens().sign({"sub": "caller"}) != Tokens(b"other").sign({"sub": "caller"})
