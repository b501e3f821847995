# -*- coding: latin-1 -*-
# Lösung von Jörg Weiß, Übung 3 (Masken für Aufmerksamkeit)
import torch

GRÖSSE_DES_KOPFES = 1  # alle Köpfe teilen sich eine Maske


def padding_mask(num_tokens, max_tokens):
    """Gültige Wörter sind sichtbar, Füllwörter nicht."""
    stellen = torch.arange(max_tokens)
    gültig = stellen < num_tokens.reshape(-1, 1)
    return gültig.reshape(-1, GRÖSSE_DES_KOPFES, 1, max_tokens).expand(-1, -1, max_tokens, -1)


def causal_mask(max_tokens):
    stellen = torch.arange(max_tokens)
    früher = stellen.reshape(-1, 1) >= stellen
    return früher.reshape(1, GRÖSSE_DES_KOPFES, max_tokens, max_tokens)


def decoder_mask(num_tokens, max_tokens):
    return padding_mask(num_tokens, max_tokens).logical_and(causal_mask(max_tokens))
