//! The operator's commands: lines at standard input, where lines are commands.
//!
//! Every server knows `help`, `stats`, `who`, `kick` and `quit`. A server with commands of its own runs those itself
//! and passes their descriptions here, so that `help` and the reply to an unknown command list all of them.

use crate::handler::context::Context;

/// The description of a command in `help`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CommandHelp {
    /// The command word and its arguments.
    pub(crate) usage: &'static str,
    /// The effect of the command.
    pub(crate) what: &'static str,
}

const HELP: CommandHelp = CommandHelp { usage: "help", what: "show this list" };
const STATS: CommandHelp =
    CommandHelp { usage: "stats", what: "show connections, bytes, queues, timers, turns and drops" };
const WHO: CommandHelp = CommandHelp { usage: "who", what: "list the connections by number" };
const KICK: CommandHelp = CommandHelp { usage: "kick NUMBER", what: "close a connection" };
const QUIT: CommandHelp = CommandHelp { usage: "quit", what: "stop the server" };

/// Runs a line of a server without commands of its own.
pub(crate) fn run(line: &[u8], cx: &mut Context<'_>) {
    run_common(&[], line, cx);
}

/// Runs a line that is not one of the server's `own` commands.
pub(crate) fn run_common(own: &[CommandHelp], line: &[u8], cx: &mut Context<'_>) {
    match line.trim_ascii() {
        b"" => {}
        b"help" => cx.write_stderr(&help(own)),
        b"quit" => cx.stop(),
        b"stats" => cx.write_stderr(&cx.stats().to_string()),
        b"kick" => cx.write_stderr("kick needs a number; type who for the list"),
        b"who" => cx.write_stderr(&who(cx)),
        other => match String::from_utf8_lossy(other).strip_prefix("kick ").map(str::trim) {
            Some(number) if cx.kick(number) => {}
            Some(number) => cx.write_stderr(&format!("no connection has the number {number:?}; type who for the list")),
            None => {
                let other = String::from_utf8_lossy(other);
                cx.write_stderr(&format!("unknown command {other:?}: type {}", choice(own)));
            }
        },
    }
}

/// All commands, in the order of `help`.
fn all(own: &[CommandHelp]) -> Vec<CommandHelp> {
    [&[HELP, STATS, WHO, KICK], own, &[QUIT]].concat()
}

fn help(own: &[CommandHelp]) -> String {
    let all = all(own);
    let width = all.iter().map(|entry| entry.usage.len()).max().unwrap_or(0);
    let lines: Vec<_> = all.iter().map(|entry| format!("{:width$}  {}", entry.usage, entry.what)).collect();
    lines.join("\n")
}

/// The most connections that `who` lists: a screen or two, not the memory of a terminal.
const MOST_LISTED: usize = 100;

/// The list of connections, one a line.
fn who(cx: &Context<'_>) -> String {
    let mut lines: Vec<String> = cx.connections().take(MOST_LISTED).collect();
    let count = cx.stats().connections;
    if count > lines.len() {
        lines.push(format!("and {} more", count - lines.len()));
    }
    if lines.is_empty() { "no connections".to_owned() } else { lines.join("\n") }
}

/// The command words, such as `help, stats or quit`.
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
            "help         show this list\n\
             stats        show connections, bytes, queues, timers, turns and drops\n\
             who          list the connections by number\n\
             kick NUMBER  close a connection\n\
             quit         stop the server"
        );
        let help = help(&OWN);
        let lines: Vec<_> = help.lines().collect();
        assert_eq!((lines[0], lines[4]), ("help         show this list", "dance STEPS  dance"));
        assert_eq!(lines[5], "quit         stop the server");
    }

    #[test]
    fn an_unknown_command_is_answered_with_all_words() {
        assert_eq!(choice(&[]), "help, stats, who, kick or quit");
        assert_eq!(choice(&OWN), "help, stats, who, kick, dance or quit");
    }
}
