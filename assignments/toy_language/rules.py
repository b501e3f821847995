"""The toy language: its grammar and its 37 words."""

# A symbol and its expansions. What has no expansions of its own is a part of speech, and becomes a word.
RULES: dict[str, list[list[str]]] = {
    "S": [["NP", "VP"]],
    "NP": [["Article", "N"], ["Article", "Adj", "N"], ["Article", "Adj", "Adj", "N"], ["Article", "N", "Conj", "IV"]],
    "VP": [["IV"], ["TV", "NP"], ["TV", "Conj", "NP", "VP"]],
}

# A part of speech and its words. No word stands in two of these lists.
WORD_MAP: dict[str, list[str]] = {
    "Article": ["a", "the"],
    "N": ["baker", "dragon", "fox", "gardener", "mouse", "painter", "penguin", "pirate", "robot", "teacher"],
    "IV": ["dances", "disappears", "laughs", "listens", "sings", "sleeps", "waits", "whistles", "yawns"],
    "TV": ["hears", "knows", "remembers"],
    "Adj": [
        *("brave", "clever", "famous", "gentle", "hungry", "jolly"),
        *("lazy", "patient", "quiet", "shy", "tiny", "wise"),
    ],
    "Conj": ["that"],
}
