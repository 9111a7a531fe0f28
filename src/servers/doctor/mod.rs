//! The doctor: a therapist modelled on ELIZA, which understands nothing and turns what patients say into questions.
//!
//! The mechanism is that of J. Weizenbaum, "ELIZA, a computer program for the study of natural language communication
//! between man and machine", Communications of the ACM 9(1), 1966. The built-in script is our own. A line is answered
//! in these steps:
//!
//! ```text
//!  line ─▶ words, in clauses        punctuation and words such as "but" divide clauses  (vocabulary)
//!       ─▶ keywords of a clause     the first clause that has any, by descending rank   (therapist)
//!       ─▶ a pattern that matches   "* my @family +" divides the clause into parts      (decomposition)
//!       ─▶ the next answer          "Why your {2}?", or goto another keyword            (reassembly)
//!       ─▶ the parts, reflected     "hates me" becomes "hates you"                      (reassembly)
//! ```
//!
//! If no rule matches, the answer is a remembered sentence or else a default. The answers of a list come in turn and
//! never by chance.
//!
//! Invariants: only the [`Conversation`] changes, and its size is bounded. Every answer is one line of 1 to
//! [`MAX_ANSWER`] bytes without control characters. The work for a line is linear in its length, with at most
//! `MAX_WORDS * MAX_ELEMENTS` comparisons of words. The therapist uses no I/O, clock or connection.
//!
//! `Doctor` (feature `storage`) serves the therapist to clients. `docs/doctor-script.md` says how to write a script.
//!
//! ```
//! use switchboard::servers::doctor::{Conversation, Therapist};
//!
//! let therapist = Therapist::built_in();
//! let mut conversation = Conversation::new("Ann").expect("a name with a letter");
//! assert!(therapist.greet(&mut conversation).contains("Ann"));
//! let answer = therapist.answer(&mut conversation, "Well, my sister hates me!");
//! assert_eq!(answer.text, "What does it mean to you that your sister hates you?");
//! assert!(therapist.answer(&mut conversation, "Goodbye.").is_farewell);
//! ```

#[cfg(all(feature = "cli", feature = "storage"))]
mod args;
mod conversation;
mod decomposition;
#[cfg(feature = "storage")]
mod handler;
mod reassembly;
mod script;
mod therapist;
mod vocabulary;
#[cfg(all(feature = "storage", feature = "web"))]
mod web;

#[cfg(all(feature = "cli", feature = "storage"))]
pub use args::DoctorServer;
pub use conversation::{Conversation, MAX_MEMORIES, MAX_NAME};
#[cfg(feature = "storage")]
pub use handler::{Doctor, DoctorSession};
pub use reassembly::MAX_ANSWER;
pub use script::{MAX_ELEMENTS, ScriptError};
pub use therapist::{Answer, Therapist};
pub use vocabulary::MAX_WORDS;

#[cfg(test)]
mod tests;
