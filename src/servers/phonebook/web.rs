//! The web door of the phone book.

use std::ops::ControlFlow;
use std::sync::LazyLock;

use super::{Phonebook, PhonebookSession};
use crate::framing::http::{Exchange, Request};
use crate::handler::context::Context;
use crate::servers::line_server::LineServer;
use crate::servers::page::Page;

static PAGE: LazyLock<Page> = LazyLock::new(|| {
    let files =
        [("/phonebook.css", include_str!("web/phonebook.css")), ("/phonebook.js", include_str!("web/phonebook.js"))];
    Page::new(include_str!("web/phonebook.html"), &files)
});

impl LineServer for Phonebook {
    fn line(&mut self, session: &mut PhonebookSession, line: &str, cx: &mut Context<'_>) -> ControlFlow<()> {
        self.obey(session, line, cx)
    }

    fn request(&mut self, request: &Request<'_>, exchange: &mut Exchange, cx: &mut Context<'_>) {
        PAGE.respond(request, exchange, cx);
    }
}
