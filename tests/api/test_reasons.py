"""Every word that a condition may carry is documented where it is defined."""

import re
from types import ModuleType

import pytest

from serinus.api import reasons, retrainreasons

VOCABULARIES = (reasons, retrainreasons)
WORDS = [pair for each in VOCABULARIES for pair in (each.CONDITIONS | each.REASONS).items()]


@pytest.mark.parametrize(("word", "sentence"), WORDS)
def test_a_word_is_camel_case_and_has_a_sentence(word: str, sentence: str) -> None:
    assert re.fullmatch(r"([A-Z][a-z0-9]*)+", word)
    assert len(word) <= 64
    assert sentence.endswith(".")
    assert len(sentence) > 30


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_a_constant_is_named_like_its_word(vocabulary: ModuleType) -> None:
    words = vocabulary.CONDITIONS | vocabulary.REASONS
    constants = {name: value for name, value in vars(vocabulary).items() if name.isupper() and isinstance(value, str)}
    assert set(constants.values()) == set(words)
    for name, word in constants.items():
        assert name.replace("_", "").lower() == word.lower()
