//! What an operator may type at standard input, where lines are commands.
//!
//! Every server knows `help`, `stats`, `who`, `kick` and `quit`. A server with commands of its own carries those out
//! itself, and names them here, so that `help` and the answer to an unknown command list all of them.

use crate::handler::context::Context;

/// A command, as `help` lists it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CommandHelp {
    /// Its word, and what follows it.
    pub(crate) usage: &'static str,
    /// What it does.
    pub(crate) what: &'static str,
}

const HELP: CommandHelp = CommandHelp { usage: "help", what: "this list" };
const STATS: CommandHelp =
    CommandHelp { usage: "stats", what: "connections, refused, bytes, queues, timers, turns, drops" };
const WHO: CommandHelp = CommandHelp { usage: "who", what: "who is connected, by number" };
const KICK: CommandHelp = CommandHelp { usage: "kick NUMBER", what: "close a connection" };
const QUIT: CommandHelp = CommandHelp { usage: "quit", what: "stop the server" };

/// Carries out one line of a server without commands of its own.
pub(crate) fn run(line: &[u8], cx: &mut Context<'_>) {
    run_beside(&[], line, cx);
}

/// Carries out one line that is none of the server's `own` commands.
pub(crate) fn run_beside(own: &[CommandHelp], line: &[u8], cx: &mut Context<'_>) {
    match line.trim_ascii() {
        b"" => {}
        b"help" => cx.write_stderr(&help(own)),
        b"quit" => cx.stop(),
        b"stats" => cx.write_stderr(&cx.stats().to_string()),
        b"who" => cx.write_stderr(&who(cx)),
        other => match String::from_utf8_lossy(other).strip_prefix("kick ").map(str::trim) {
            Some(number) if cx.kick(number) => {}
            Some(number) => cx.write_stderr(&format!("nobody has the number {number:?}: who lists them")),
            None => {
                let other = String::from_utf8_lossy(other);
                cx.write_stderr(&format!("unknown command {other:?}: type {}", choice(own)));
            }
        },
    }
}

/// All commands, in the order of the list.
fn all(own: &[CommandHelp]) -> Vec<CommandHelp> {
    [&[HELP, STATS, WHO, KICK], own, &[QUIT]].concat()
}

fn help(own: &[CommandHelp]) -> String {
    let all = all(own);
    let width = all.iter().map(|entry| entry.usage.len()).max().unwrap_or(0);
    let lines: Vec<_> = all.iter().map(|entry| format!("{:width$}  {}", entry.usage, entry.what)).collect();
    lines.join("\n")
}

/// So many are listed: more than anybody reads, and less than fills a terminal's memory.
const LISTED: usize = 100;

/// Who is connected, a line each.
fn who(cx: &Context<'_>) -> String {
    let mut lines: Vec<String> = cx.connections().take(LISTED).collect();
    let count = cx.stats().connections;
    if count > lines.len() {
        lines.push(format!("and {} more", count - lines.len()));
    }
    if lines.is_empty() { "nobody is connected".to_owned() } else { lines.join("\n") }
}

/// `help, stats or quit`
fn choice(own: &[CommandHelp]) -> String {
    let words: Vec<_> = all(own).iter().filter_map(|entry| entry.usage.split(' ').next()).collect();
    let (last, others) = words.split_last().expect("quit is a command");
    format!("{} or {last}", others.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: [CommandHelp; 1] = [CommandHelp { usage: "dance STEPS", what: "dance" }];

    #[test]
    fn the_list_stands_in_columns_and_ends_with_quit() {
        assert_eq!(
            help(&[]),
            "help         this list\n\
             stats        connections, refused, bytes, queues, timers, turns, drops\n\
             who          who is connected, by number\n\
             kick NUMBER  close a connection\n\
             quit         stop the server"
        );
        let help = help(&OWN);
        let lines: Vec<_> = help.lines().collect();
        assert_eq!((lines[0], lines[4]), ("help         this list", "dance STEPS  dance"));
        assert_eq!(lines[5], "quit         stop the server");
    }

    #[test]
    fn who_mistypes_is_told_all_the_words() {
        assert_eq!(choice(&[]), "help, stats, who, kick or quit");
        assert_eq!(choice(&OWN), "help, stats, who, kick, dance or quit");
    }
}
