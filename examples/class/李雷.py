# 作业三:注意力掩码
# 李雷,学号 20231107
import torch


def padding_mask(num_tokens, max_tokens):
    批量 = num_tokens.shape[0]
    位置 = torch.arange(max_tokens).expand(批量, max_tokens)
    掩码 = torch.where(位置 < num_tokens.reshape(批量, 1), 1, 0)
    return 掩码.reshape(批量, 1, 1, max_tokens).expand(批量, 1, max_tokens, max_tokens)


def causal_mask(max_tokens):
    # 下三角矩阵,包括对角线
    return torch.tril(torch.ones(max_tokens, max_tokens, dtype=torch.int64)).reshape(1, 1, max_tokens, max_tokens)


def decoder_mask(num_tokens, max_tokens):
    return padding_mask(num_tokens, max_tokens) * causal_mask(max_tokens)
