#!/usr/bin/env python3
# Download: Content-Disposition makes the browser save the answer as a file.

import os
import re
import shutil
import sys
from pathlib import Path
from urllib.parse import parse_qs, quote

uploads = Path(os.environ.get("UPLOADS") or sys.exit("start http-server with --cgi-env UPLOADS=DIRECTORY"))
form = parse_qs(os.environ["QUERY_STRING"])
key = form.get("key", [""])[0]
name = form.get("name", ["file"])[0]
path = uploads / key

# A key that is none could be a path, such as ../../etc/passwd.
if not re.fullmatch("[0-9a-f]{64}", key) or not path.exists():
    print("Status: 404 Not Found")
    print("Content-Type: text/plain")
    print()
    print("no such file")
    sys.exit()

with path.open("rb") as file:
    print("Content-Type: application/octet-stream")
    print("Content-Length:", path.stat().st_size)
    # The name is quoted, so that no character of it ends the header.
    print(f"Content-Disposition: attachment; filename*=UTF-8''{quote(name, safe='')}")
    print(flush=True)
    shutil.copyfileobj(file, sys.stdout.buffer)
