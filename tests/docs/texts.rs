//! The page of the chat server lists every text that it can send.

use super::script::page;

/// The constants of the file that holds the texts, as strings of Rust: (name, text).
fn constants(source: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some((_, after)) = rest.split_once("const ") {
        let Some((name, value)) = after.split_once(": &str = \"") else { break };
        let (text, after) = value.split_once("\";").expect("a string ends");
        found.push((name.to_owned(), text.replace("\\\n", "").replace("\\n", "\n")));
        rest = after;
    }
    found
}

#[test]
fn the_page_lists_every_text_of_the_chat_server() {
    let (texts, page) = (constants(include_str!("../../src/protocol/chat/texts.rs")), page("docs/chat-server.md"));
    assert!(texts.len() >= 15, "only {} texts were found", texts.len());
    for (name, text) in &texts {
        // A text of one line stands in the table, as code; one of several lines is a block.
        let shown = text.strip_suffix('\n').unwrap_or(text);
        let wanted = if shown.contains('\n') { format!("```text\n{shown}\n```") } else { format!("`{shown}`") };
        assert!(page.contains(&wanted), "{name} is not on the page: {wanted}");
    }
}

#[test]
fn the_page_lists_no_text_that_the_chat_server_does_not_have() {
    let texts = constants(include_str!("../../src/protocol/chat/texts.rs"));
    let page = page("docs/chat-server.md");
    let (_, table) = page.split_once("## What the server says").expect("the heading");
    let (table, _) = table.split_once("`/help` answers").expect("the end of the table");
    let rows = table.lines().filter_map(|line| line.split(" | ").nth(1));
    let shown: Vec<_> = rows.filter_map(|cell| cell.split('`').nth(1)).collect();
    assert!(shown.len() >= 15, "only {} rows were found", shown.len());
    for text in shown {
        assert!(texts.iter().any(|(_, known)| known.trim_end_matches('\n') == text), "no such text: {text}");
    }
}
