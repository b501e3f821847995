import math
import torch
import torch.nn as nn
import torch.nn.functional as F


class Tokenizer:
    def __init__(self, max_length=0):
        self.max_length = max_length
        self.alphabet = {"pad": 0, " ": 27, "cls": 28}
        for i, letter in enumerate("abcdefghijklmnopqrstuvwxyz"):
            self.alphabet[letter] = i + 1
        self.decoded = {v: k for k, v in self.alphabet.items()}

    def encode(self, texts):
        N = len(texts)
        length = self.max_length
        if length == 0:
            length = max(len(t) for t in texts)
        tokens = torch.zeros(N, length + 1, dtype=torch.long)
        for i in range(N):
            tokens[i, 0] = self.alphabet["cls"]
            for j, letter in enumerate(texts[i][:length]):
                tokens[i, j + 1] = self.alphabet[letter]
        return tokens

    def decode(self, tokens):
        texts = []
        for row in tokens:
            text = ""
            for token in row:
                if token == 0:
                    break
                if token != 28:
                    text += self.decoded[token.item()]
            texts.append(text)
        return texts


class LossFun(nn.Module):
    def __init__(self):
        super().__init__()
        self.loss = nn.NLLLoss(reduction="none")

    def forward(self, y_model, y_true, reduction="sum"):
        B, T, V = y_model.size()
        loss = self.loss(y_model.reshape(B * T, V), y_true.reshape(B * T)).view(B, T)
        if reduction == "sum":
            return loss.sum()
        elif reduction == "mean":
            return loss.sum(1).mean(0)
        raise ValueError("reduction has to be sum or mean")


class MultiHeadSelfAttention(nn.Module):
    def __init__(self, num_emb, num_heads=8):
        super().__init__()
        raise NotImplementedError("Task 3: the projections")


class TransformerBlock(nn.Module):
    def __init__(self, num_emb, num_neurons, num_heads=4):
        super().__init__()
        raise NotImplementedError("Task 4: the layers of a block")


class DecoderTransformer(nn.Module):
    def __init__(self, num_tokens, num_token_vals, num_emb, num_neurons, num_heads=2, dropout_prob=0.1, num_blocks=10, device="cpu"):
        super().__init__()
        raise NotImplementedError("Task 5: the layers of the model")


def train_with_patience(model, optimizer, train_batches, valid_batches, max_epochs, max_patience):
    raise NotImplementedError("Task 8: train with patience")


def pearson(a, b):
    a = [float(x) for x in a]
    b = [float(x) for x in b]
    if max(a) == min(a) or max(b) == min(b):
        raise ValueError("constant")
    n = len(a)
    ma, mb = sum(a) / n, sum(b) / n
    cov = sum((x - ma) * (y - mb) for x, y in zip(a, b))
    return cov / math.sqrt(sum((x - ma) ** 2 for x in a) * sum((y - mb) ** 2 for y in b))
