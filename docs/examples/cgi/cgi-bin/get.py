#!/usr/bin/env python3
# A form by GET: its fields are in the URL, after the question mark.

import html
import os
from urllib.parse import parse_qs

form = parse_qs(os.environ["QUERY_STRING"])
# A field without text is not in the dictionary, and each value is a list.
name = form.get("name", ["stranger"])[0]
town = form.get("town", ["nowhere"])[0]

print("Content-Type: text/html; charset=utf-8")
print()
print("<!DOCTYPE html><title>Form by GET</title>")
# Without html.escape, a name such as <script>...</script> would be a program in the browser of the reader.
print(f"<p>Hello {html.escape(name)} from {html.escape(town)}!")
