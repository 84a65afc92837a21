"""Finds out what specs say of their models without saying it all: what a reference means, what a feature schema holds,
whether the cluster has image volumes.

What a reference means is remembered in the status, and what a schema holds in the ModelRevision, so that neither a
restart nor a tag that moves changes what is served."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from serinus.api import reasons
from serinus.api.modeluri import Malformed, Reference, parse_reference
from serinus.api.status import ResolvedModel
from serinus.controllers.inquiry import PAUSES, SLOWLY, Inquiry, Later
from serinus.core.configmaps import digest_of
from serinus.core.features import Features, read_features
from serinus.core.snapshot import Problem
from serinus.engine.store import Key
from serinus.kube.errors import Forbidden, Invalid, KubeError
from serinus.registries.outcome import Away, NotFound, Outcome, Pinned, Refused, Unpinned

Raw = dict[str, Any]
Notify = Callable[[Key, bool], None]

FIELD: Final = "spec.model.from"
SCHEMA_FIELD: Final = "spec.model.schema"


class ModelResolver:
    """`resolve` asks a registry, `notify(key, urgent)` asks for a turn when something is known."""

    def __init__(
        self,
        resolve: Callable[[Reference], Awaitable[Outcome]],
        notify: Notify,
        pauses: tuple[float, ...] = PAUSES,
        slowly: float = SLOWLY,
    ) -> None:
        self._resolve = resolve
        self._inquiry: Inquiry[str, ResolvedModel] = Inquiry(self._ask, notify, pauses, slowly)

    def observe(self, key: Key, uri: str | None, known: ResolvedModel | None) -> ResolvedModel | Problem | None:
        """What `uri` means: known, or why not; None while it is being asked for the first time. Never waits."""
        if uri is None or (known is not None and known.uri == uri):
            self._inquiry.forget(key)
            return known if uri is not None else None
        return self._inquiry.observe(key, uri)

    def forget(self, key: Key) -> None:
        self._inquiry.forget(key)

    async def close(self) -> None:
        await self._inquiry.close()

    async def _ask(self, _: Key, uri: str) -> ResolvedModel | Later:
        reference = parse_reference(uri)
        if isinstance(reference, Malformed):
            return Later(Problem(reasons.REGISTRY_REFUSED, f"{FIELD}: {reference.message}"))
        match await self._resolve(reference):
            case Pinned(resolved, digest):
                return ResolvedModel(uri=uri, resolved=resolved, digest=digest)
            case Unpinned(resolved, why):
                return ResolvedModel(uri=uri, resolved=resolved, message=why)
            case NotFound(message):
                return Later(Problem(reasons.MODEL_NOT_FOUND, f"{FIELD}: {message}"))
            case Refused(message):
                return Later(Problem(reasons.REGISTRY_REFUSED, f"{FIELD}: {message}"))
            case Away(message):
                return Later(Problem(reasons.REGISTRY_AWAY, f"{FIELD}: {message}; it is asked again"), soon=True)


@dataclass(frozen=True)
class SchemaSource:
    """The data of a ConfigMap at one time, and the key in it."""

    config_map: str
    key: str
    digest: str


class SchemaReader:
    """`fetch(namespace, name)` reads a ConfigMap, None where it cannot be had now."""

    def __init__(
        self,
        fetch: Callable[[str, str], Awaitable[Raw | None]],
        notify: Notify,
        pauses: tuple[float, ...] = PAUSES,
        slowly: float = SLOWLY,
    ) -> None:
        self._fetch = fetch
        self._inquiry: Inquiry[SchemaSource, Features] = Inquiry(self._ask, notify, pauses, slowly)

    def observe(self, key: Key, source: SchemaSource) -> Features | Problem | None:
        """The features, or why they cannot be told; None while they are being read. Never waits."""
        return self._inquiry.observe(key, source)

    def forget(self, key: Key) -> None:
        self._inquiry.forget(key)

    async def close(self) -> None:
        await self._inquiry.close()

    async def _ask(self, key: Key, source: SchemaSource) -> Features | Later:
        raw = await self._fetch(key.namespace, source.config_map)
        if raw is None or digest_of(raw) != source.digest:
            message = f"{SCHEMA_FIELD}: ConfigMap {source.config_map!r} cannot be read right now"
            return Later(Problem(reasons.CONFIG_MAP_NOT_FOUND, message), soon=True)
        text = (raw.get("data") or {}).get(source.key)
        # Large ones take seconds to check, which the event loop has not.
        found = "is binary" if text is None else await asyncio.to_thread(read_features, text)
        if isinstance(found, str):
            place = f"{SCHEMA_FIELD}: key {source.key!r} of ConfigMap {source.config_map!r}"
            return Later(Problem(reasons.INVALID_SCHEMA, f"{place} {found}"))
        return found


class ImageVolumes:
    """Whether the API server keeps image volumes. Where the feature is off it drops them and says nothing, so it is
    asked by a rehearsal: `rehearse(namespace)` is a dry run, and says whether the volume came back."""

    def __init__(
        self,
        rehearse: Callable[[str], Awaitable[bool]],
        notify: Notify,
        pauses: tuple[float, ...] = PAUSES,
        slowly: float = SLOWLY,
    ) -> None:
        self._rehearse = rehearse
        self._inquiry: Inquiry[None, bool] = Inquiry(self._ask, notify, pauses, slowly)
        self._had = False

    def observe(self, key: Key) -> bool | Problem | None:
        """True, or why not; None while it is being asked for the first time. Never waits."""
        return True if self._had else self._inquiry.observe(key, None)

    def forget(self, key: Key) -> None:
        self._inquiry.forget(key)

    async def close(self) -> None:
        await self._inquiry.close()

    async def _ask(self, key: Key, _: None) -> bool | Later:
        field = "spec.model.delivery: ImageVolume"
        try:
            self._had = await self._rehearse(key.namespace)
        except KubeError as error:
            message = f"{field}: whether the API server has image volumes could not be found out: {error}"
            problem = Problem(reasons.IMAGE_VOLUME_UNSUPPORTED, message)
            return Later(problem, soon=not isinstance(error, Forbidden | Invalid))
        if self._had:
            return True
        message = f"{field}: the API server drops image volumes (feature gate ImageVolume): use InitContainer"
        return Later(Problem(reasons.IMAGE_VOLUME_UNSUPPORTED, message))


@dataclass(frozen=True)
class LoaderSettings:
    """The loader as the admin has it configured. `hosts`: registries by host, with the scheme to ask them with; the
    others are base addresses."""

    image: str | None = None
    hosts: Mapping[str, str] = field(default_factory=dict)
    mlflow: str | None = None
    huggingface: str | None = None

    def describe(self, uri: str) -> Raw | None:
        """Image and environment for one model; None where no image is configured."""
        if self.image is None:
            return None
        reference = parse_reference(uri)
        scheme = reference.scheme if isinstance(reference, Reference) else None
        environment: dict[str, str] = {}
        if isinstance(reference, Reference) and scheme == "oci" and self.hosts.get(reference.place) == "http":
            environment["SERINUS_PLAIN_HTTP"] = "true"
        if scheme == "models" and self.mlflow is not None:
            environment["MLFLOW_TRACKING_URI"] = self.mlflow
        if scheme == "hf" and self.huggingface is not None:
            environment["HF_ENDPOINT"] = self.huggingface
        return {"image": self.image, "env": environment}


@dataclass(frozen=True)
class ModelDesk:
    """Everybody who is asked about models. Without one of them, what it would know is never known."""

    resolver: ModelResolver | None = None
    schemas: SchemaReader | None = None
    volumes: ImageVolumes | None = None
    loader: LoaderSettings = LoaderSettings()

    def resolve(self, key: Key, uri: str | None, known: ResolvedModel | None) -> ResolvedModel | Problem | None:
        return known if self.resolver is None else self.resolver.observe(key, uri, known)

    def read_schema(self, key: Key, source: SchemaSource) -> Features | Problem | None:
        return None if self.schemas is None else self.schemas.observe(key, source)

    def has_image_volumes(self, key: Key) -> bool | Problem | None:
        return None if self.volumes is None else self.volumes.observe(key)

    def forget(self, key: Key) -> None:
        for one in (self.resolver, self.schemas, self.volumes):
            if one is not None:
                one.forget(key)

    async def close(self) -> None:
        for one in (self.resolver, self.schemas, self.volumes):
            if one is not None:
                await one.close()
