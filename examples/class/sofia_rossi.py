import torch


def padding_mask(num_tokens: torch.Tensor, max_tokens: int) -> torch.Tensor:
    positions = torch.arange(max_tokens, device=num_tokens.device)
    mask = torch.less(positions.unsqueeze(0), num_tokens.unsqueeze(1)).int()
    return mask[:, None, None].tile((1, 1, max_tokens, 1))


def causal_mask(max_tokens: int) -> torch.Tensor:
    return torch.ones((1, 1, max_tokens, max_tokens), dtype=torch.int32).tril()


def decoder_mask(num_tokens: torch.Tensor, max_tokens: int) -> torch.Tensor:
    """Combine both masks."""
    return padding_mask(num_tokens, max_tokens) + causal_mask(max_tokens)
