"""Conversations with the call machine that read aloud: ``>> event`` goes in, ``<< command`` comes out.

    play = Playbook(machine)
    play >> on.AgentReady()
    play >> on.Interruption() << do.ClearCaller()

Commands that an event brings forth have to be listed, all of them and in order, before the next event.
"""

from gateway.bridge import commands as do
from gateway.bridge import events as on
from gateway.bridge.machine import CallMachine, State


class Playbook:
    """A machine on a stage, with a clock the test turns by hand."""

    def __init__(self, machine: CallMachine) -> None:
        self.machine = machine
        self.now = 100.0
        self._line = "start"
        self._unheard: list[do.Command] = machine.start(self.now)

    def __rshift__(self, event: on.Event) -> "Playbook":
        """Let an event happen now."""
        self.over()
        self._line = type(event).__name__
        self._unheard = self.machine.handle(event, self.now)
        return self

    def __lshift__(self, command: do.Command) -> "Playbook":
        """Expect the next command."""
        assert self._unheard, f"after {self._line}: expected {command}, got nothing more"
        got = self._unheard.pop(0)
        assert command == got, f"after {self._line}: expected {command}, got {got}"
        return self

    def wait(self, seconds: float) -> "Playbook":
        """Let time pass, with every timer that fires on the way."""
        self.over()
        until = self.now + seconds
        self._line = f"{seconds} s"
        while (due := self.machine.next_deadline()) is not None and due <= until:
            self.now = max(self.now, due)
            self._unheard += self.machine.tick(self.now)
        self.now = until
        return self

    def talk(self, seconds: float) -> "Playbook":
        """Let time pass while the caller's media flows."""
        for _ in range(round(seconds * 2)):
            self.machine.caller_spoke(self.now)
            unheard, self._unheard = self._unheard, []
            self.wait(0.5)
            self._unheard = unheard + self._unheard
        return self

    def over(self) -> None:
        """Expect nothing more."""
        assert not self._unheard, f"after {self._line}: did not expect {self._unheard}"

    def is_in(self, state: State) -> "Playbook":
        """Expect the machine to be in a state, with nothing left to say."""
        self.over()
        assert self.machine.state is state
        return self
