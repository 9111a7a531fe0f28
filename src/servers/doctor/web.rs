//! The web door of the doctor.

use std::ops::ControlFlow;
use std::sync::LazyLock;

use super::handler::{Doctor, DoctorSession};
use crate::framing::http::{Exchange, Request};
use crate::handler::context::Context;
use crate::servers::line_server::LineServer;
use crate::servers::page::Page;

static PAGE: LazyLock<Page> =
    LazyLock::new(|| Page::new(include_str!("web/doctor.html"), &[("/doctor.js", include_str!("web/doctor.js"))]));

impl LineServer for Doctor {
    fn line(&mut self, session: &mut DoctorSession, line: &str, cx: &mut Context<'_>) -> ControlFlow<()> {
        self.hear(session, line.as_bytes(), cx)
    }

    fn request(&mut self, request: &Request<'_>, exchange: &mut Exchange, cx: &mut Context<'_>) {
        PAGE.respond(request, exchange, cx);
    }
}
