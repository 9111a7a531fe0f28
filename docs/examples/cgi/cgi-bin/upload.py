#!/usr/bin/env python3
# Upload: each file is a part of the body. Stores it below a name that the client cannot choose.

import hashlib
import html
import os
import re
import sys
from email.message import Message
from pathlib import Path
from urllib.parse import urlencode

# A directory outside of the site: what is stored inside could be a script.
uploads = Path(os.environ.get("UPLOADS") or sys.exit("start http-server with --cgi-env UPLOADS=DIRECTORY"))

form = Message()
form["Content-Type"] = os.environ.get("CONTENT_TYPE", "")
boundary = form.get_boundary("").encode()
body = sys.stdin.buffer.read(int(os.environ.get("CONTENT_LENGTH") or 0))

print("Content-Type: text/html; charset=utf-8")
print()
print("<!DOCTYPE html><title>Upload</title><ul>")
for part in (b"\r\n" + body).split(b"\r\n--" + boundary)[1:-1]:
    head, _, content = part.partition(b"\r\n\r\n")
    filename = re.search(rb'; filename="([^"]*)"', head)
    if not filename or not filename[1]:
        continue  # another field of the form, or no file was chosen
    name = filename[1].decode(errors="replace")
    key = hashlib.sha256(content).hexdigest()
    (uploads / key).write_bytes(content)
    link = "download.py?" + urlencode({"key": key, "name": name})
    print(f'<li><a href="{html.escape(link)}">{html.escape(name)}</a>, {len(content)} bytes')
print("</ul>")
