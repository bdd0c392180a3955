"""Execution timeouts; a task that exceeds its timeout fails and is retried.

Bedrock imports up to 200 GB. At 100 MB/s, reading or sending that once takes 34 minutes.
"""

from __future__ import annotations

from datetime import timedelta

#: For a task that makes a few requests.
QUICK = timedelta(minutes=15)
#: For a task that reads and writes a whole model, or asks it thousands of questions.
LONG = timedelta(hours=12)
