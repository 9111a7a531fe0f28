#!/usr/bin/env python3
# Check boxes: several values of one name. A box that is not checked is not sent.

import html
import os
from urllib.parse import parse_qs

toppings = parse_qs(os.environ["QUERY_STRING"]).get("topping", [])

print("Content-Type: text/html; charset=utf-8")
print()
print("<!DOCTYPE html><title>Check boxes</title>")
if toppings:
    print("<p>Your pizza comes with:<ul>")
    for topping in toppings:
        print(f"<li>{html.escape(topping)}")
    print("</ul>")
else:
    print("<p>Your pizza comes without toppings.")
