#!/usr/bin/env python3
# Shows the variables that the server passes to a script.

import html
import os

print("Content-Type: text/html; charset=utf-8")
print()
print("<!DOCTYPE html><title>Environment</title><table>")
for name, value in sorted(os.environ.items()):
    print(f"<tr><td>{html.escape(name)}<td>{html.escape(value)}")
print("</table>")
