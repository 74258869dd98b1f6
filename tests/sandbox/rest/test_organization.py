from gateway.sandbox.documents import MAIN_ORGANIZATION
from tests.sandbox.rest.office import Office


async def test_key_shows_its_organization_and_no_secret(office: Office) -> None:
    """Id, name and age, nothing else."""
    answer = await office.get("/v1/organization")
    assert answer.status == 200
    assert set(answer.body) == {"id", "name", "created_at"}
    assert answer.body["id"] == MAIN_ORGANIZATION
    rival = await office.rival()
    assert (await rival.get("/v1/organization")).body["name"] == "Rival"


async def test_models_are_sorted_and_can_be_used(office: Office) -> None:
    """Each is provider/model, and an agent can have it."""
    llms = (await office.get("/v1/llms")).body["llms"]
    assert llms == sorted(llms)
    assert all("/" in llm for llm in llms)
    await office.agent(llm=llms[0], fallback_llm=llms[-1])


async def test_voices_can_be_used(office: Office) -> None:
    """Each has what the contract requires, and an agent can have it."""
    for voice in (await office.get("/v1/voices")).body["voices"]:
        assert {"id", "name", "provider", "languages"} <= set(voice)
        await office.agent(voice_settings={"id": voice["id"], "provider": voice["provider"]})
