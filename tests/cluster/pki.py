"""Keys and certificates of a cluster, and kubeconfigs made from them."""

import datetime
import ipaddress
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

NODE_ADDRESS = "10.99.0.1"
SERVICE_ADDRESS = "10.96.0.1"

_USERS = {
    "admin": ("admin", "system:masters"),
    "node": ("system:node:node0", "system:nodes"),
    "controller-manager": ("system:kube-controller-manager", None),
    "scheduler": ("system:kube-scheduler", None),
    "proxy": ("system:kube-proxy", None),
    "front-proxy": ("front-proxy", None),
}


def make_keys(folder: Path) -> None:
    """Everything once: authority, service-account key, server certificate, and a kubeconfig per component."""
    if (folder / "admin.kubeconfig").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    authority_key, authority = _authority()
    _write(folder / "ca", authority_key, authority)
    (folder / "sa.key").write_bytes(_pem(_key()))
    names = [NODE_ADDRESS, SERVICE_ADDRESS, "127.0.0.1", "localhost", "kubernetes.default.svc", "kubernetes"]
    _write(folder / "apiserver", *_signed(authority_key, authority, "kube-apiserver", None, names))
    for user, (name, group) in _USERS.items():
        hosts = ["node0", NODE_ADDRESS] if user == "node" else []
        _write(folder / user, *_signed(authority_key, authority, name, group, hosts))
        write_kubeconfig(
            folder, user, {"client-certificate": str(folder / f"{user}.crt"), "client-key": str(folder / f"{user}.key")}
        )


def write_kubeconfig(folder: Path, name: str, user: dict[str, str]) -> Path:
    """A kubeconfig for `user` (its `user:` part), reaching the API server from inside the namespace."""
    path = folder / f"{name}.kubeconfig"
    cluster = {"server": "https://127.0.0.1:6443", "certificate-authority": str(folder / "ca.crt")}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "serinus", "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": "serinus", "context": {"cluster": "serinus", "user": name}}],
        "current-context": "serinus",
    }
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(content))
    return path


def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(base: Path, key: rsa.RSAPrivateKey, certificate: x509.Certificate) -> None:
    secret = base.with_suffix(".key")
    secret.touch(mode=0o600)
    secret.write_bytes(_pem(key))
    base.with_suffix(".crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _name(common: str, group: str | None = None) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    if group:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
    return x509.Name(parts)


def _builder(subject: x509.Name, issuer: x509.Name, key: rsa.RSAPrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=30))
    )


def _authority() -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
    key, name = _key(), _name("serinus test authority")
    builder = _builder(name, name, key).add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return key, builder.sign(key, hashes.SHA256())


def _signed(
    authority_key: rsa.RSAPrivateKey, authority: x509.Certificate, common: str, group: str | None, hosts: list[str]
) -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
    key = _key()
    builder = _builder(_name(common, group), authority.subject, key)
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName([_host(h) for h in hosts]), critical=False)
    return key, builder.sign(authority_key, hashes.SHA256())


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
