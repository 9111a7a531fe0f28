//! What clients add to lines, read plainly.

/// The byte order mark of UTF-8, which is dropped before the first line.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A line without the commands of Telnet.
pub(crate) fn without_telnet(line: &[u8]) -> Vec<u8> {
    let (used, text) = match line {
        [] => return Vec::new(),
        [255, 255, ..] => (2, &line[..1]),
        [255, 250, ..] => {
            let end = (2..line.len()).find(|&at| line[at..].starts_with(&[255, 240]));
            (end.map_or(line.len(), |end| end + 2), &[][..])
        }
        [255, 251..=254, _, ..] => (3, &[][..]),
        [255, 240..=254, ..] => (2, &[][..]),
        _ => (1, &line[..1]),
    };
    [text, &without_telnet(&line[used..])].concat()
}
