"""Keys and signatures for models of tests."""

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from model_signing import hashing, signing

PEM = serialization.Encoding.PEM


class Keys:
    """A pair of keys in files of their own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        key = ec.generate_private_key(ec.SECP256R1())
        self.private, self.public = folder / "private.pem", folder / "public.pem"
        form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        self.private.write_bytes(key.private_bytes(PEM, form, plain))
        public = serialization.PublicFormat.SubjectPublicKeyInfo
        self.public.write_bytes(key.public_key().public_bytes(PEM, public))

    def sign(self, model: Path, signature: Path, algorithm: str = "sha256") -> None:
        """Sign a file or a folder; the signature itself is left out."""
        config = hashing.Config().use_file_serialization(hashing_algorithm=algorithm)  # type: ignore[arg-type]
        if model.is_dir():
            config.set_ignored_paths(paths=[signature])
        signer = signing.Config().use_elliptic_key_signer(private_key=self.private)
        signer.set_hashing_config(config).sign(model, signature)
