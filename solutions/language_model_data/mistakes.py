"""Known mistakes of the assignment, as replacements of the solution's names."""

import random

import torch
from language_model_data import LanguageModelingDataset, lm_collate_fn
from torch.nn.utils.rnn import pad_sequence

from grader.checks import mistake

BATCHES = ("batch_x", "batch_y", "batch_arguments", "batch_with_nothing")  # all that look at padded rows

# --- counting


@mistake(
    replaces="count_training_examples",
    title="All ids are counted, also the one that nothing stands in front of",
    hint="The first id of a text has no id before it. From what should it be predicted?",
    caught_by=("count", "count_nothing", "count_repeated"),
)
def counts_ids(ids):
    return len(ids)


@mistake(
    replaces="count_training_examples",
    title="An empty list gives -1 predictions",
    hint="len(ids) - 1 is right for a text. What is it for no text at all?",
    caught_by=("count_nothing",),
)
def minus_one(ids):
    return len(ids) - 1


@mistake(
    replaces="count_training_examples",
    title="An empty list gives one prediction",
    hint="Where nothing is, nothing can be predicted. What does your function do with a length of 0?",
    caught_by=("count_nothing",),
)
def at_least_one(ids):
    return abs(len(ids) - 1)


@mistake(
    replaces="count_training_examples",
    title="One prediction too few is counted",
    hint="Of three ids the second follows the first, and the third follows the second.",
    caught_by=("count", "count_repeated"),
)
def two_less(ids):
    return max(len(ids) - 2, 0)


@mistake(
    replaces="count_training_examples",
    title="Ids that come twice are counted once",
    hint="A word that comes again is predicted again. A set forgets that.",
    caught_by=("count_repeated",),
)
def counts_different_ids(ids):
    return max(len(set(ids)) - 1, 0)


@mistake(
    replaces="count_training_examples",
    title="Pairs of ids are counted, as if a text were cut into pairs",
    hint="Each id but the first is predicted, also those that were read just before.",
    caught_by=("count", "count_repeated"),
)
def counts_pairs(ids):
    return len(ids) // 2


# --- the dataset


@mistake(
    replaces="LanguageModelingDataset",
    title="y is x: each token is its own target",
    hint="To repeat what one reads takes no model. Which id should stand in y below the first one of x?",
    caught_by=("y", "other_sizes"),
)
class Copied(LanguageModelingDataset):
    def __getitem__(self, index):
        x, _ = super().__getitem__(index)
        return x, x.clone()


@mistake(
    replaces="LanguageModelingDataset",
    title="Both x and y hold all ids of the text",
    hint="The last id has nothing behind it to be predicted, and the first nothing in front of it.",
    caught_by=("item_form", "x", "y", "exact_length", "long", "whole_texts", "other_sizes"),
)
class NotShifted(LanguageModelingDataset):
    def __getitem__(self, index):
        ids = torch.tensor(self.pieces[index])
        return ids, ids


@mistake(
    replaces="LanguageModelingDataset",
    title="x and y are shifted the wrong way: y is what came before",
    hint="The model reads x and says what follows. Does y start behind the first id of x, or before it?",
    caught_by=("x", "y", "long", "whole_texts", "other_sizes"),
)
class Backwards(LanguageModelingDataset):
    def __getitem__(self, index):
        x, y = super().__getitem__(index)
        return y, x


@mistake(
    replaces="LanguageModelingDataset",
    title="y is shifted by two",
    hint="The next id is one place further on. What does y hold below the first id of x?",
    caught_by=("item_form", "y", "other_sizes"),
)
class ShiftedByTwo(LanguageModelingDataset):
    def __getitem__(self, index):
        x, y = super().__getitem__(index)
        return x, y[1:]


@mistake(
    replaces="LanguageModelingDataset",
    title="y starts again from the front: the first id is the target of the last one",
    hint="torch.roll goes round in a circle, and a text does not. What comes after its last id?",
    caught_by=("item_form", "x", "y", "exact_length", "long", "whole_texts", "other_sizes"),
)
class Rolled(LanguageModelingDataset):
    def __getitem__(self, index):
        ids = torch.tensor(self.pieces[index])
        return ids, ids.roll(-1)


@mistake(
    replaces="LanguageModelingDataset",
    title="x keeps the last id, so that it is longer than y",
    hint="Every id of x needs a target, and nothing follows the last one.",
    caught_by=("item_form", "x", "exact_length", "long", "whole_texts", "other_sizes"),
)
class LastIdKept(LanguageModelingDataset):
    def __getitem__(self, index):
        ids = torch.tensor(self.pieces[index])
        return ids, ids[1:]


@mistake(
    replaces="LanguageModelingDataset",
    title="y is one id, the last of the text, not one for each place of x",
    hint="A text teaches something at each of its places. How many targets does an x of five ids have?",
    caught_by=("item_form", "y", "other_sizes"),
)
class OnlyTheLast(LanguageModelingDataset):
    def __getitem__(self, index):
        x, y = super().__getitem__(index)
        return x, y[-1:]


@mistake(
    replaces="LanguageModelingDataset",
    title="Texts are cropped to block_size ids, which leaves block_size - 1 predictions",
    hint="x takes block_size ids, and y goes one id further. How many ids is that together?",
    caught_by=("exact_length", "long", "other_sizes"),
)
class CroppedTooShort(LanguageModelingDataset):
    def __init__(self, texts, encode, block_size):
        self.pieces = [ids for text in texts if len(ids := encode(text)[:block_size]) > 1]


@mistake(
    replaces="LanguageModelingDataset",
    title="Texts are cropped to block_size + 2 ids: x is longer than block_size",
    hint="The model reads block_size tokens at most. How long is your x for a very long text?",
    caught_by=("long", "other_sizes"),
)
class CroppedTooLong(LanguageModelingDataset):
    def __init__(self, texts, encode, block_size):
        self.pieces = [ids for text in texts if len(ids := encode(text)[: block_size + 2]) > 1]


@mistake(
    replaces="LanguageModelingDataset",
    title="Long texts are not cropped",
    hint="The model reads block_size tokens at most. What does your class do with that number?",
    caught_by=("long", "other_sizes"),
)
class NotCropped(LanguageModelingDataset):
    def __init__(self, texts, encode, block_size):  # noqa: ARG002 - the mistake
        self.pieces = [ids for text in texts if len(ids := encode(text)) > 1]


@mistake(
    replaces="LanguageModelingDataset",
    title="Of a long text the end is kept, not its beginning",
    hint="[-n:] is the last part of a list. Where does a text that is cropped to its first ids end?",
    caught_by=("long", "other_sizes"),
)
class EndKept(LanguageModelingDataset):
    def __init__(self, texts, encode, block_size):
        self.pieces = [ids for text in texts if len(ids := encode(text)[-block_size - 1 :]) > 1]


@mistake(
    replaces="LanguageModelingDataset",
    title="Between two pieces of a long text a prediction is lost",
    hint="The last id of a piece predicts the first one of the next. In which item does that pair stand?",
    caught_by=("long", "other_sizes"),
)
class LostBetweenPieces(LanguageModelingDataset):
    def __init__(self, texts, encode, block_size):
        self.pieces = []
        for ids in map(encode, texts):
            starts = range(0, len(ids), block_size + 1)
            self.pieces += [ids[i : i + block_size + 1] for i in starts if len(ids) - i > 1]


@mistake(
    replaces="LanguageModelingDataset",
    title="The rest of a long text, which does not fill a piece, is lost",
    hint="The last piece may be shorter than the others. Is it among your items?",
    caught_by=("long", "other_sizes"),
)
class RestLost(LanguageModelingDataset):
    def __init__(self, texts, encode, block_size):
        super().__init__(texts, encode, block_size)
        kept = []
        for ids in map(encode, texts):
            pieces = [ids[i : i + block_size + 1] for i in range(0, len(ids) - 1, block_size)]
            kept += pieces[:1] + [piece for piece in pieces[1:] if len(piece) == block_size + 1]
        self.pieces = kept


@mistake(
    replaces="LanguageModelingDataset",
    title="Texts that do not fill block_size are left out",
    hint="A short text has something to teach as well; the batch pads it later.",
    caught_by=("number_of_items", "item_form", "x", "y", "long", "short", "whole_texts", "other_sizes"),
)
class ShortTextsLost(LanguageModelingDataset):
    def __init__(self, texts, encode, block_size):
        super().__init__(texts, encode, block_size)
        self.pieces = [piece for piece in self.pieces if len(piece) > block_size]


@mistake(
    replaces="LanguageModelingDataset",
    title="Texts of two ids are left out",
    hint="Two ids give one prediction. From how many ids on is there something to learn?",
    caught_by=("number_of_items", "x", "y", "other_sizes", "whole_texts"),
)
class PairsLost(LanguageModelingDataset):
    def __init__(self, texts, encode, block_size):
        self.pieces = [ids for text in texts if len(ids := encode(text)[: block_size + 1]) > 2]


@mistake(
    replaces="LanguageModelingDataset",
    title="An empty text makes it crash",
    hint="An empty text has an empty list of ids, and that has no first or last element.",
    caught_by=("short", "other_sizes"),
)
class CrashesOnEmpty(LanguageModelingDataset):
    def __init__(self, texts, encode, block_size):
        super().__init__(texts, encode, block_size)
        self.first_ids = [encode(text)[0] for text in texts]


@mistake(
    replaces="LanguageModelingDataset",
    title="A text of one id makes it crash",
    hint="How many items have you counted, and how many can be asked for? Go through it with a text of one id.",
    caught_by=("short", "other_sizes"),
)
class CrashesOnOne(LanguageModelingDataset):
    def __init__(self, texts, encode, block_size):
        super().__init__(texts, encode, block_size)
        self.count = len([text for text in texts if len(encode(text)) == 1])

    def __len__(self):
        return len(self.pieces) + self.count


@mistake(
    replaces="LanguageModelingDataset",
    title="A text of one id gives an item without a target",
    hint="x and y have the same length. What is there to read when there is nothing to predict?",
    caught_by=("short", "other_sizes"),
)
class OneIdKept(LanguageModelingDataset):
    def __init__(self, texts, encode, block_size):
        self.pieces = [encode(text)[: block_size + 1] for text in texts]

    def __getitem__(self, index):
        ids = torch.tensor(self.pieces[index], dtype=torch.int64)
        return (ids[:-1], ids[1:]) if len(ids) != 1 else (ids, ids[1:])


@mistake(
    replaces="LanguageModelingDataset",
    title="The items of empty texts hold floats",
    hint="torch.tensor([]) cannot know what kind of numbers is meant, and takes float32. Tell it: dtype=torch.int64.",
    caught_by=("short",),
)
class EmptyFloats(LanguageModelingDataset):
    def __init__(self, texts, encode, block_size):
        self.pieces = [encode(text)[: block_size + 1] for text in texts]

    def __getitem__(self, index):
        ids = self.pieces[index]
        return torch.tensor(ids[:-1]), torch.tensor(ids[1:])


@mistake(
    replaces="LanguageModelingDataset",
    title="The ids are floats",
    hint="torch.Tensor(...) makes floats, torch.tensor(...) keeps whole numbers. A table of embeddings wants int64.",
    caught_by=("item_form",),
)
class Floats(LanguageModelingDataset):
    def __getitem__(self, index):
        x, y = super().__getitem__(index)
        return x.float(), y.float()


@mistake(
    replaces="LanguageModelingDataset",
    title="The ids are int32",
    hint="Cross entropy takes int64 targets only. Which dtype does torch.tensor choose for whole numbers by itself?",
    caught_by=("item_form",),
)
class Int32(LanguageModelingDataset):
    def __getitem__(self, index):
        x, y = super().__getitem__(index)
        return x.int(), y.int()


@mistake(
    replaces="LanguageModelingDataset",
    title="x and y are lists, not tensors",
    hint="A batch is made of tensors. What turns a list of ids into one?",
    caught_by=("item_form", "loader"),
)
class Lists(LanguageModelingDataset):
    def __getitem__(self, index):
        x, y = super().__getitem__(index)
        return x.tolist(), y.tolist()


@mistake(
    replaces="LanguageModelingDataset",
    title="len(dataset) counts predictions, not items",
    hint="A DataLoader asks for the items 0 to len(dataset) - 1. Does each of them exist?",
    caught_by=("number_of_items", "exact_length", "long", "short", "whole_texts", "other_sizes", "loader"),
)
class CountsPredictions(LanguageModelingDataset):
    def __len__(self):
        return sum(len(piece) - 1 for piece in self.pieces)


@mistake(
    replaces="LanguageModelingDataset",
    title="All texts are joined to one, and cut into pieces then",
    hint="The last word of one text says nothing about the first word of the next. Cut each text by itself.",
    caught_by=("number_of_items", "item_form", "x", "y", "whole_texts", "other_sizes"),
)
class Joined(LanguageModelingDataset):
    def __init__(self, texts, encode, block_size):
        ids = [token for text in texts for token in encode(text)]
        self.pieces = [ids[i : i + block_size + 1] for i in range(0, len(ids) - 1, block_size)]


@mistake(
    replaces="LanguageModelingDataset",
    title="The letters of a text are cropped to block_size, not its ids",
    hint="How many ids a text has is known only once it is encoded. Encode first, then crop.",
    caught_by=("x", "y", "item_form", "exact_length", "long", "other_sizes"),
)
class LettersCropped(LanguageModelingDataset):
    def __init__(self, texts, encode, block_size):
        super().__init__([text[: block_size + 1] for text in texts], encode, block_size)


@mistake(
    replaces="LanguageModelingDataset",
    title="The texts are stripped and put into lower case before they are encoded",
    hint="What is done to a text is for encode to decide. Hand it over as it is.",
    caught_by=("whole_texts",),
)
class Normalised(LanguageModelingDataset):
    def __init__(self, texts, encode, block_size):
        super().__init__([text.strip().lower() for text in texts], encode, block_size)


@mistake(
    replaces="LanguageModelingDataset",
    title="Texts of one letter are left out before anybody knows how many ids they have",
    hint="The length of a text is not the number of its ids. Encode first, then ask.",
    caught_by=("whole_texts",),
)
class OneLetterLost(LanguageModelingDataset):
    def __init__(self, texts, encode, block_size):
        super().__init__([text for text in texts if len(text) > 1], encode, block_size)


@mistake(
    replaces="LanguageModelingDataset",
    title="A long text gives another piece each time it is asked for",
    hint="A piece from a random place is a fine idea for very long texts. Here one item holds the beginning.",
    caught_by=("long", "other_sizes"),
)
class RandomPiece(LanguageModelingDataset):
    def __init__(self, texts, encode, block_size):
        self.block_size = block_size
        self.pieces = [ids for text in texts if len(ids := encode(text)) > 1]

    def __getitem__(self, index):
        ids = self.pieces[index]
        start = random.randint(min(1, len(ids) - self.block_size - 1), max(0, len(ids) - self.block_size - 1))
        piece = torch.tensor(ids[max(start, 0) :][: self.block_size + 1])
        return piece[:-1], piece[1:]


# --- the batch


@mistake(
    replaces="lm_collate_fn",
    title="The targets are padded with pad_id",
    hint="pad_id may be the id of a real token, and the loss counts it. Which argument is made for y?",
    caught_by=("batch_y", "batch_arguments"),
)
def targets_padded_with_pad_id(batch, pad_id=0, ignore_index=-1):  # noqa: ARG001 - the mistake
    return lm_collate_fn(batch, pad_id, pad_id)


@mistake(
    replaces="lm_collate_fn",
    title="x is padded with ignore_index",
    hint="No embedding table has a row -1. Which argument is made for x?",
    caught_by=("batch_x", "batch_arguments", "batch_with_nothing"),
)
def inputs_padded_with_ignore_index(batch, pad_id=0, ignore_index=-1):  # noqa: ARG001 - the mistake
    return lm_collate_fn(batch, ignore_index, ignore_index)


@mistake(
    replaces="lm_collate_fn",
    title="pad_id and ignore_index have changed places",
    hint="Which of the two is an id that the model reads, and which one does the loss look for?",
    caught_by=BATCHES,
)
def paddings_swapped(batch, pad_id=0, ignore_index=-1):
    return lm_collate_fn(batch, ignore_index, pad_id)


@mistake(
    replaces="lm_collate_fn",
    title="pad_id and ignore_index are taken to be 0 and -1, whatever the caller says",
    hint="These two are only what is meant when nothing is said. Use the names, not the numbers.",
    caught_by=("batch_arguments",),
)
def fixed_paddings(batch, pad_id=0, ignore_index=-1):  # noqa: ARG001 - the mistake
    return lm_collate_fn(batch)


@mistake(
    replaces="lm_collate_fn",
    title="ignore_index is -100 when nothing is said",
    hint="-100 is PyTorch's own default. The handout names another one.",
    caught_by=("batch_y",),
)
def other_default(batch, pad_id=0, ignore_index=-100):
    return lm_collate_fn(batch, pad_id, ignore_index)


@mistake(
    replaces="lm_collate_fn",
    title="The padding stands on the left",
    hint="The first id of an item belongs to position 0, whatever else is in the batch.",
    caught_by=("batch_x", "batch_y", "batch_arguments"),
)
def padded_on_the_left(batch, pad_id=0, ignore_index=-1):
    x, y = zip(*batch, strict=True)
    return tuple(
        pad_sequence([part.flip(0) for part in parts], batch_first=True, padding_value=value).flip(1)
        for parts, value in ((x, pad_id), (y, ignore_index))
    )


@mistake(
    replaces="lm_collate_fn",
    title="The items are cut to the shortest one",
    hint="Nothing needs to be thrown away: a short row can be filled up. Which length decides, min or max?",
    caught_by=("batch_form", *BATCHES),
)
def cut_to_the_shortest(batch, pad_id=0, ignore_index=-1):
    shortest = min(len(x) for x, _ in batch)
    return lm_collate_fn([(x[:shortest], y[:shortest]) for x, y in batch], pad_id, ignore_index)


@mistake(
    replaces="lm_collate_fn",
    title="The rectangle has the dimensions (T, B): the items stand in columns",
    hint="pad_sequence puts the batch second if nobody tells it otherwise. Which of its arguments does?",
    caught_by=("batch_form", "batch_of_one", *BATCHES),
)
def columns(batch, pad_id=0, ignore_index=-1):
    x, y = lm_collate_fn(batch, pad_id, ignore_index)
    return x.T, y.T


@mistake(
    replaces="lm_collate_fn",
    title="Every batch has the same fixed width",
    hint="The width is that of the longest item in this batch, not a number that you know beforehand.",
    caught_by=("batch_form", "batch_of_one", *BATCHES),
)
def fixed_width(batch, pad_id=0, ignore_index=-1):
    x, y = lm_collate_fn(batch, pad_id, ignore_index)
    more = [
        torch.nn.functional.pad(part, (0, max(0, 32 - part.size(1))), value=v) for part, v in ((x, pad_id), (y, -1))
    ]
    return tuple(more)


@mistake(
    replaces="lm_collate_fn",
    title="Each row has one column of padding too many",
    hint="The longest item needs no padding at all.",
    caught_by=("batch_form", "batch_of_one", *BATCHES),
)
def one_column_more(batch, pad_id=0, ignore_index=-1):
    x, y = lm_collate_fn(batch, pad_id, ignore_index)
    ends = x.new_full((len(x), 1), pad_id), x.new_full((len(x), 1), ignore_index)
    return torch.cat([x, ends[0]], dim=1), torch.cat([y, ends[1]], dim=1)


@mistake(
    replaces="lm_collate_fn",
    title="A batch of one item loses its batch dimension",
    hint="squeeze() removes every dimension of size 1, also the batch's. The shape is (1, T).",
    caught_by=("batch_of_one",),
)
def squeezed(batch, pad_id=0, ignore_index=-1):
    x, y = lm_collate_fn(batch, pad_id, ignore_index)
    return x.squeeze(), y.squeeze()


@mistake(
    replaces="lm_collate_fn",
    title="Empty items are left out of the batch",
    hint="A batch of three items has three rows. What stands in a row without ids?",
    caught_by=("batch_with_nothing",),
)
def empty_items_dropped(batch, pad_id=0, ignore_index=-1):
    return lm_collate_fn([item for item in batch if len(item[0])], pad_id, ignore_index)


@mistake(
    replaces="lm_collate_fn",
    title="An empty item makes it crash",
    hint="An item without ids has no last one. Does your padding need it?",
    caught_by=("batch_with_nothing",),
)
def crashes_on_empty_items(batch, pad_id=0, ignore_index=-1):
    if min(len(x) for x, _ in batch) == 0:
        raise IndexError("index -1 is out of bounds for dimension 0 with size 0")
    return lm_collate_fn(batch, pad_id, ignore_index)


@mistake(
    replaces="lm_collate_fn",
    title="The rows of the batch are sorted by length",
    hint="Packing wants sorted rows, and nobody packs here. The rows stand in the order of the items.",
    caught_by=BATCHES,
)
def sorted_by_length(batch, pad_id=0, ignore_index=-1):
    return lm_collate_fn(sorted(batch, key=lambda item: len(item[0]), reverse=True), pad_id, ignore_index)


@mistake(
    replaces="lm_collate_fn",
    title="The batch holds floats",
    hint="torch.zeros and torch.full make floats if nobody tells them otherwise. Which dtype do ids have?",
    caught_by=("batch_form",),
)
def floats(batch, pad_id=0, ignore_index=-1):
    x, y = lm_collate_fn(batch, pad_id, ignore_index)
    return x.float(), y.float()


@mistake(
    replaces="lm_collate_fn",
    title="Real ids that are equal to pad_id are taken for padding, and never learned",
    hint="Where padding is, the lengths say. An id in the text may well be the number that x is padded with.",
    caught_by=("batch_arguments",),
)
def pad_id_ignored(batch, pad_id=0, ignore_index=-1):
    x, y = lm_collate_fn(batch, pad_id, pad_id)
    return x, y.masked_fill(y == pad_id, ignore_index)


@mistake(
    replaces="lm_collate_fn",
    title="The targets are shifted once more",
    hint="The dataset has shifted them already. Print one item and its row of the batch.",
    caught_by=("batch_of_one", "batch_y", "batch_arguments"),
)
def shifted_again(batch, pad_id=0, ignore_index=-1):
    x, y = lm_collate_fn(batch, pad_id, ignore_index)
    return x, torch.cat([y[:, 1:], y.new_full((len(y), 1), ignore_index)], dim=1)


@mistake(
    replaces="lm_collate_fn",
    title="The caller's list is emptied",
    hint="pop() and append() change the list that was passed in. Build a new one.",
    caught_by=("items_unchanged",),
)
def list_emptied(batch, pad_id=0, ignore_index=-1):
    result = lm_collate_fn(batch, pad_id, ignore_index)
    batch.clear()
    return result


@mistake(
    replaces="lm_collate_fn",
    title="The items' own tensors are changed",
    hint="Methods whose names end in _ change the tensor they are called on, and it belongs to the dataset.",
    caught_by=("items_unchanged",),
)
def items_resized(batch, pad_id=0, ignore_index=-1):
    result = lm_collate_fn(batch, pad_id, ignore_index)
    for x, _ in batch:
        x.fill_(pad_id)
    return result
