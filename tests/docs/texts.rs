//! The pages of the servers that speak in sentences list every text that they can send, and no other.

use super::script::page;

/// The texts of a server, and its page.
struct Texts {
    source: &'static str,
    page: &'static str,
    /// Fewer would mean that they were not found.
    least: usize,
}

const ALL: [Texts; 4] = [
    Texts { source: include_str!("../../src/servers/bank/texts.rs"), page: "docs/bank-server.md", least: 15 },
    Texts { source: include_str!("../../src/servers/chat/texts.rs"), page: "docs/chat-server.md", least: 15 },
    Texts {
        source: include_str!("../../src/servers/doctor/handler/texts.rs"),
        page: "docs/doctor-server.md",
        least: 5,
    },
    Texts { source: include_str!("../../src/servers/phonebook/texts.rs"), page: "docs/phonebook-server.md", least: 15 },
];

impl Texts {
    /// The constants of the source, which are strings of Rust: (name, text).
    fn constants(&self) -> Vec<(&'static str, String)> {
        let pieces = self.source.split("const ").skip(1);
        let found = pieces.filter_map(|piece| piece.split_once(": &str ="));
        let found: Vec<_> = found.map(|(name, value)| (name, literal(value))).collect();
        assert!(found.len() >= self.least, "only {} texts were found for {}", found.len(), self.page);
        found
    }
}

/// The string of Rust that a text begins with.
fn literal(source: &str) -> String {
    let (_, quoted) = source.split_once('"').expect("a string begins");
    let mut text = String::new();
    let mut rest = quoted.chars();
    loop {
        match rest.next().expect("a string ends") {
            '"' => return text,
            '\\' => match rest.next().expect("something is escaped") {
                'n' => text.push('\n'),
                '\n' => rest = rest.as_str().trim_start().chars(),
                same => text.push(same),
            },
            same => text.push(same),
        }
    }
}

#[test]
fn the_pages_list_every_text_of_their_servers() {
    for texts in ALL {
        let page = page(texts.page);
        for (name, text) in texts.constants() {
            // A text of one line stands in the table, as code; one of several lines is a block.
            let shown = text.strip_suffix('\n').unwrap_or(&text);
            let wanted = if shown.contains('\n') { format!("```text\n{shown}\n```") } else { format!("`{shown}`") };
            assert!(page.contains(&wanted), "{name} is not on {}: {wanted}", texts.page);
        }
    }
}

#[test]
fn the_pages_list_no_text_that_their_servers_do_not_have() {
    for texts in ALL {
        let (known, page) = (texts.constants(), page(texts.page));
        let (_, after) = page.split_once("## What the server says").expect("the heading");
        let (section, _) = after.split_once("\n## ").expect("another heading follows");
        let rows = section.lines().filter(|line| line.starts_with('|')).filter_map(|line| line.split(" | ").nth(1));
        let shown: Vec<_> = rows.filter_map(|cell| cell.split('`').nth(1)).collect();
        assert!(shown.len() >= texts.least, "only {} rows were found on {}", shown.len(), texts.page);
        for text in shown {
            let is_known = known.iter().any(|(_, known)| known.trim_end_matches('\n') == text);
            assert!(is_known, "no such text on {}: {text}", texts.page);
        }
    }
}
