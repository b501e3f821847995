import torch


class Masks:
    """All three masks in one place."""

    def __init__(self, num_tokens, max_tokens):
        self.num_tokens = num_tokens
        self.max_tokens = max_tokens
        self.keys = torch.arange(max_tokens)

    def padding_mask(self):
        real = self.keys < self.num_tokens[:, None]
        return real[:, None, None].repeat(1, 1, self.max_tokens, 1)

    def causal_mask(self):
        return (self.keys <= self.keys[:, None])[None, None]

    def decoder_mask(self):
        return self.padding_mask() & self.causal_mask()


def main():
    masks = Masks(torch.tensor([2, 3]), 4)
    print(masks.decoder_mask().int())


if __name__ == "__main__":
    main()
