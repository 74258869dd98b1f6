"""The description: valid OpenAPI 3.1 that says what the operations do."""

import json

from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.api.fields import Done, Given, Name, PageQuery
from gateway.api.openapi import openapi
from gateway.api.operations import Ask, expose, operations_of


class NewThing(Given):
    """A thing to make."""

    name: Name


class Things:
    """One operation of each kind."""

    @expose("POST", "/things", Done, body=NewThing, status=201)
    async def make_thing(self, ask: Ask) -> None:
        """Make a thing."""

    @expose("GET", "/things/{thing_id}", Done, query=PageQuery, access="session")
    async def get_thing(self, ask: Ask) -> None:
        """Get a thing."""

    @expose("GET", "/things/{thing_id}/sound", None, access="link")
    async def hear_thing(self, ask: Ask) -> None:
        """Hear a thing."""

    @expose("POST", "/things/open", Done, access="open")
    async def open_things(self, ask: Ask) -> None:
        """Open things."""


DESCRIPTION = openapi(operations_of(Things()), "1.2.3", "the_cookie")


def test_description_is_valid() -> None:
    """By the standard's own schema, and as JSON."""
    OpenAPIV31SpecValidator(json.loads(json.dumps(DESCRIPTION))).validate()

    assert DESCRIPTION["info"]["version"] == "1.2.3"


def test_access_is_told() -> None:
    """A key, a session, a link or nothing."""
    security = {
        operation["operationId"]: operation["security"]
        for methods in DESCRIPTION["paths"].values()
        for operation in methods.values()
    }

    assert security == {
        "make_thing": [{"api_key": []}],
        "get_thing": [{"session": []}],
        "hear_thing": [{"api_key": []}, {"link_token": []}],
        "open_things": [],
    }
    assert DESCRIPTION["components"]["securitySchemes"]["session"]["name"] == "the_cookie"


def test_parameters_body_and_answers_are_told() -> None:
    """From the models that check them."""
    make = DESCRIPTION["paths"]["/api/v1/things"]["post"]
    get = DESCRIPTION["paths"]["/api/v1/things/{thing_id}"]["get"]
    hear = DESCRIPTION["paths"]["/api/v1/things/{thing_id}/sound"]["get"]
    body = make["requestBody"]["content"]["application/json"]["schema"]
    data = make["responses"]["201"]["content"]["application/json"]["schema"]["properties"]["data"]

    assert body == {"$ref": "#/components/schemas/NewThing"}
    assert data == {"$ref": "#/components/schemas/Done"}
    assert DESCRIPTION["components"]["schemas"]["NewThing"]["additionalProperties"] is False
    assert {one["name"]: one["in"] for one in get["parameters"]} == {
        "thing_id": "path",
        "limit": "query",
        "offset": "query",
    }
    assert {"408", "413", "415"} <= make["responses"].keys()
    assert not {"408", "413", "415"} & get["responses"].keys()
    assert {"200", "206", "416"} <= hear["responses"].keys()
    assert "audio/wav" in hear["responses"]["206"]["content"]
