"""The wire between two processes: what may cross it, how, and the two ends."""
