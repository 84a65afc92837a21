"""One value of a file is changed, and no other character of it."""

import difflib

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from serinus.forge.yamlfile import LARGEST, Edit, Unfit, change_text

FILE = """\
# Fraud, served to the checkout.   Owners: payments
apiVersion: serinus.dev/v1alpha1
kind: ModelDeployment
metadata:
    name: fraud
    annotations: {"serinus.dev/note": "old"}   # flow style
spec:
    model:
        uri:    models:/fraud/6        # moved by pull requests
        digest: 'sha256:aaaa'
        empty:
    replicas: 3
    template:
      spec:
        containers:
        - {name: main, image: "registry.example/fraud:6"}
        - name: side   # beside it
          env:
          - name: A
            value: >-
              folded
              text
"""


def change(path: str, value: str | int | float | bool, text: str = FILE, document: str | None = None) -> str:
    changed = change_text(text, [Edit("f.yaml", path, value, document)])
    assert isinstance(changed, str), changed
    return changed


def lines_changed(old: str, new: str) -> list[str]:
    return [line for line in difflib.ndiff(old.splitlines(), new.splitlines()) if line[0] in "+-"]


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        ("spec.model.uri", "models:/fraud/7", "        uri:    models:/fraud/7        # moved by pull requests"),
        ("spec.model.digest", "sha256:bbbb", "        digest: 'sha256:bbbb'"),
        ("spec.model.empty", "r/x", "        empty: r/x"),
        ("spec.replicas", 5, "    replicas: 5"),
        (
            "metadata.annotations['serinus.dev/note']",
            'a "b"',
            '    annotations: {"serinus.dev/note": "a \\"b\\""}   # flow style',
        ),
        ("spec.template.spec.containers[0].image", "r/f:7", '        - {name: main, image: "r/f:7"}'),
        ("spec.template.spec.containers[name=main].image", "r/f:7", '        - {name: main, image: "r/f:7"}'),
        ("spec.model.uri", "yes", '        uri:    "yes"        # moved by pull requests'),
        ("spec.model.uri", "1e3", '        uri:    "1e3"        # moved by pull requests'),
    ],
)
def test_only_the_value_changes(path: str, value: str | int, line: str) -> None:
    changed = change(path, value)
    assert [one for one in lines_changed(FILE, changed) if one.startswith("+")] == [f"+ {line}"]
    assert len(changed.splitlines()) == len(FILE.splitlines())


def test_a_block_of_text_becomes_a_value() -> None:
    changed = change("spec.template.spec.containers[name=side].env[name=A].value", "b")
    assert yaml.safe_load(changed)["spec"]["template"]["spec"]["containers"][1]["env"][0]["value"] == "b"


def test_what_is_there_stays_to_the_last_character() -> None:
    assert change("spec.model.uri", "models:/fraud/6") == FILE
    assert change("spec.replicas", 3) == FILE
    assert change("spec.replicas", "3") != FILE


def test_one_document_of_several_is_named() -> None:
    text = f"kind: Service\nmetadata: {{name: fraud}}\n---\n{FILE}"
    assert "uri:    models:/b/1 " in change("spec.model.uri", "models:/b/1", text, "ModelDeployment/fraud")
    assert change_text(text, [Edit("f", "spec.model.uri", "m")]) == Unfit(
        "holds 2 documents; exactly one can be changed: name it"
    )
    unknown = change_text(text, [Edit("f", "spec.model.uri", "m", "ModelDeployment/other")])
    assert unknown == Unfit("holds 0 documents ModelDeployment/other; exactly one can be changed")


def test_line_endings_of_windows_stay() -> None:
    text = FILE.replace("\n", "\r\n")
    assert change("spec.model.uri", "models:/fraud/7", text) == text.replace("fraud/6 ", "fraud/7 ")


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("spec.model.nothing", FILE, "has no spec.model.nothing"),
        ("spec.model", FILE, "spec.model is no single value"),
        ("spec.template.spec.containers[7].image", FILE, "has no spec.template.spec.containers[7]"),
        ("spec.model[0]", FILE, "has no spec.model[0]"),
        ("spec.template.spec.containers[*].name", FILE, "has spec.template.spec.containers[*].name 2 times"),
        ("spec.template.spec.containers[name=x].image", FILE, "has no spec.template.spec.containers[name=x]"),
        ("metadata.annotations['a.b/c']", FILE, "has no metadata.annotations['a.b/c']"),
        ("spec..model", FILE, "path 'spec..model' is not a path at '.model'"),
        ("", FILE, "must name a field"),
        ("a", "a: {{ .Values.x }}\n", "a is no single value"),
        ("a", "{{ if .Values.x }}\na: 1\n{{ end }}\n", "is no YAML"),
        ("a", "a: 1\na: 2\n", "has a 2 times"),
        ("a", "a: &x 1\nb: *x\n", "has an anchor, and an alias elsewhere"),
        ("b", "a: &x 1\nb: *x\n", "has an anchor, and an alias elsewhere"),
        ("b.c", "a: &x {c: 1}\nb: *x\n", "has an anchor, and an alias elsewhere"),
        ("b.c", "a: &x {c: 1}\nb: {<<: *x}\n", "has no b.c"),
        ("a", "a: &x 1\n", "cannot be changed without changing more"),
        ("a", "a: !mine 1\n", "cannot be changed without changing more"),
        ("a", "", "holds 0 documents"),
        ("a", "[" * 5000, "nested too deep"),
        ("a", "a: " + "x" * LARGEST, "has more than"),
    ],
)
def test_what_cannot_be_changed_is_said(path: str, text: str, said: str) -> None:
    unfit = change_text(text, [Edit("f.yaml", path, "new")])
    assert isinstance(unfit, Unfit), unfit
    assert said in unfit.message


def test_aliases_that_multiply_cost_nothing() -> None:
    bomb = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 40)) + "v: 1\n"
    assert change("v", 2, bomb).endswith("v: 2\n")


@given(st.text(st.characters(blacklist_categories=["Cs"]), max_size=30), st.sampled_from(["", "'", '"']))
def test_any_text_comes_back_as_it_is(value: str, quote: str) -> None:
    text = f"a:\n- n: {quote}old{quote}  # why\n  b: 1\n"
    assert yaml.safe_load(change("a[0].n", value, text)) == {"a": [{"n": value, "b": 1}]}
