"""Invented languages and their words for numbers: as much to practise with as you like.

language = Language(seed=1)
train_pairs = language.pairs(2000, seed=1)
held_out = language.pairs(400, seed=2, without=train_pairs)
model = train(train_pairs, get_config(), seed=0)
share_right(model, held_out)
"""

from random import Random

CONSONANTS = "bdfgklmnprstvz"
VOWELS = "aeiou"
ACCENTED = "áéíóúàèìòùâêîôûäëïöü"

Pair = tuple[str, str]  # the words, and the number in digits


class Language:
    """One invented language. Another seed gives other words; how they are put together is the same in all of them.

    Up to a thousand everything is written in one word: the hundreds, then the units, then the tens. The digit 1 is not
    said before ten, hundred and thousand. Of two vowels that meet, the first is dropped.
    """

    def __init__(self, seed: int) -> None:
        rng = Random(seed)
        self._invent(rng)
        while len({self.spell(number) for number in range(1, 1000)}) < 999:  # no word may mean two numbers
            self._invent(rng)

    def _invent(self, rng: Random) -> None:
        syllables: list[str] = []
        while len(syllables) < 9:
            syllable = rng.choice(CONSONANTS) + rng.choice(VOWELS) + rng.choice(("", *CONSONANTS))
            if syllable not in syllables:
                syllables.append(syllable)
        places = rng.sample(range(9), 6)  # of three pairs of digits, which an accent alone tells apart
        for accent, plain, marked in zip(rng.sample(ACCENTED, 3), places[:3], places[3:], strict=True):
            syllables[marked] = syllables[plain][0] + accent + syllables[plain][2:]
        self.digits = syllables  # of 1 to 9
        self.link, self.ten, self.hundred = (rng.choice(VOWELS) + rng.choice(CONSONANTS) for _ in range(3))
        self.thousand = rng.choice(CONSONANTS) + rng.choice(VOWELS) + rng.choice(CONSONANTS) + rng.choice(VOWELS)

    def spell(self, number: int) -> str:
        """Return the words for a number from 1 to 999999."""
        thousands, rest = divmod(number, 1000)
        words = [self._word(thousands)] if thousands > 1 else []
        words += [self.thousand] if thousands else []
        words += [self._word(rest)] if rest else []
        return " ".join(words)

    def _word(self, number: int) -> str:
        hundreds, tens, units = number // 100, number // 10 % 10, number % 10
        parts = []
        if hundreds:
            parts += [self.digits[hundreds - 1]] * (hundreds > 1) + [self.hundred]
        if units:
            parts += [self.digits[units - 1]] + [self.link] * (tens > 0)
        if tens:
            parts += [self.digits[tens - 1]] * (tens > 1) + [self.ten]
        word = ""
        for part in parts:
            meet = word and word[-1] in VOWELS and part[0] in VOWELS
            word = (word[:-1] if meet else word) + part
        return word

    def pairs(self, count: int, seed: int, without: list[Pair] | None = None) -> list[Pair]:
        """Return `count` pairs of words and digits from 1 to 99999, each number once, the small ones first.

        Short numbers and long ones are drawn equally often. No number of `without` is among them.
        """
        rng = Random(seed)
        taken = {int(digits) for _, digits in without or []}
        numbers: set[int] = set()
        while len(numbers) < count:
            length = rng.randint(1, 5)
            number = int("".join(rng.choice("00123456789") for _ in range(length)))  # zeros are what is not said
            if number and number not in taken:
                numbers.add(number)
        return [(self.spell(number), str(number)) for number in sorted(numbers)]


def share_right(model: object, pairs: list[Pair]) -> float:
    """Return how many of the pairs the model gets right, every digit of them, as a share of all."""
    answers = model.predict([words for words, _ in pairs])  # type: ignore[attr-defined]
    return sum(answer == digits for answer, (_, digits) in zip(answers, pairs, strict=True)) / len(pairs)
