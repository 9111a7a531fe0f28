//! What an operator may type at standard input, where lines are commands.

use crate::context::Context;

const HELP: &str = "\
help   this list
stats  connections, accepted, refused, bytes, queued
quit   stop the server";

/// Carries out one line.
pub(crate) fn run(line: &[u8], cx: &mut Context<'_>) {
    match line.trim_ascii() {
        b"" => {}
        b"help" => cx.tell(HELP),
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
            cx.tell(&format!("unknown command {other:?}: type help, stats or quit"));
        }
    }
}
