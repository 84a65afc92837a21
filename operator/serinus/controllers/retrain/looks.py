"""From what a policy's triggers want to know to what is known of it by now."""

from collections.abc import Mapping
from datetime import datetime

from serinus.api import reasons
from serinus.api.retrainpolicy import RetrainPolicySpec
from serinus.api.retrainstatus import RetrainPolicyStatus
from serinus.controllers.analyst import Provider
from serinus.controllers.signals import Signals
from serinus.controllers.wants import build_wants
from serinus.core.retrain.looks import next_look
from serinus.core.retrain.reading import Reading, Unknown
from serinus.engine.clock import Clock
from serinus.engine.store import Key


class SignalLooks:
    """Has `signals` look at the metrics of policies when they are due."""

    def __init__(self, signals: Signals, clock: Clock) -> None:
        self._signals = signals
        self._clock = clock

    def watch(
        self,
        key: Key,
        provider: Provider | None,
        spec: RetrainPolicySpec,
        status: RetrainPolicyStatus,
        *,
        revision: str | None,
        warm_until: datetime | None,
    ) -> Mapping[str, Reading]:
        """The newest reading of each trigger by name, once there is one; also why there can be none. Never waits."""
        now = self._clock.now()
        due = next_look(spec, status.triggers, now, warm_until)
        wants, problems = build_wants(spec, key.namespace, revision, due, now)
        if provider is None:
            self._signals.forget(key)
            message = f"there is no MetricsProvider {spec.provider} that can be asked"
            missing = Unknown(reasons.PROVIDER_NOT_FOUND, message)
            return {**{want.name: Reading(missing, now) for want in wants}, **problems}
        return {**self._signals.watch(key, provider, wants), **problems}

    def forget(self, key: Key) -> None:
        self._signals.forget(key)
