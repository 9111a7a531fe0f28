//! The doctor: a therapist that knows nothing, and gives back to its patients what they say.
//!
//! The mechanism is that of J. Weizenbaum, "ELIZA, a computer program for the study of natural language communication
//! between man and machine", Communications of the ACM 9(1), 1966; the script that is built in is our own. One line is
//! answered in these steps:
//!
//! ```text
//!  line ─▶ words, in clauses        punctuation and words such as "but" divide               (hearing)
//!       ─▶ keywords of a clause     the first clause that has some, the highest rank first   (therapist)
//!       ─▶ a rule that matches      "* my @family +" takes the clause apart: decomposition   (pattern)
//!       ─▶ the next of its answers  "Why your {2}?", or goto another keyword: reassembly     (template)
//!       ─▶ the parts, turned round  "hates me" becomes "hates you"                           (reflection)
//! ```
//!
//! If no rule matches, something said earlier is taken up, and if nothing is remembered, a default answer is given.
//! Answers of a list come in turn, never by chance, so the same lines get the same answers.
//!
//! Invariants: all that changes is in the [`Conversation`], which is plain data of bounded size; a [`Script`] that was
//! parsed has no reference to what is not there. An answer is one line of at most [`MAX_ANSWER`] bytes, not empty, and
//! without control characters, whatever the patient typed. The work for a line is bounded: words beyond [`MAX_WORDS`]
//! are not heard, no rule is tried twice on a clause, and matching never goes back. So a line costs time linear in
//! its length, and at most `MAX_WORDS * MAX_ELEMENTS` tries of rules and as many comparisons of words;
//! [`MAX_ELEMENTS`] bounds the script. The built-in one takes under 0.1 ms for the worst lines of 4096 bytes that are
//! known (`tests/bounds.rs`).
//!
//! There is no I/O in this, no clock and no connection. `Practice` (with the feature `storage`) is the handler that has a
//! therapist talk with its clients. How to write a script is in `docs/doctor-script.md`.
//!
//! ```
//! use switchboard::servers::doctor::{Conversation, Script, Therapist};
//!
//! let therapist = Therapist::new(Script::built_in());
//! let mut conversation = Conversation::new("Ann").expect("a name that can be seen");
//! assert!(therapist.greet(&mut conversation).contains("Ann"));
//! let answer = therapist.answer(&mut conversation, "Well, my sister hates me!");
//! assert_eq!(answer.text, "Has your sister always been important to you?");
//! assert!(therapist.answer(&mut conversation, "Goodbye.").is_farewell);
//! ```

#[cfg(all(feature = "cli", feature = "storage"))]
mod args;

#[cfg(all(feature = "cli", feature = "storage"))]
pub use args::DoctorServer;

mod compiler;
mod conversation;
mod error;
mod hearing;
mod pattern;
#[cfg(feature = "storage")]
mod practice;
mod reflection;
mod script;
mod source;
mod template;
mod therapist;
mod vocabulary;

pub use conversation::{Conversation, MAX_MEMORIES, MAX_NAME, NoName};
pub use error::ScriptError;
pub use hearing::MAX_WORDS;
#[cfg(feature = "storage")]
pub use practice::{Practice, PracticeOptions, PracticeSession};
pub use script::{MAX_ELEMENTS, Script};
pub use template::MAX_ANSWER;
pub use therapist::{Answer, Therapist};

#[cfg(test)]
mod tests;
