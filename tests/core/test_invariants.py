"""What must hold whatever happens, in whatever order: random lives of a release, checked after every pass."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from serinus.api import reasons
from serinus.core.commands import is_new_command
from serinus.core.gates import full_size
from serinus.core.judge import Verdict
from serinus.core.plan import ApplyRoute, ApplyWorkload
from serinus.core.rollout import decide
from serinus.core.snapshot import Check, Judgement, Problem, Waiting
from tests.core.world import CutOffError, World, judged, spec

STRATEGIES = st.sampled_from(["Canary", "Shadow"])
NO_GPU = Waiting(reasons.WAITING_FOR_CAPACITY, "Insufficient nvidia.com/gpu", stops_clock=True)
CRASH = Waiting(reasons.DEPLOYING, "CrashLoopBackOff", stops_clock=False)

STEPS = st.one_of(
    st.tuples(st.just("apply"), st.integers(1, 4)),
    st.tuples(st.just("scale"), st.integers(0, 4)),
    st.tuples(st.just("judge"), st.sampled_from([*Verdict, None])),
    st.tuples(st.just("split"), st.booleans()),
    st.tuples(
        st.just("command"), st.sampled_from(["promote", "abort", "retry", "pause", "resume", "skip-step", "undo"])
    ),
    st.tuples(st.just("pods"), st.sampled_from([None, NO_GPU, CRASH])),
    st.tuples(st.just("pause"), st.booleans()),
    st.tuples(st.just("route"), st.sampled_from([True, False, None])),
    st.tuples(st.just("hand"), st.just(None)),
    st.tuples(st.just("problem"), st.booleans()),
    st.tuples(st.just("die"), st.integers(0, 4)),
    st.tuples(st.just("wait"), st.integers(1, 120)),
)


class Life:
    """A world in which things happen, and the memory of what may not be forgotten."""

    def __init__(self, strategy: str = "Canary") -> None:
        rollout = spec().rollout
        assert rollout is not None
        self.changes = {"rollout": {**rollout.dump(), "strategy": strategy}}
        self.world = World(spec(**self.changes))
        self.judgement: Judgement | None = judged()
        self.world.judge = lambda world: self.judgement
        self.asked: set[str] = set()
        self.count = 0

    def happen(self, what: str, value: object) -> None:
        world = self.world
        if what == "apply":
            world.apply(f"m:{value}", replicas=world.spec.replicas, **self.changes)
        elif what == "scale":
            world.spec = world.spec.model_copy(update={"replicas": value})
        elif what == "judge":
            self.judgement = None if value is None else judged(Verdict(str(value)))
        elif what == "split":
            check = Check("True" if value else "False", "SplitAsAsked" if value else "SplitDiffers", "")
            self.judgement = replace(self.judgement or judged(), traffic=check)
        elif what == "command":
            self._command(str(value))
        elif what == "pods":
            world.frozen_pods = {} if value is None else {world.wanted: value}  # type: ignore[dict-item]
        elif what == "pause":
            world.spec = world.spec.model_copy(update={"paused": value})
        elif what == "route":
            world.route = replace(world.route, accepted=value)  # type: ignore[arg-type]
        elif what == "hand":
            # Somebody takes the candidate out of the route.
            stable = world.status.stable
            world.route = replace(world.route, weights={stable.revision: 100} if stable else {})
        elif what == "problem":
            world.problems = (Problem(reasons.GATEWAY_NOT_FOUND, "gone"),) if value else ()
        elif what == "die":
            world.cut_after = int(str(value))
        else:
            world.now += timedelta(seconds=int(str(value)))

    def _command(self, verb: str) -> None:
        status = self.world.status
        state = status.stable if verb == "undo" else status.candidate
        revision = self.world.wanted if verb == "retry" or state is None else state.revision
        self.count += 1
        self.world.command = f"{verb} {revision} {self.count}"

    def passes(self) -> None:
        for _ in range(3):
            before = self.world.snapshot()
            written = len(self.world.weights)
            try:
                self.world.pass_once()
            except CutOffError:
                self.world.cut_after = None
            self.check(before, self.world.weights[written:])
            self.world.pods_come()

    def check(self, before, writes) -> None:  # type: ignore[no-untyped-def]
        assert decide(before) == decide(before), "the same snapshot gives the same plan"
        plan = decide(before)
        assert plan.wake_at is None or plan.wake_at > before.now
        now = before.route.weights
        for weights in writes:
            assert sum(weights.values()) == 100
            assert all(weight > 0 for weight in weights.values())
            self._check_raise(before, now, weights)
            now = weights
        for route in (entry for entry in self.world.log if isinstance(entry, ApplyRoute) and entry.mirror is not None):
            assert route.mirror is not None
            assert route.mirror.target not in route.weights, "its traffic, or copies of others', never both"
        self._check_rollback(before, plan)
        self._check_sizes(before, plan)
        status = self.world.status
        ready = next((c for c in status.conditions if c.type == "Ready"), None)
        if ready is not None and ready.status == "True" and status.stable is not None and not before.problems:
            assert status.candidate is None
        assert len(str(status.dump())) < 8192

    def _check_raise(self, before, old, new) -> None:  # type: ignore[no-untyped-def]
        """A candidate's weight rises only to ready pods, and on metrics that are known and not bad, unless a person
        says so.
        """
        candidate = before.status.candidate
        if candidate is None or before.status.stable is None:
            return
        name = candidate.revision
        if new.get(name, 0) <= old.get(name, 0) or full_size(before, candidate) == 0:
            return
        assert before.workload(name).ready > 0
        by_person = candidate.forced_step > 0 or candidate.returning or is_new_command(before)
        known = before.judgement is not None and before.judgement.verdict not in (Verdict.BAD, Verdict.CANNOT_MEASURE)
        assert by_person or known

    def _check_sizes(self, before, plan) -> None:  # type: ignore[no-untyped-def]
        """Stable is not made smaller than it was when the release began, nor anything larger that has left."""
        stable, candidate = plan.status.stable, plan.status.candidate
        active = {state.revision for state in (stable, candidate) if state is not None}
        for action in plan.after:
            if not isinstance(action, ApplyWorkload):
                continue
            if action.name not in active:
                assert action.replicas == 0
            elif candidate is not None and stable is not None and action.name == stable.revision:
                assert action.replicas >= candidate.stable_size

    def _check_rollback(self, before, plan) -> None:  # type: ignore[no-untyped-def]
        """Bad is always answered by taking the traffic away, first of all."""
        bad = before.judgement is not None and before.judgement.verdict is Verdict.BAD
        candidate, stable = before.status.candidate, before.status.stable
        if not bad or candidate is None or stable is None:
            return
        mirrored = before.route.mirror is not None and before.route.mirror.target == candidate.revision
        if before.route.weights.get(candidate.revision, 0) == 0 and not mirrored:
            return
        if before.route.weights == {stable.revision: 100} and not mirrored:
            return
        assert plan.before
        assert plan.before[0] == ApplyRoute({stable.revision: 100})


@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, max_size=40), STRATEGIES)
def test_invariants(steps: list[tuple[str, object]], strategy: str) -> None:
    life = Life(strategy)
    life.world.settle()
    life.passes()
    for what, value in steps:
        life.happen(what, value)
        life.passes()


@settings(max_examples=100, deadline=None)
@given(st.lists(STEPS, max_size=25), STRATEGIES)
def test_when_everything_is_well_again_it_comes_to_rest(steps: list[tuple[str, object]], strategy: str) -> None:
    """Whatever happened before: once nothing changes any more, it settles, and then costs nothing."""
    life = Life(strategy)
    life.world.settle()
    for what, value in steps:
        life.happen(what, value)
        life.passes()
    world = life.world
    world.cut_after, world.problems, world.frozen_pods = None, (), {}
    world.route = replace(world.route, accepted=True)
    world.spec = world.spec.model_copy(update={"paused": False, "replicas": 2})
    world.command = None
    life.judgement = judged()
    candidate = world.status.candidate
    if candidate is not None and candidate.paused:
        world.command = f"resume {candidate.revision} at-last"
    world.run(800 if strategy == "Shadow" else 200, step=10)
    assert world.status.candidate is None
    assert world.route.mirror is None
    assert world.ready()[1] in (reasons.SERVING, reasons.ROLLED_BACK)
    assert sum(work.wanted for work in world.workloads.values()) == 2
    world.log.clear()
    world.run(300, step=30)
    assert world.log == []
