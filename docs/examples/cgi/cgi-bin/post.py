#!/usr/bin/env python3
# A form by POST: its fields are at standard input, and CONTENT_LENGTH is their length in bytes.

import html
import os
import sys
from urllib.parse import parse_qs

length = int(os.environ.get("CONTENT_LENGTH") or 0)
form = parse_qs(sys.stdin.buffer.read(length).decode())
comment = form.get("comment", [""])[0]

print("Content-Type: text/html; charset=utf-8")
print()
print("<!DOCTYPE html><title>Form by POST</title>")
print(f"<p>Your comment has {len(comment.split())} words:")
print(f"<pre>{html.escape(comment)}</pre>")
