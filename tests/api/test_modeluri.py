"""What counts as a reference to a model; everything else is refused with the form that would be right."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.api.modeluri import Malformed, Reference, parse_reference

SHA = "sha256:" + "a" * 64
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("uri", "place", "path", "version", "digest"),
    [
        ("oci://registry.example/models/fraud:7", "registry.example", "models/fraud", "7", None),
        ("oci://registry.example:5000/fraud", "registry.example:5000", "fraud", None, None),
        (f"oci://[::1]:5000/fraud:7@{SHA}", "[::1]:5000", "fraud", "7", SHA),
        ("models:/fraud@champion", "", "fraud", "champion", None),
        ("models:/fraud detection/7", "", None, None, None),
        ("models:/fraud/7", "", "fraud", "7", None),
        ("hf://org/model", "org", "model", None, None),
        ("hf://org/model@v1.0", "org", "model", "v1.0", None),
        (f"hf://org/model@{COMMIT}", "org", "model", COMMIT, COMMIT),
        ("s3://bucket/a/b", "bucket", "a/b", None, None),
        ("s3://bucket/a/b?versionId=3.L4kqtJ", "bucket", "a/b", None, "3.L4kqtJ"),
        ("gs://bucket/a/b#17", "bucket", "a/b", None, "17"),
        ("https://host.example:8443/a/b.onnx", "host.example:8443", "a/b.onnx", None, None),
        (f"https://host.example/a#sha256={'a' * 64}", "host.example", "a", None, "a" * 64),
        ("pvc://claim/models/fraud", "claim", "models/fraud", None, None),
        ("pvc://claim", "claim", "", None, None),
    ],
)
def test_references_are_taken_apart(
    uri: str, place: str, path: str | None, version: str | None, digest: str | None
) -> None:
    found = parse_reference(uri)
    if path is None:
        assert isinstance(found, Malformed)
        return
    assert isinstance(found, Reference)
    assert (found.place, found.path, found.version, found.digest) == (place, path, version, digest)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "fraud",
        "ftp://host/x",
        "file:///etc/passwd",
        "http://host/x",
        "oci://user:password@registry.example/fraud:7",
        "oci://registry.example/Fraud",
        "oci://registry.example/a/../b",
        "oci://registry.example/a@sha256:short",
        "oci://registry.example/a:7?x=1",
        "https://user@host/x",
        "https://host/a/../b",
        "https://host/a?token=secret",
        "https://host",
        "s3://bucket",
        "s3://bucket/a?versionId=1&x=2",
        "hf://org",
        "hf://org/model@",
        "models:/fraud",
        "models:/fraud@a/b",
        "models://fraud/1",
        "pvc://claim/../../etc",
        "pvc://Claim/x",
        "oci://registry.example/a:7\nHost: evil",
        "s3://bucket/a\x00b",
    ],
)
def test_anything_else_is_refused_with_the_right_form(uri: str) -> None:
    found = parse_reference(uri)
    assert isinstance(found, Malformed)
    assert "must" in found.message


def test_a_text_that_is_too_long_is_refused_and_not_repeated() -> None:
    found = parse_reference("oci://registry.example/" + "a" * 100_000)
    assert isinstance(found, Malformed)
    assert len(found.message) < 200


@pytest.mark.parametrize("account", ["token:" + "5ecret" * 30, "robot:p@ss5ecret", "5ecret@5ecret"])
def test_a_credential_is_not_repeated_however_long_it_is(account: str) -> None:
    found = parse_reference(f"https://{account}@registry.example/a")
    assert isinstance(found, Malformed)
    assert "5ecret" not in found.message
    assert "registry.example" in found.message


@given(
    st.text(max_size=60), st.sampled_from(["oci://", "models:/", "hf://", "s3://", "gs://", "https://", "pvc://", ""])
)
def test_no_text_breaks_it_or_carries_credentials_or_lines(text: str, scheme: str) -> None:
    found = parse_reference(scheme + text)
    if isinstance(found, Reference):
        assert found.uri.isprintable()
        assert "@" not in found.place
        assert ".." not in found.path.split("/")
