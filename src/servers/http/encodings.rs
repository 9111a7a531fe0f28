//! The encodings of files that clients accept.

use bitflags::bitflags;

use crate::framing::http::Headers;

bitflags! {
    /// Encodings of siblings of a file: `page.html.gz`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct Encodings: u8 {
        const GZIP = 1;
        const BR = 2;
    }
}

impl Encodings {
    /// Returns the encodings that a client accepts (RFC 9110, section 12.5.3). Weights other than 0 count alike.
    pub(super) fn accepted(headers: Headers<'_>) -> Self {
        let mut accepted = Encodings::empty();
        for value in headers.all("Accept-Encoding").filter_map(|value| str::from_utf8(value).ok()) {
            for element in value.split(',') {
                let (name, weight) = element.split_once(';').unwrap_or((element, ""));
                let weight = weight.trim().trim_start_matches(['q', 'Q', '=', ' ']);
                let is_refused = !weight.is_empty() && weight.chars().all(|c| c == '0' || c == '.');
                match name.trim() {
                    _ if is_refused => {}
                    name if name.eq_ignore_ascii_case("gzip") => accepted |= Encodings::GZIP,
                    name if name.eq_ignore_ascii_case("br") => accepted |= Encodings::BR,
                    _ => {}
                }
            }
        }
        accepted
    }

    /// The name of one encoding.
    pub(super) fn name(self) -> &'static str {
        if self == Encodings::BR { "br" } else { "gzip" }
    }

    /// What one encoding adds to the name of a file.
    pub(super) fn suffix(self) -> &'static str {
        if self == Encodings::BR { ".br" } else { ".gz" }
    }
}
