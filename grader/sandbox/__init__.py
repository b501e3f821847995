"""The student's side: the lock, the warm process, the process that runs a submission."""
