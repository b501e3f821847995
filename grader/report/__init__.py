"""From stored results to what people read."""
