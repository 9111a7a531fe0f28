//! What is written for the operator.

/// Something for the operator.
#[derive(Debug)]
pub(crate) struct Notice {
    pub(crate) text: String,
    /// How much of what waits for standard output was printed before it.
    pub(crate) after: usize,
}
