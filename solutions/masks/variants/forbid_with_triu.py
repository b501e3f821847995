"""Thinks in what is forbidden, and turns it round at the end. Views that own no memory are fine too."""
import torch


def _forbidden_padding(num_tokens, max_tokens):
    positions = torch.arange(max_tokens, device=num_tokens.device)
    return positions.expand(num_tokens.numel(), max_tokens) >= num_tokens.unsqueeze(1)


def _forbidden_future(max_tokens):
    return torch.triu(torch.full((max_tokens, max_tokens), True), diagonal=1)


def padding_mask(num_tokens, max_tokens):
    allowed = torch.logical_not(_forbidden_padding(num_tokens, max_tokens))
    return allowed[:, None, None].expand(num_tokens.numel(), 1, max_tokens, max_tokens)


def causal_mask(max_tokens):
    return ~_forbidden_future(max_tokens)[None, None]


def decoder_mask(num_tokens, max_tokens):
    forbidden = _forbidden_padding(num_tokens, max_tokens)[:, None, :] | _forbidden_future(max_tokens)
    return forbidden.logical_not().unsqueeze(1)
