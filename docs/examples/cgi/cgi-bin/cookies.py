#!/usr/bin/env python3
# Cookies: the browser keeps what Set-Cookie says, and sends it with each later request.

import os
from http.cookies import SimpleCookie

sent = SimpleCookie(os.environ.get("HTTP_COOKIE", ""))
text = sent["visits"].value if "visits" in sent else ""
# A cookie is kept by the client, so it can be anything.
visits = int(text) + 1 if text.isdecimal() and len(text) < 10 else 1

answer = SimpleCookie()
answer["visits"] = visits
answer["visits"]["httponly"] = True  # not for scripts in the browser
answer["visits"]["samesite"] = "Lax"  # not sent with forms of other sites
answer["visits"]["max-age"] = 86400  # seconds
if os.environ["REQUEST_METHOD"] == "POST":
    answer["visits"]["max-age"] = 0  # deletes it
    text = "Your visits are forgotten."
else:
    text = f"Visits: {visits}"

print("Content-Type: text/html; charset=utf-8")
print(answer)
print()
print(f"<!DOCTYPE html><title>Cookies</title><p>{text}")
print("<form method=post><button>Forget me</button></form>")
