"""How a vocabulary of conditions and reasons is kept: a word is defined in one place, with the sentence that explains
it, and the reference for users is made from what was defined."""


class Vocabulary:
    """Words in the order of their definition. `conditions` and `reasons` give one sentence by word; that of a reason
    says what it means and what happens next."""

    def __init__(self) -> None:
        self.conditions: dict[str, str] = {}
        self.reasons: dict[str, str] = {}

    def condition(self, name: str, sentence: str) -> str:
        """Define the type of a condition."""
        self.conditions[name] = sentence
        return name

    def reason(self, name: str, sentence: str) -> str:
        """Define a reason."""
        self.reasons[name] = sentence
        return name
