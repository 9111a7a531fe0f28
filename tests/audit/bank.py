#!/usr/bin/env python3
"""Audits the books of a bank-server against what its clients were told.

usage: tests/audit/bank.py DATA TRANSCRIPT

DATA is the data file. TRANSCRIPT has a line for each request, in the order in which each session made them:

    SESSION <tab> ACCOUNT <tab> REQUEST <tab> ANSWER

ACCOUNT is the account of the session. The ANSWER is empty where none came. PINs are left out. The operator is the
session `operator`. Amounts that are paid in, out and over have to differ from one another: they are how requests are told
apart.

Nothing here is taken from the server: every balance is computed anew from the journal, with Python's own numbers.
Exit code 0 and one line if all is well; otherwise 1, and a line for each thing that is wrong.
"""

import sqlite3
import sys
from collections import defaultdict

KINDS = {"DEPOSIT": "deposit", "WITHDRAW": "withdrawal", "TRANSFER": "transfer"}


def cents(text):
    """12.50 as 1250."""
    units, _, fraction = text.partition(".")
    return int(units) * 100 + int((fraction + "00")[:2])


class Audit:
    def __init__(self, data, transcript):
        self.wrong = []
        # Read only, beside a server that may be writing; one transaction, so that all of it is of one moment.
        self.db = sqlite3.connect(f"file:{data}?mode=ro", uri=True, isolation_level=None)
        self.db.execute("BEGIN")
        self.accounts = list(self.db.execute("SELECT id, name, balance FROM account ORDER BY id"))
        self.names = {number: name.lower() for number, name, _ in self.accounts}
        self.rows = list(self.db.execute("SELECT entry, kind, payer, receiver, amount FROM journal ORDER BY entry"))
        with open(transcript, encoding="utf-8") as file:
            self.requests = [line.rstrip("\n").split("\t") for line in file]
        # The balance of the paying and of the receiving account after each row, by (entry, account).
        self.after = {}
        self.interest_runs = 0

    def complain(self, text):
        self.wrong.append(text)

    def whole(self):
        """The file itself is sound."""
        for pragma in ("integrity_check", "foreign_key_check"):
            found = [row for row in self.db.execute(f"PRAGMA {pragma}") if row != ("ok",)]
            if found:
                self.complain(f"{pragma}: {found[:5]}")

    def replay(self):
        """Carries out the journal, row by row, and compares what comes of it with the balances."""
        held = defaultdict(int)
        rates = {int(cents(request.split()[1])) for _, _, request, _ in self.requests if request.startswith("interest ")}
        at = 0
        while at < len(self.rows):
            if self.rows[at][1] == "interest":
                at = self.replay_interest(at, held, rates)
                continue
            entry, _, payer, receiver, amount = self.rows[at]
            for account, change in ((payer, -amount), (receiver, amount)):
                if account is not None:
                    held[account] += change
                    self.after[entry, account] = held[account]
                    if held[account] < 0:
                        self.complain(f"entry {entry} overdraws account {account}")
            at += 1
        for number, name, balance in self.accounts:
            if balance != held[number]:
                self.complain(f"{name} has {balance}, the journal says {held[number]}")

    def replay_interest(self, start, held, rates):
        """Interest is paid to all accounts at once, or to none. Returns where the next row is."""
        for rate in rates:
            due = [(number, held[number] * rate // 10000) for number, _, _ in self.accounts]
            due = [(number, amount) for number, amount in due if amount > 0]
            found = [(receiver, amount) for _, _, _, receiver, amount in self.rows[start : start + len(due)]]
            if due and found == due and all(row[1] == "interest" for row in self.rows[start : start + len(due)]):
                for number, amount in due:
                    held[number] += amount
                self.interest_runs += 1
                return start + len(due)
        self.complain(f"entry {self.rows[start][0]} begins no whole run of interest at a rate of {sorted(rates)}")
        for row in self.rows[start:]:
            if row[1] != "interest":
                break
            held[row[3]] += row[4]
            start += 1
        return start

    def compare(self):
        """Finds the row of each request, and a request for each row."""
        by_amount = defaultdict(list)
        for row in self.rows:
            if row[1] != "interest":
                by_amount[row[4]].append(row)
        claimed = set()
        last = {}  # by session: the last entry, and whether a request after it was not reached
        counts = defaultdict(int)
        for session, account, request, answer in self.requests:
            word, *rest = request.split()
            if word not in KINDS:
                continue
            place = f"{session}: {request!r}"
            amount = cents(rest[-1])
            other = rest[0].lower() if word == "TRANSFER" else None
            payer, receiver = (None, account.lower()) if word == "DEPOSIT" else (account.lower(), other)
            rows = by_amount[amount]
            if amount in claimed:
                self.complain(f"{place}: the amount is not unique, so nothing can be said")
                continue
            claimed.add(amount)
            if len(rows) > 1:
                self.complain(f"{place}: booked {len(rows)} times")
            row = rows[0] if rows else None
            if row is not None:
                entry, kind, paid_by, paid_to, _ = row
                if (kind, self.names.get(paid_by), self.names.get(paid_to)) != (KINDS[word], payer, receiver):
                    self.complain(f"{place}: booked as {row}")
                before, has_gap = last.get(session, (0, False))
                if entry <= before or has_gap:
                    self.complain(f"{place}: entry {entry} is out of order")
                last[session] = (entry, False)
            words = answer.split()
            if words[:2] == ["ok", "entry"]:
                counts["acknowledged"] += 1
                if row is None:
                    self.complain(f"{place}: acknowledged by {answer!r}, and not in the journal")
                    continue
                own = paid_to if word == "DEPOSIT" else paid_by
                if int(words[2]) != entry or cents(words[4]) != self.after.get((entry, own)):
                    self.complain(f"{place}: acknowledged by {answer!r}, booked as {row}")
            elif answer.startswith("error "):
                counts["refused"] += 1
                if row is not None:
                    self.complain(f"{place}: refused by {answer!r}, and booked as {row}")
            elif answer:
                self.complain(f"{place}: what is {answer!r}?")
            else:
                counts["unanswered"] += 1
                counts["unanswered and booked"] += row is not None
                if row is None and word == "DEPOSIT":
                    # It was not refused, since none is. So it was not reached, and nothing after it was.
                    last[session] = (last.get(session, (0, False))[0], True)
        for row in self.rows:
            if row[1] != "interest" and row[4] not in claimed:
                self.complain(f"nobody asked for {row}")
        return counts

    def others(self):
        """Accounts that were opened are there, those that were closed are closed, and interest was paid as told."""
        known = set(self.names.values())
        closed = {name.lower() for (name,) in self.db.execute("SELECT name FROM account WHERE closed IS NOT NULL")}
        ends = {account.lower() for _, account, request, _ in self.requests if request == "CLOSE"}
        for name in sorted(closed - ends):
            self.complain(f"{name} is closed without a request")
        asked = told = 0
        for session, account, request, answer in self.requests:
            if request == "CLOSE" and answer.startswith("ok closed ") and account.lower() not in closed:
                self.complain(f"{session}: {request!r} was acknowledged, and {account} is not closed")
            if request.startswith("OPEN ") and answer.startswith("ok opened "):
                if request.split()[1].lower() not in known:
                    self.complain(f"{session}: {request!r} was acknowledged, and there is no such account")
            if request.startswith("interest "):
                asked += 1
                told += bool(answer)
        if not told <= self.interest_runs <= asked:
            self.complain(f"interest was asked for {asked} times, told of {told} times, paid {self.interest_runs} times")

    def run(self):
        self.whole()
        self.replay()
        counts = self.compare()
        self.others()
        for text in self.wrong:
            print(text)
        if self.wrong:
            return 1
        figures = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
        print(f"{len(self.rows)} entries, {self.interest_runs} runs of interest; {figures or 'no requests'}")
        return 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(Audit(*sys.argv[1:]).run())
