from gateway.sandbox import documents

AT, LATER = "2026-11-26T00:00:00.000000Z", "2026-11-27T00:00:00.000000Z"


def test_what_is_the_sandboxs_own_is_not_shown() -> None:
    """Names with an underscore stay inside."""
    assert documents.shown({"id": "x", "_api_key": "secret"}) == {"id": "x"}


def test_new_agent_has_every_field_of_the_contract() -> None:
    """The server's defaults fill what is not given, and what is given wins."""
    agent = documents.agent("a", {"name": "Ada", "llm": "openai/gpt-4.1"}, AT, "v")
    assert (agent["name"], agent["llm"], agent["status"]) == ("Ada", "openai/gpt-4.1", "active")
    assert agent["created_at"] == agent["updated_at"] == AT
    assert (agent["phone_number_id"], agent["_active_version_id"]) == ("", "v")
    assert set(documents.shown(agent)) >= {"prompt", "first_message", "vad_settings", "voice_settings"}


def test_change_replaces_but_merges_the_vad() -> None:
    """A list is replaced, the VAD's settings are merged, everything else stays, the clock moves."""
    agent = documents.agent("a", {"name": "Ada", "keyterms": ["one", "two"]}, AT)
    changed = documents.changed(agent, {"keyterms": ["three"], "vad_settings": {"stop_secs": 0.9}}, LATER)
    assert changed["keyterms"] == ["three"]
    assert changed["vad_settings"] == {**agent["vad_settings"], "stop_secs": 0.9}
    assert (changed["name"], changed["created_at"], changed["updated_at"]) == ("Ada", AT, LATER)


def test_number_that_is_null_is_taken_away() -> None:
    """Null clears it to the empty text that the contract shows."""
    agent = documents.agent("a", {"name": "Ada", "phone_number_id": "n"}, AT)
    assert agent["phone_number_id"] == "n"
    assert documents.changed(agent, {"phone_number_id": None}, AT)["phone_number_id"] == ""
    assert documents.changed(agent, {}, AT)["phone_number_id"] == "n"


def test_version_says_when_it_was_published() -> None:
    """A draft has null there."""
    assert documents.version("v", "a", AT, "draft")["published_at"] is None
    assert documents.version("v", "a", AT, "v1", LATER)["published_at"] == LATER


def test_nodes_lead_from_the_first_message_to_the_end() -> None:
    """The graph shows what the agent says and does."""
    nodes = documents.nodes(documents.agent("a", {"name": "Ada", "first_message": "Hi", "prompt": "P"}, AT))
    assert [node["id"] for node in nodes] == ["first_message", "conversation", "end"]
    assert (nodes[0]["message"], nodes[1]["prompt"]) == ("Hi", "P")
    assert [node.get("next") for node in nodes] == ["conversation", "end", None]
