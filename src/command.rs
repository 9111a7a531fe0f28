//! What an operator may type at standard input, where lines are commands.
//!
//! Every server knows `help`, `stats` and `quit`. A server with commands of its own carries those out itself, and names them
//! here, so that `help` and the answer to an unknown command list all of them.

use crate::context::Context;

/// A command, as `help` lists it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// Its word, and what follows it.
    pub(crate) usage: &'static str,
    /// What it does.
    pub(crate) what: &'static str,
}

const HELP: Entry = Entry { usage: "help", what: "this list" };
const STATS: Entry = Entry { usage: "stats", what: "connections, accepted, refused, bytes, queued" };
const QUIT: Entry = Entry { usage: "quit", what: "stop the server" };

/// Carries out one line of a server without commands of its own.
pub(crate) fn run(line: &[u8], cx: &mut Context<'_>) {
    run_beside(&[], line, cx);
}

/// Carries out one line that is none of the server's `own` commands.
pub(crate) fn run_beside(own: &[Entry], line: &[u8], cx: &mut Context<'_>) {
    match line.trim_ascii() {
        b"" => {}
        b"help" => cx.tell(&help(own)),
        b"quit" => cx.stop(),
        b"stats" => {
            let stats = cx.stats();
            cx.tell(&format!(
                "connections {}, accepted {}, refused {}, bytes in {}, bytes out {}, queued {}",
                stats.connections, stats.accepted, stats.refused, stats.bytes_in, stats.bytes_out, stats.queued
            ));
        }
        other => {
            let other = String::from_utf8_lossy(other);
            cx.tell(&format!("unknown command {other:?}: type {}", choice(own)));
        }
    }
}

/// All commands, in the order of the list.
fn all(own: &[Entry]) -> Vec<Entry> {
    [&[HELP, STATS], own, &[QUIT]].concat()
}

fn help(own: &[Entry]) -> String {
    let all = all(own);
    let width = all.iter().map(|entry| entry.usage.len()).max().unwrap_or(0);
    let lines: Vec<_> = all.iter().map(|entry| format!("{:width$}  {}", entry.usage, entry.what)).collect();
    lines.join("\n")
}

/// `help, stats or quit`
fn choice(own: &[Entry]) -> String {
    let words: Vec<_> = all(own).iter().filter_map(|entry| entry.usage.split(' ').next()).collect();
    let (last, others) = words.split_last().expect("quit is a command");
    format!("{} or {last}", others.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: [Entry; 1] = [Entry { usage: "dance STEPS", what: "dance" }];

    #[test]
    fn the_list_stands_in_columns_and_ends_with_quit() {
        assert_eq!(
            help(&[]),
            "help   this list\nstats  connections, accepted, refused, bytes, queued\nquit   stop the server"
        );
        let help = help(&OWN);
        let lines: Vec<_> = help.lines().collect();
        assert_eq!((lines[0], lines[2]), ("help         this list", "dance STEPS  dance"));
        assert_eq!(lines[3], "quit         stop the server");
    }

    #[test]
    fn who_mistypes_is_told_all_the_words() {
        assert_eq!(choice(&[]), "help, stats or quit");
        assert_eq!(choice(&OWN), "help, stats, dance or quit");
    }
}
