"""One call's tools against a real endpoint: one answer to each question, in time, and nothing done twice."""

import asyncio
import json
from functools import partial
from typing import Any, Final

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from gateway.telemetry import metrics
from gateway.tools.masking import MASK
from tests.tools.workshop import CALL, after, catalog, question, run, says, serving, tools_of

DEADLINE_S = 0.3
SLACK_S = 0.1


def tool(url: str, **keys: Any) -> dict[str, Any]:
    """Return the entry of a tool."""
    return {"name": "book", "url": f"{url}/book", "deadline_s": DEADLINE_S, **keys}


def counted(label: str, result: str) -> float:
    """Return how often a tool came to a result, as the metrics have it."""
    return (
        metrics.REGISTRY.get_sample_value("gateway_tool_runs_total", {"tool": label, "result": result}) or 0.0
    )


class TestAnswers:
    """What the agent gets."""

    async def test_answer_of_the_endpoint_is_the_output(self) -> None:
        """The body goes to the agent as it is; record and metrics say how it went."""
        before = counted("book", "ok")
        async with serving(says('{"table": 7}')) as endpoint, tools_of(catalog(tool(endpoint.url))) as tools:
            outcome = await run(tools, question(people=4))

        assert (outcome.output, outcome.failure) == ('{"table": 7}', "")
        assert (outcome.attempts, outcome.http_status, outcome.replayed) == (1, 200, False)
        assert counted("book", "ok") == before + 1

    async def test_unknown_tool_is_told_apart(self) -> None:
        """A tool that no entry takes gets a clear answer, and its arguments are not kept."""
        async with tools_of(catalog()) as tools:
            asked = tools.ask(question("nothing_like_it", secret="1234"))
            outcome = await run(tools, asked.question)

        assert json.loads(outcome.output) == {
            "error": "There is no tool called nothing_like_it.",
            "reason": "unknown_tool",
        }
        assert asked.kept_arguments == {"secret": MASK}
        assert asked.label == "(unknown)"

    async def test_bad_argument_is_told_and_nobody_is_asked(self) -> None:
        """The agent gets words that it can act on; the endpoint hears nothing."""
        schema = {"type": "object", "properties": {"people": {"type": "integer"}}, "required": ["people"]}
        async with (
            serving() as endpoint,
            tools_of(catalog(tool(endpoint.url, arguments=schema))) as tools,
        ):
            outcome = await run(tools, question(people="many"))

        assert outcome.failure == "bad_arguments"
        assert "people" in outcome.output
        assert endpoint.seen == []

    async def test_argument_is_coerced_to_its_schema(self) -> None:
        """A number that came as text reaches the endpoint as a number."""
        schema = {"type": "object", "properties": {"people": {"type": "integer"}}}
        async with (
            serving() as endpoint,
            tools_of(catalog(tool(endpoint.url, arguments=schema))) as tools,
        ):
            await run(tools, question(people="4"))

        assert json.loads(endpoint.seen[0].body)["arguments"] == {"people": 4}

    async def test_failure_has_the_words_of_the_tool(self) -> None:
        """``on_error`` replaces the plain form, and may use the arguments."""
        words = "Booking for {{ arguments.people }} failed ({{ error.reason }})."
        async with (
            serving(says(status=500)) as endpoint,
            tools_of(catalog(tool(endpoint.url, on_error=words))) as tools,
        ):
            outcome = await run(tools, question(people=4))

        assert (outcome.output, outcome.failure) == ("Booking for 4 failed (http_500).", "http_500")

    async def test_sensitive_values_are_kept_masked(self) -> None:
        """Neither the arguments nor an answer that repeats them stand in the record."""
        async with (
            serving(says('{"card": "4111 1111 1111 1111", "ok": true}')) as endpoint,
            tools_of(catalog(tool(endpoint.url, sensitive=["card"]))) as tools,
        ):
            asked = tools.ask(question(card="4111 1111 1111 1111", people=4))
            outcome = await run(tools, asked.question)

        assert asked.kept_arguments == {"card": MASK, "people": 4}
        assert "4111" in outcome.output
        assert "4111" not in outcome.kept
        assert "4111" not in repr(outcome)

    async def test_secrets_that_an_endpoint_echoes_are_kept_masked(self) -> None:
        """An endpoint that answers with what it was sent does not put our keys into the record."""

        async def echo(request: web.Request) -> web.Response:
            return web.json_response(dict(request.headers))

        auth = {"type": "bearer", "token": "${TOKEN}"}
        async with serving(echo) as endpoint:
            shelf = catalog(tool(endpoint.url, auth=auth), env={"TOKEN": "canary-0123456789"})
            async with tools_of(shelf) as tools:
                outcome = await run(tools, question())

        assert "canary" in outcome.output
        assert "canary" not in outcome.kept


class TestTime:
    """When the agent gets it."""

    async def test_deadline_is_kept_whatever_the_endpoint_does(self) -> None:
        """An endpoint that is too slow is told of as a timeout, no later than the deadline and a little."""
        now = asyncio.get_running_loop().time
        async with (
            serving(after(5.0, says())) as endpoint,
            tools_of(catalog(tool(endpoint.url))) as tools,
        ):
            began_at = now()
            outcome = await run(tools, question())
            took_s = now() - began_at

        assert outcome.failure == "timeout"
        assert DEADLINE_S <= took_s < DEADLINE_S + SLACK_S

    async def test_tools_of_a_call_run_at_once_within_its_cap(self) -> None:
        """Three questions and two places: the third waits, and all are answered."""
        now = asyncio.get_running_loop().time
        async with (
            serving(after(0.1, says())) as endpoint,
            tools_of(catalog(tool(endpoint.url), calls={"parallel": 2})) as tools,
        ):
            began_at = now()
            async with asyncio.TaskGroup() as group:
                runs = [group.create_task(run(tools, question(tool_call_id=str(n)))) for n in range(3)]
            took_s = now() - began_at

        assert [task.result().failure for task in runs] == ["", "", ""]
        assert 0.2 <= took_s < 0.2 + SLACK_S

    async def test_waiting_for_a_place_counts_against_the_deadline(self) -> None:
        """A question that gets no place in time is answered all the same, and the endpoint not asked."""
        async with (
            serving(after(5.0, says())) as endpoint,
            tools_of(
                catalog(
                    tool(endpoint.url),
                    tool(endpoint.url, name="hasty", deadline_s=DEADLINE_S / 2),
                    calls={"parallel": 1},
                )
            ) as tools,
            asyncio.TaskGroup() as group,
        ):
            runs = [group.create_task(run(tools, question(name))) for name in ("book", "hasty")]

        assert [task.result().failure for task in runs] == ["timeout", "too_many"]
        assert len(endpoint.seen) == 1


class TestOnce:
    """What succeeded once is not done twice."""

    IDEMPOTENT: Final = {"key": "{{ call.id }}:{{ arguments.slot }}"}

    async def test_success_is_given_once_more(self) -> None:
        """The same key in the same call gets the first answer, and the endpoint one request."""
        async with (
            serving(says("first"), says("second")) as endpoint,
            tools_of(catalog(tool(endpoint.url, idempotency=self.IDEMPOTENT))) as tools,
        ):
            outcomes = [await run(tools, question(tool_call_id=str(n), slot="19:30")) for n in range(2)]
            other = await run(tools, question(slot="20:00"))

        assert [(one.output, one.replayed) for one in outcomes] == [("first", False), ("first", True)]
        assert (other.output, other.replayed) == ("second", False)
        assert endpoint.seen[0].headers["Idempotency-Key"] == f"{CALL.call_id}:19:30"

    async def test_failure_is_not(self) -> None:
        """What failed may be tried again, under the same key."""
        async with (
            serving(says(status=500), says("second")) as endpoint,
            tools_of(catalog(tool(endpoint.url, idempotency=self.IDEMPOTENT))) as tools,
        ):
            outcomes = [await run(tools, question(tool_call_id=str(n), slot="19:30")) for n in range(2)]

        assert [one.failure or one.output for one in outcomes] == ["http_500", "second"]
        assert len({seen.headers["Idempotency-Key"] for seen in endpoint.seen}) == 1

    async def test_question_joins_the_run_that_goes_on(self) -> None:
        """Asked again while the first request is under way, it waits for that one."""
        async with (
            serving(after(0.1, says("once")), says("twice")) as endpoint,
            tools_of(catalog(tool(endpoint.url, idempotency=self.IDEMPOTENT))) as tools,
            asyncio.TaskGroup() as group,
        ):
            runs = [
                group.create_task(run(tools, question(tool_call_id=str(n), slot="19:30"))) for n in range(2)
            ]

        assert [task.result().output for task in runs] == ["once", "once"]
        assert len(endpoint.seen) == 1

    async def test_run_outlives_whoever_asked(self) -> None:
        """A session that is lost in the middle does not undo the booking: the next one gets its result."""
        async with (
            serving(after(0.15, says("once")), says("twice")) as endpoint,
            tools_of(catalog(tool(endpoint.url, idempotency=self.IDEMPOTENT))) as tools,
        ):
            async with asyncio.TaskGroup() as group:
                first = group.create_task(run(tools, question(slot="19:30")))
                await endpoint.asked.wait()
                first.cancel()
            outcome = await run(tools, question(tool_call_id="t-2", slot="19:30"))

        assert (outcome.output, outcome.replayed) == ("once", True)
        assert len(endpoint.seen) == 1

    async def test_run_that_nobody_can_use_is_cancelled(self) -> None:
        """Without key and callback a request ends with the call that asked: its place is free again."""
        async with (
            serving(after(20.0, says())) as endpoint,
            tools_of(catalog(tool(endpoint.url, deadline_s=20.0), calls={"parallel": 1})) as tools,
        ):
            async with asyncio.TaskGroup() as group:
                asking = group.create_task(run(tools, question()))
                await endpoint.asked.wait()
                asking.cancel()
            endpoint.answers[:] = [says("free")]
            outcome = await run(tools, question(tool_call_id="t-2"))

        assert outcome.output == "free"

    async def test_tools_behind_one_entry_are_told_apart(self) -> None:
        """An entry that takes several names does not take one tool's success for another's."""
        key = {"key": "{{ call.id }}:{{ arguments.order }}"}
        async with (
            serving(says("charged"), says("refunded")) as endpoint,
            tools_of(catalog({"name": "pay_*", "url": endpoint.url, "idempotency": key})) as tools,
        ):
            charge = await run(tools, question("pay_charge", order=7))
            refund = await run(tools, question("pay_refund", order=7))
            again = await run(tools, question("pay_refund", order=7))

        assert (charge.output, refund.output, again.output) == ("charged", "refunded", "refunded")
        assert (refund.replayed, again.replayed) == (False, True)
        keys = [seen.headers["Idempotency-Key"] for seen in endpoint.seen]
        assert keys == [f"pay_charge:{CALL.call_id}:7", f"pay_refund:{CALL.call_id}:7"]

    async def test_joined_question_does_not_wait_for_the_callback(self) -> None:
        """The result is given when it is there, however long the office takes to hear of it."""
        now = asyncio.get_running_loop().time
        async with serving(after(0.2, says("once"))) as endpoint, serving(after(0.8, says())) as office:
            entry = tool(
                endpoint.url, idempotency=self.IDEMPOTENT, callback_url=f"{office.url}/late", deadline_s=5.0
            )
            async with tools_of(catalog(entry)) as tools:
                async with asyncio.TaskGroup() as group:
                    first = group.create_task(run(tools, question(slot="19:30")))
                    await endpoint.asked.wait()
                    first.cancel()
                began_at = now()
                outcome = await run(tools, question(tool_call_id="t-2", slot="19:30"))
                took_s = now() - began_at

        assert (outcome.output, outcome.replayed) == ("once", True)
        assert took_s < 0.5


class TestLate:
    """Results that are too late for the agent."""

    async def test_background_tool_is_answered_at_once(self) -> None:
        """The agent goes on; the callback URL is told what came of it, signed like everything else."""
        async with (
            serving(after(0.1, says("booked"))) as endpoint,
            serving() as office,
        ):
            entry = tool(endpoint.url, mode="background", accepted="on it", callback_url=f"{office.url}/late")
            async with tools_of(catalog(entry)) as tools:
                outcome = await run(tools, question(people=4))
                before = list(office.seen)
                async with asyncio.timeout(2.0):
                    await office.asked.wait()

        assert (outcome.output, before) == ("on it", [])
        told = json.loads(office.seen[0].body)
        assert (told["type"], told["status"], told["output"]) == ("tool.result", "ok", "booked")
        assert (told["tool"], told["tool_call_id"], told["arguments"]) == ("book", "t-1", {"people": 4})
        assert "webhook-id" in office.seen[0].headers

    async def test_late_result_reaches_the_callback(self) -> None:
        """The agent gets its timeout at the deadline, the callback URL the result when it is there."""
        async with serving(after(2 * DEADLINE_S, says("late"))) as endpoint, serving() as office:
            entry = tool(endpoint.url, callback_url=f"{office.url}/late")
            async with tools_of(catalog(entry)) as tools:
                outcome = await run(tools, question())
                async with asyncio.timeout(2.0):
                    await office.asked.wait()

        assert outcome.failure == "timeout"
        assert json.loads(office.seen[0].body)["output"] == "late"

    async def test_result_in_time_does_not(self) -> None:
        """What the agent got nobody else has to be told."""
        async with serving(says("in time")) as endpoint, serving() as office:
            entry = tool(endpoint.url, callback_url=f"{office.url}/late")
            async with tools_of(catalog(entry)) as tools:
                await run(tools, question())

        assert office.seen == []

    async def test_what_nobody_waits_for_takes_nobodys_place(self) -> None:
        """A call's tools in the background, and those that are late, do not keep it from asking others."""
        async with (
            serving(after(0.7, says())) as slow,
            serving(says("quick")) as quick,
            tools_of(
                catalog(
                    {"name": "behind", "url": slow.url, "mode": "background"},
                    {"name": "late", "url": slow.url, "deadline_s": 0.05, "callback_url": quick.url},
                    {"name": "quick", "url": quick.url, "deadline_s": 0.5},
                    calls={"parallel": 1},
                )
            ) as tools,
        ):
            outcomes = [
                (await run(tools, question(name, str(number)))).failure
                for number, name in enumerate(["behind", "behind", "late", "quick"])
            ]

        assert outcomes == ["", "", "timeout", ""]

    async def test_late_results_are_logged_and_counted(self) -> None:
        """Nobody asks for what a tool in the background came to: the log says it, and a metric of its own."""
        label = {"tool": "behind", "result": "http_500"}
        count = partial(metrics.REGISTRY.get_sample_value, "gateway_tool_late_results_total", label)
        before = count() or 0.0
        with capture_logs() as lines:
            async with serving(says(status=500)) as endpoint:
                shelf = catalog({"name": "behind", "url": endpoint.url, "mode": "background"})
                async with tools_of(shelf) as tools:
                    await run(tools, question("behind"))

        (line,) = [line for line in lines if line["event"] == "tool_ran_late"]
        assert (line["name"], line["reason"], line["http_status"]) == ("behind", "http_500", 500)
        assert count() == before + 1

    async def test_question_that_the_call_did_not_outlive_is_counted(self) -> None:
        """A run that ends with its call has a place in the metric as well."""
        before = counted("book", "call_ended")
        async with (
            serving(after(5.0, says())) as endpoint,
            tools_of(catalog(tool(endpoint.url))) as tools,
            asyncio.TaskGroup() as group,
        ):
            asking = group.create_task(run(tools, question()))
            await endpoint.asked.wait()
            asking.cancel()

        assert counted("book", "call_ended") == before + 1

    async def test_late_failure_is_told_too(self) -> None:
        """What was promised to the caller in the background may fail, and somebody has to know."""
        async with serving(says(status=500)) as endpoint, serving() as office:
            entry = tool(endpoint.url, mode="background", callback_url=f"{office.url}/late")
            async with tools_of(catalog(entry)) as tools:
                await run(tools, question())
                async with asyncio.timeout(2.0):
                    await office.asked.wait()

        told = json.loads(office.seen[0].body)
        assert (told["status"], told["reason"]) == ("error", "http_500")


@pytest.mark.parametrize("broken", ["endpoint", "breaker"])
async def test_a_failing_tool_is_left_alone(broken: str) -> None:
    """After enough failures in a row the agent is told at once, and the endpoint is not asked."""
    breaker = {"failures": 2, "open_s": 60.0 if broken == "breaker" else 0.001}
    async with (
        serving(says(status=500)) as endpoint,
        tools_of(catalog(tool(endpoint.url, breaker=breaker))) as tools,
    ):
        failures = []
        for number in range(3):
            failures.append((await run(tools, question(tool_call_id=str(number)))).failure)
            await asyncio.sleep(0.002)

    assert failures[:2] == ["http_500", "http_500"]
    assert failures[2] == ("circuit_open" if broken == "breaker" else "http_500")
