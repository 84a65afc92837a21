"""The model of a ModelDeployment: where it comes from, how it gets to the containers, and what it must show first."""

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from serinus.api.meta import FILE_PATTERN, QUANTITY_PATTERN, VERSION_PATTERN, Model
from serinus.api.resource import Rule, with_rules
from serinus.api.rollout import ConfigMapKey

Delivery = Literal["Env", "InitContainer", "ImageVolume", "Claim"]
"""How a model gets to the containers; see `ModelSpec.delivery`."""

MOUNT: Final = "/mnt/models"
"""Where the model lies in every container, with any delivery but Env."""
VOLUME: Final = "serinus-model"
KEY_VOLUME: Final = "serinus-model-key"
LOADER: Final = "serinus-loader"
"""Names that the operator gives to volumes and to an init container of the pods."""
SIGNATURE: Final = "model.sig"
"""Where the signature of a model lies unless the spec says otherwise."""

Quantity = Annotated[str, Field(pattern=QUANTITY_PATTERN, max_length=20)]

_ONE_SOURCE = Rule(
    "[has(self.uri), has(self.retrainPolicy), has(self.registry)].filter(given, given).size() == 1",
    "set exactly one of uri, retrainPolicy and registry",
)
_ONE_VERSION = Rule("has(self.alias) != has(self.version)", "set exactly one of alias and version")
_VERIFY_NEEDS_FILES = Rule(
    "!has(self.verify) || self.delivery != 'Env'",
    "verify needs delivery InitContainer, Claim or ImageVolume: with Env the server fetches the model by itself, and"
    " nobody could check what it got",
    ".verify",
)
_LOADER_IS_USED = Rule(
    "!has(self.loader) || has(self.verify) || self.delivery == 'InitContainer'",
    "loader is used with delivery InitContainer or with verify only",
    ".loader",
)
_IMAGE_IS_OCI = Rule(
    "self.delivery != 'ImageVolume' || (has(self.from.uri) && self.from.uri.startsWith('oci://'))",
    "delivery ImageVolume needs an oci:// reference in from.uri",
    ".delivery",
)
_CLAIM_IS_PVC = Rule(
    "self.delivery != 'Claim' || (has(self.from.uri) && self.from.uri.startsWith('pvc://'))",
    "delivery Claim needs a pvc://CLAIM/PATH in from.uri",
    ".delivery",
)
_LOADED_IS_NO_PVC = Rule(
    "self.delivery != 'InitContainer' || !has(self.from.uri) || !self.from.uri.startsWith('pvc://')",
    "a pvc:// reference needs no loader: set delivery Claim",
    ".delivery",
)


class RegistrySource(Model):
    """A model version in a registry."""

    model_config = ConfigDict(json_schema_extra=with_rules(_ONE_VERSION))

    provider: Literal["mlflow"]
    """Which registry: mlflow, the server that the operator is configured with."""
    name: Annotated[str, Field(min_length=1, max_length=250)]
    """Name of the registered model."""
    alias: Annotated[str, Field(min_length=1, max_length=250)] | None = None
    """Alias, for example champion. What it points to is asked once, when this text is new: an alias that is moved later
    changes nothing."""
    version: Annotated[str, Field(pattern=VERSION_PATTERN, max_length=9)] | None = None
    """Number of the version, as a string."""


class ModelSource(Model):
    """Where the model comes from."""

    model_config = ConfigDict(json_schema_extra=with_rules(_ONE_SOURCE))

    uri: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """Address of the model: oci://HOST/REPOSITORY:TAG, models:/NAME@ALIAS or models:/NAME/VERSION (MLflow),
    hf://ORG/NAME@REVISION, s3://, gs://, https:// or pvc://CLAIM/PATH. What can be resolved is served by digest, and
    asked once for each text: a tag that moves later changes nothing."""
    retrain_policy: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """Name of a RetrainPolicy of this namespace whose candidate is followed."""
    registry: RegistrySource | None = None
    """A model registry, and an alias or a version in it."""

    @property
    def reference(self) -> str | None:
        """The address as one text, a registry's included; None where another object will name it."""
        if self.registry is None:
            return self.uri
        named = f"@{self.registry.alias}" if self.registry.alias is not None else f"/{self.registry.version}"
        return f"models:/{self.registry.name}{named}"


class LoaderSpec(Model):
    """What the init container of the admin's loader image gets."""

    secret: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """Name of a Secret of this namespace whose keys become environment variables of the loader, for example
    AWS_ACCESS_KEY_ID. The operator never reads it. Default: none; the pods' service account may be enough."""
    limits: Annotated[dict[str, Quantity], Field(max_length=8)] | None = None
    """Resource limits of the loader, for example {cpu: "1", memory: 1Gi}; requests are the same. Default: none."""


class SchemaSpec(ConfigMapKey):
    """The feature schema of the model: a JSON Schema of one request's features, in a ConfigMap."""

    on_incompatible: Literal["Reject", "Proceed"] = "Reject"
    """What becomes of a revision whose schema lacks a feature that stable's has, or gives one a type that does not take
    what stable's takes. Reject: it gets no traffic. Proceed: it is released all the same. A change is no new revision.
    Default: Reject."""


class VerifySpec(Model):
    """Verification of the model's OpenSSF signature (PyPI model-signing) in every pod, before its containers start."""

    public_key: ConfigMapKey
    """PEM of the elliptic-curve public key that the model must be signed with. It is content: another key is a new
    revision."""
    signature: Annotated[str, Field(pattern=FILE_PATTERN, max_length=253)] = SIGNATURE
    """Path of the signature file within the model; beside the file, where the model is a single one. Default:
    model.sig."""


class ModelSpec(Model):
    """The model, where the image does not hold it already."""

    model_config = ConfigDict(
        json_schema_extra=with_rules(
            _VERIFY_NEEDS_FILES, _LOADER_IS_USED, _IMAGE_IS_OCI, _CLAIM_IS_PVC, _LOADED_IS_NO_PVC
        )
    )

    from_: Annotated[ModelSource, Field(alias="from")]
    """Where the model comes from."""
    delivery: Delivery = "Env"
    """How the model gets to the containers. Env: SERINUS_MODEL_URI and SERINUS_MODEL_DIGEST in the environment. The
    others have it at /mnt/models (SERINUS_MODEL_PATH), read-only: InitContainer puts it there by the admin's loader
    image, ImageVolume mounts an oci:// artifact where the cluster can, Claim the claim of a pvc:// address.
    Default: Env."""
    loader: LoaderSpec | None = None
    """Credentials and resources of the loader."""
    schema_: Annotated[SchemaSpec | None, Field(alias="schema")] = None
    """Feature schema that the revision was built for: at most 262144 characters and 2000 features, whose names, those
    of the objects around them included, have at most 256 characters each and 65536 together. A change of its ConfigMap
    is a new revision, and an incompatible one is rejected before any traffic."""
    verify: VerifySpec | None = None
    """Signature that the model must have. A pod whose model has none, or another, never starts; the revision is
    rejected."""

    @property
    def needs_loader(self) -> bool:
        """Whether an init container of the loader image stands before the containers."""
        return self.delivery == "InitContainer" or self.verify is not None
