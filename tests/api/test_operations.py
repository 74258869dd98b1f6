"""Operations as methods declare them."""

from gateway.api.fields import Done, NoQuery, PageQuery
from gateway.api.operations import NOBODY, Ask, expose, operations_of


class Desk:
    """Two operations and something else."""

    @expose("GET", "/things/{thing_id}", Done, query=PageQuery)
    async def get_thing(self, ask: Ask) -> str:
        """Get a thing.

        It is not much.
        """
        return "got"

    async def other(self, ask: Ask) -> str:
        """Do something that nobody may ask for."""
        return "other"

    @expose("POST", "/things:check", Done, scope="calls", access="session", status=201)
    async def check_things(self, ask: Ask) -> str:
        """Check things."""
        return "checked"


def test_exposed_methods_are_operations_in_order() -> None:
    """Only those, with the name of the method and the first line of its docstring."""
    get, check = operations_of(Desk())

    assert (get.name, get.summary, get.tag) == ("get_thing", "Get a thing.", "things")
    assert (check.name, check.summary, check.tag) == ("check_things", "Check things.", "things")
    assert (get.terms.method, get.terms.path, get.terms.query) == ("GET", "/things/{thing_id}", PageQuery)
    assert (check.terms.status, check.terms.access, check.terms.query) == (201, "session", NoQuery)
    assert get.handler.__name__ == "get_thing"


def test_scope_follows_the_method_unless_given() -> None:
    """Reading needs `read`; what is given stands."""
    get, check = operations_of(Desk())

    assert (get.terms.scope, check.terms.scope) == ("read", "calls")


def test_anything_but_reading_needs_write() -> None:
    """Exposing leaves the method as it is."""

    class Bin:
        async def empty(self, ask: Ask) -> None: ...

    assert expose("DELETE", "/bin", Done)(Bin.empty) is Bin.empty
    assert [one.terms.scope for one in operations_of(Bin())] == ["write"]


def test_nobody_may_see_nothing() -> None:
    """Who is not recognized has no organization and no scope."""
    assert (NOBODY.organization_id, NOBODY.scopes) == ("", ())
