#!/usr/bin/env python3
"""Judges the answers of an http-server with httplint.

usage: tests/audit/http.py PROGRAM

Starts the program with a directory of its own, sends it requests of all kinds, and passes each answer to httplint.
Exit code 0 and one line if there is no error; otherwise 1, and a line for each error. `tests/audit/http` installs
httplint and runs this.
"""

import gzip
import os
import re
import socket
import subprocess
import sys
import tempfile
import time

from httplint import HttpRequestLinter, HttpResponseLinter
from httplint.note import levels

# What httplint says about the request and not about the answer, and what RFC 9110, section 15.3.7.2, demands: the head of
# an answer with several parts has no Content-Range.
EXEMPT = {
    "long target": "STATUS_URI_TOO_LONG",
    "version": "STATUS_VERSION_NOT_SUPPORTED",
    "ranges": "PARTIAL_WITHOUT_RANGE",
    "ranges of a large file": "PARTIAL_WITHOUT_RANGE",
}

DATE = "Sun, 09 Sep 2001 01:46:40 GMT"

# The kind of answer: its status, the request line, and headers of the request.
KINDS = {
    "file": (200, "GET /a.txt HTTP/1.1", {}),
    "HEAD": (200, "HEAD /a.txt HTTP/1.1", {}),
    "large file": (200, "GET /large.bin HTTP/1.1", {}),
    "empty file": (200, "GET /empty.css HTTP/1.1", {}),
    "file without a type": (200, "GET /untyped HTTP/1.1", {}),
    "HTTP/1.0": (200, "GET /a.txt HTTP/1.0", {}),
    "HTTP/1.0, kept": (200, "GET /a.txt HTTP/1.0", {"Connection": "keep-alive"}),
    "absolute target": (200, "GET http://localhost/a.txt HTTP/1.1", {}),
    "index": (200, "GET /site/ HTTP/1.1", {}),
    "listing": (200, "GET / HTTP/1.1", {}),
    "compressed": (200, "GET /page.html HTTP/1.1", {"Accept-Encoding": "gzip"}),
    "not compressed": (200, "GET /page.html HTTP/1.1", {"Accept-Encoding": "identity"}),
    "HEAD compressed": (200, "HEAD /page.html HTTP/1.1", {"Accept-Encoding": "gzip"}),
    "range": (206, "GET /a.txt HTTP/1.1", {"Range": "bytes=1-3"}),
    "ranges": (206, "GET /a.txt HTTP/1.1", {"Range": "bytes=1-3,6-7"}),
    "ranges of a large file": (206, "GET /large.bin HTTP/1.1", {"Range": "bytes=1-3,70000-70001"}),
    "If-Range": (206, "GET /a.txt HTTP/1.1", {"Range": "bytes=1-3", "If-Range": DATE}),
    "range of a compressed file": (206, "GET /page.html HTTP/1.1", {"Range": "bytes=1-3", "Accept-Encoding": "gzip"}),
    "script": (200, "GET /cgi-bin/document HTTP/1.1", {}),
    "script without a length": (200, "GET /cgi-bin/stream HTTP/1.1", {}),
    "script without a length, HTTP/1.0": (200, "GET /cgi-bin/stream HTTP/1.0", {}),
    "script, HEAD": (200, "HEAD /cgi-bin/document HTTP/1.1", {}),
    "script, client redirect": (302, "GET /cgi-bin/away HTTP/1.1", {}),
    "script, local redirect": (200, "GET /cgi-bin/local HTTP/1.1", {}),
    "script, status": (404, "GET /cgi-bin/status HTTP/1.1", {}),
    "script, crash": (500, "GET /cgi-bin/crash HTTP/1.1", {}),
    "script, not executable": (403, "GET /cgi-bin/plain HTTP/1.1", {}),
    "OPTIONS": (204, "OPTIONS /a.txt HTTP/1.1", {}),
    "OPTIONS of all": (204, "OPTIONS * HTTP/1.1", {}),
    "directory": (301, "GET /site HTTP/1.1", {}),
    "directory with a query": (301, "GET /site?a=b HTTP/1.1", {}),
    "tag not changed": (304, "GET /a.txt HTTP/1.1", {"If-None-Match": "*"}),
    "date not changed": (304, "GET /a.txt HTTP/1.1", {"If-Modified-Since": DATE}),
    "HEAD not changed": (304, "HEAD /page.html HTTP/1.1", {"If-None-Match": "*"}),
    "malformed path": (400, "GET /%zz HTTP/1.1", {}),
    "malformed head": (400, "GET /a.txt HTTP/1.1", {"Host": "a b"}),
    "missing": (404, "GET /missing HTTP/1.1", {}),
    "HEAD missing": (404, "HEAD /missing HTTP/1.1", {}),
    "method": (405, "POST /a.txt HTTP/1.1", {"Content-Length": "0"}),
    "precondition": (412, "GET /a.txt HTTP/1.1", {"If-Match": '"x"'}),
    "long target": (414, "GET /" + "x" * 20_000 + " HTTP/1.1", {}),
    "unsatisfiable range": (416, "GET /a.txt HTTP/1.1", {"Range": "bytes=10-"}),
    "expectation": (417, "GET /a.txt HTTP/1.1", {"Expect": "x"}),
    "long header": (431, "GET /a.txt HTTP/1.1", {"X": "x" * 20_000}),
    "unknown method": (501, "BREW /a.txt HTTP/1.1", {}),
    "version": (505, "GET /a.txt HTTP/2.0", {}),
}

SCRIPTS = {
    "document": "Content-Type: text/plain\nContent-Length: 3\n\nhi\n",
    "stream": "Content-Type: text/plain; charset=utf-8\n\nhi\n",
    "away": "Location: http://localhost/elsewhere\n\n",
    "local": "Location: /a.txt\n\n",
    "status": "Status: 404 Not Found\nContent-Type: text/plain\n\nnothing\n",
    "crash": "",
}


def write_files(place):
    """Writes the files, all with an old time of change."""
    page = b"<!DOCTYPE html>\n<title>A page</title>\n"
    os.mkdir(f"{place}/site")
    files = {
        "a.txt": b"0123456789",
        "large.bin": bytes(100_000),
        "empty.css": b"",
        "untyped": b"?",
        "site/index.html": page,
        "page.html": page,
        "page.html.gz": gzip.compress(page),
    }
    for name, content in files.items():
        with open(f"{place}/{name}", "wb") as file:
            file.write(content)
        os.utime(f"{place}/{name}", (1_000_000_000, 1_000_000_000))
    os.mkdir(f"{place}/cgi-bin")
    open(f"{place}/cgi-bin/plain", "w").close()
    for name, output in SCRIPTS.items():
        with open(f"{place}/cgi-bin/{name}", "w", encoding="ascii") as file:
            file.write(f"#!/bin/sh\nprintf '%s' '{output}'\n")
        os.chmod(file.name, 0o755)


def ask(port, topline, headers):
    """Sends a request on a connection of its own, and returns all that comes back."""
    lines = [topline, *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall("\r\n".join(lines).encode())
        if headers["Connection"] != "close":
            connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def unchunk(body):
    """Returns the bytes of a body in chunks, and whether it is complete."""
    whole = b""
    while True:
        size, _, body = body.partition(b"\r\n")
        size = int(size, 16)
        if size == 0:
            return whole, body == b"\r\n"
        whole, body = whole + body[:size], body[size + 2 :]


def judge(topline, headers, answer):
    """Returns the status of an answer, and what is wrong with it: names and summaries of httplint."""
    method, target, version = topline.split(" ")
    request = HttpRequestLinter(start_time=time.time())
    request.process_request_topline(method.encode(), target.encode(), version[5:].encode())
    request.process_headers([(name.encode(), value.encode()) for name, value in headers.items()])
    request.finish_content(True)

    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    version, status, phrase = first.split(b" ", 2)
    fields = [tuple(line.split(b": ", 1)) for line in lines]
    is_complete = True
    if (b"Transfer-Encoding", b"chunked") in fields:
        body, is_complete = unchunk(body)
    response = HttpResponseLinter(start_time=time.time(), _related=request)
    response.is_head_response = method == "HEAD"
    response.process_response_topline(version[5:], status, phrase)
    response.process_headers(fields)
    response.feed_content(body)
    response.finish_content(is_complete)
    wrong = [(type(note).__name__, note.summary) for note in response.notes if note.level == levels.BAD]
    return int(status), wrong + ([] if is_complete else [("INCOMPLETE", "it is not complete")])


def main():
    with tempfile.TemporaryDirectory() as place:
        write_files(place)
        flags = ["--cgi", "--header", "X-Served-By: me", "--cache-control", "max-age=60"]
        server = [sys.argv[1], "--listen", "127.0.0.1:0", *flags, place]
        with subprocess.Popen(server, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            port = int(re.search(r"\d+$", process.stdout.readline())[0])
            wrong = []
            for kind, (want, topline, headers) in KINDS.items():
                headers = {"Host": "localhost", "User-Agent": "audit", "Connection": "close", **headers}
                status, found = judge(topline, headers, ask(port, topline, headers))
                wrong += [f"{kind}: {status}, not {want}"] if status != want else []
                wrong += [f"{kind}: {summary}" for name, summary in found if name != EXEMPT.get(kind)]
            process.stdin.close()
    print(*wrong, f"{len(KINDS)} kinds of answers, {len(wrong)} errors", sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
