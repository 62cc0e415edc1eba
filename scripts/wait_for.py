"""wait_for.py URL SECONDS: waits until URL answers 200; exit code 1 when it does not in time."""

import os
import sys
import time
import urllib.error
import urllib.request

url, seconds = sys.argv[1], float(sys.argv[2])
# Production answers only to its own names.
names = os.environ.get("ALLOWED_HOSTS", "").split(",")
request = urllib.request.Request(url, headers={"Host": names[0].strip()} if names[0].strip() else {})
end = time.monotonic() + seconds
while time.monotonic() < end:
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            if answer.status == 200:
                sys.exit(0)
    except (urllib.error.URLError, OSError):
        time.sleep(0.3)
sys.exit(1)
