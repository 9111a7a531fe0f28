//! The manual page of a program (man-pages(7)): its options, its examples, and what all programs share.

use std::io;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

/// Returns the page of a program in roff.
pub(crate) fn page(command: Command) -> io::Result<Vec<u8>> {
    let name = command.get_name().to_owned();
    let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").to_owned();
    let commands: Vec<_> = command.get_subcommands().map(described).collect();
    let source = format!("switchboard {}", command.get_version().unwrap_or_default());
    let command = command.after_help("").override_usage(usage);
    let man = Man::new(command);
    let mut text = Vec::new();
    // A date would change the page without a change of the program.
    let mut title = Roff::new();
    title.control("TH", [&*name.to_uppercase(), "1", "", &source, "Switchboard"]);
    title.to_writer(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if !commands.is_empty() {
        render_table("COMMANDS", &commands.iter().map(|(usage, about)| (&**usage, &**about)).collect::<Vec<_>>())
            .to_writer(&mut text)?;
    }
    if examples.contains("Examples:") {
        render_examples(&examples).to_writer(&mut text)?;
    }
    let is_server = name != "line-client";
    render_table("EXIT STATUS", if is_server { &SERVER_EXITS } else { &CLIENT_EXITS }).to_writer(&mut text)?;
    if is_server {
        render_table("SIGNALS", &SIGNALS).to_writer(&mut text)?;
        render_table("ENVIRONMENT", &SERVER_ENVIRONMENT).to_writer(&mut text)?;
    } else {
        render_table("ENVIRONMENT", &[LOG]).to_writer(&mut text)?;
    }
    render_see_also(&name).to_writer(&mut text)?;
    Ok(text)
}

/// The usage of a command, and what it does.
fn described(command: &Command) -> (String, String) {
    let usage = command.clone().render_usage().to_string();
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    (usage.trim_start_matches("Usage: ").to_owned(), format!("{about}."))
}

const SERVER_EXITS: [(&str, &str); 3] = [
    ("0", "The server was asked to stop: at standard input, by a signal, or by the operator."),
    ("1", "The server could not start, or failed. One line on standard error gives the reason."),
    ("2", "The command line is wrong."),
];

const CLIENT_EXITS: [(&str, &str); 3] = [
    ("0", "The conversation has ended."),
    ("1", "The server could not be reached, or the connection was lost. One line on standard error gives the reason."),
    ("2", "The command line is wrong."),
];

const SIGNALS: [(&str, &str); 5] = [
    ("SIGTERM, SIGINT", "Stop after clients have received their queued output. A second one stops at once."),
    ("SIGHUP", "Open log files and certificates again. At a terminal, stop."),
    ("SIGUSR1", "Log the figures of the server."),
    ("SIGUSR2", "Replace this process by the program as it is on the disk now. No new client is refused."),
    ("SIGTSTP, SIGCONT", "Suspend and go on, as the shell does with Ctrl-Z and fg."),
];

const LOG: (&str, &str) =
    ("RUST_LOG", "The level of the log (error, warn, info, debug, trace), which takes precedence over -v and -q.");

const SERVER_ENVIRONMENT: [(&str, &str); 3] = [
    LOG,
    ("LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES", "Sockets that a service manager passes, see sd_listen_fds(3)."),
    ("NOTIFY_SOCKET", "Where the server reports that it is ready, see sd_notify(3)."),
];

/// Each example is a command and, after two or more blanks, what it does.
fn render_examples(text: &str) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXAMPLES"]);
    for line in text.lines().filter(|line| line.starts_with("  ")) {
        let (command, effect) = line.trim().split_once("  ").unwrap_or((line.trim(), ""));
        roff.control("TP", []);
        roff.text([bold(command)]);
        roff.text([roman(effect.trim())]);
    }
    roff
}

fn render_table(title: &str, rows: &[(&str, &str)]) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", [title]);
    for (term, text) in rows {
        roff.control("TP", []);
        roff.text([bold(*term)]);
        roff.text([roman(*text)]);
    }
    roff
}

fn render_see_also(name: &str) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["SEE ALSO"]);
    let others = ["line-client", "switchboard", "nc"].into_iter().filter(|other| *other != name);
    let mut words: Vec<Inline> = Vec::new();
    for other in others {
        words.extend([bold(other), roman("(1), ")]);
    }
    words.extend([roman("and the pages of the project in "), italic("docs"), roman(".")]);
    roff.text(words);
    roff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_the_options_and_examples_of_its_program() {
        let command = Command::new("try-server")
            .version("1.2")
            .about("Tries")
            .arg(clap::Arg::new("level").long("level").help("How much"))
            .after_help("Examples:\n  try-server --level 5          much\n  try-server");
        let text = String::from_utf8(page(command).expect("a page")).expect("UTF-8");
        for wanted in
            ["TRY-SERVER", "Tries", "How much", ".SH EXAMPLES", "\\-\\-level 5", "much", ".SH SIGNALS", "switchboard"]
        {
            assert!(text.contains(wanted), "no {wanted} in {text}");
        }
    }
}
