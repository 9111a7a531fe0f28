#!/usr/bin/env python3
# A head, an empty line, a body.

print("Content-Type: text/plain")
print()
print("Hello, world")
