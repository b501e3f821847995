"""`python -m grader` is `grader`."""

from grader.cli import main

raise SystemExit(main())
