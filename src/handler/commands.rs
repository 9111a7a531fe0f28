//! The operator's commands: lines at standard input, where lines are commands.
//!
//! Every server knows `help`, `stats`, `who`, `kick` and `quit`. A server with commands of its own runs those itself
//! and passes their descriptions here, so that `help` and the reply to an unknown command list all of them.

mod who;

use crate::handler::context::Context;

/// The description of a command in `help`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CommandHelp {
    /// The command.
    pub(crate) word: &'static str,
    /// The names of its arguments. Empty if it has none.
    pub(crate) arguments: &'static str,
    /// The effect of the command.
    pub(crate) what: &'static str,
}

const HELP: CommandHelp = CommandHelp { word: "help", arguments: "", what: "show this list" };
const STATS: CommandHelp = CommandHelp {
    word: "stats",
    arguments: "",
    what: "show the uptime, connections, traffic, rates and the load of the loop",
};
const WHO: CommandHelp =
    CommandHelp { word: "who", arguments: "[TEXT]", what: "list the connections, or those that match TEXT" };
const KICK: CommandHelp = CommandHelp {
    word: "kick",
    arguments: "NUMBER|NICK [REASON]",
    what: "close a connection, and tell its client the reason",
};
const QUIT: CommandHelp = CommandHelp { word: "quit", arguments: "", what: "stop the server" };

impl CommandHelp {
    /// The command with its arguments, as `help` and a usage line show it.
    pub(crate) fn usage(&self) -> String {
        format!("{} {}", self.word, self.arguments).trim_end().to_owned()
    }
}

/// Runs a line of a server without commands of its own.
pub(crate) fn run(line: &[u8], cx: &mut Context<'_>) {
    run_common(&[], line, cx);
}

/// Runs a line that is not one of the server's `own` commands.
pub(crate) fn run_common(own: &[CommandHelp], line: &[u8], cx: &mut Context<'_>) {
    let line = String::from_utf8_lossy(line);
    let line = line.trim();
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    match (word, rest.trim_start()) {
        ("", _) => {}
        ("help", "") => answer(&help(own), cx),
        ("quit", "") => cx.stop(),
        ("stats", "") => {
            let report = cx.report();
            answer(&report, cx);
        }
        ("who", wanted) => {
            let table = who::table(wanted, cx);
            answer(&table, cx);
        }
        ("kick", "") => answer(&format!("usage: {}; type who for the numbers", KICK.usage()), cx),
        ("kick", rest) => kick(rest, cx),
        _ => answer(&format!("unknown command {line:?}: type {}", choice(own)), cx),
    }
}

/// Closes the connection that the first word of `rest` names. What follows is the reason.
fn kick(rest: &str, cx: &mut Context<'_>) {
    let (wanted, reason) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    match cx.find(wanted)[..] {
        [] => answer(&format!("no connection has the number or nickname {wanted:?}; type who for the list"), cx),
        [found] => {
            let told = format!("kicked {}", cx.peer_of(found));
            cx.kick(found, reason.trim());
            answer(&told, cx);
        }
        ref found => {
            let count = found.len();
            answer(&format!("{count} connections have the nickname {wanted:?}; kick one by its number, see who"), cx);
        }
    }
}

/// Answers the operator with lines. The last one needs no LF.
pub(crate) fn answer(lines: &str, cx: &mut Context<'_>) {
    cx.reply(lines.as_bytes());
    cx.reply(b"\n");
}

/// Whether `word` is a command of every server.
#[cfg(feature = "cli")]
pub(crate) fn is_common(word: &str) -> bool {
    all(&[]).iter().any(|entry| entry.word == word)
}

/// All commands, in the order of `help`.
fn all(own: &[CommandHelp]) -> Vec<CommandHelp> {
    [&[HELP, STATS, WHO, KICK], own, &[QUIT]].concat()
}

fn help(own: &[CommandHelp]) -> String {
    let all: Vec<_> = all(own).iter().map(|entry| (entry.usage(), entry.what)).collect();
    let width = all.iter().map(|(usage, _)| usage.len()).max().unwrap_or(0);
    let lines: Vec<_> = all.iter().map(|(usage, what)| format!("{usage:width$}  {what}")).collect();
    lines.join("\n")
}

/// The command words, such as `help, stats or quit`.
fn choice(own: &[CommandHelp]) -> String {
    let words: Vec<_> = all(own).iter().map(|entry| entry.word).collect();
    let (last, others) = words.split_last().expect("quit is a command");
    format!("{} or {last}", others.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: [CommandHelp; 1] = [CommandHelp { word: "dance", arguments: "STEPS", what: "dance" }];

    #[test]
    fn the_list_stands_in_columns_and_ends_with_quit() {
        assert_eq!(
            help(&[]),
            "help                       show this list\n\
             stats                      show the uptime, connections, traffic, rates and the load of the loop\n\
             who [TEXT]                 list the connections, or those that match TEXT\n\
             kick NUMBER|NICK [REASON]  close a connection, and tell its client the reason\n\
             quit                       stop the server"
        );
        let help = help(&OWN);
        let lines: Vec<_> = help.lines().collect();
        assert_eq!(
            (lines[0], lines[4]),
            ("help                       show this list", "dance STEPS                dance")
        );
        assert_eq!(lines[5], "quit                       stop the server");
    }

    #[test]
    fn an_unknown_command_is_answered_with_all_words() {
        assert_eq!(choice(&[]), "help, stats, who, kick or quit");
        assert_eq!(choice(&OWN), "help, stats, who, kick, dance or quit");
    }
}
