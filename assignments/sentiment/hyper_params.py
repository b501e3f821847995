"""The settings of the text side, in one place."""

from dataclasses import dataclass


@dataclass
class HyperParams:
    """The two special entries of a vocabulary, and the words that are too common to tell a good review from a bad.

    "not" and "but" are common, too, and turn a sentence round: they are none of these.
    """

    PAD_TOKEN: str = "<pad>"  # fills short rows up
    PAD_INDEX: int = 0
    UNK_TOKEN: str = "<unk>"  # stands for every word that the vocabulary does not have
    UNK_INDEX: int = 1
    STOP_WORDS: tuple[str, ...] = (
        *("a", "an", "the", "this", "that", "these", "those", "it", "its", "he", "she", "they", "his", "her", "their"),
        *("i", "we", "you", "my", "our", "your", "me", "him", "them", "us", "who", "which", "what", "there", "here"),
        *("is", "are", "was", "were", "be", "been", "am", "has", "have", "had", "do", "does", "did", "will", "would"),
        *("and", "or", "if", "so", "as", "of", "in", "on", "at", "to", "for", "from", "by", "with", "about"),
    )
