use std::time::Instant;

use super::*;
use crate::connection::ids::ServiceId;
use crate::state::admission::Refusal;
use crate::state::service::ServiceOptions;

fn named(name: &str) -> ServiceOptions {
    ServiceOptions { name: name.to_owned(), ..ServiceOptions::default() }
}

fn has(state: &State, sample: &str) -> bool {
    state.metrics().lines().any(|line| line == sample)
}

#[test]
fn a_refusal_counts_for_its_service_and_reason() {
    let mut state = State::new(named("echo"), None, Instant::now());
    let chat = state.services.add(named("chat"));
    state.note_refusal(chat, Refusal::HostRate);
    for (sample, is_there) in [
        ("switchboard_connections_refused_total{service=\"chat\",reason=\"connect_rate\"} 1", true),
        ("switchboard_connections_refused_total{service=\"chat\",reason=\"max_connections\"} 0", true),
        ("switchboard_connections_refused_total{service=\"echo\",reason=\"connect_rate\"} 0", true),
        ("switchboard_max_connections{service=\"chat\"} 0", false),
    ] {
        assert_eq!(has(&state, sample), is_there, "{sample}");
    }
    assert_eq!((state.stats().refused, state.stats().refused_rate), (1, 1));
}

#[test]
fn services_have_labels_of_their_own() {
    let mut state = State::new(ServiceOptions::default(), None, Instant::now());
    assert!(has(&state, "switchboard_connections{service=\"#0\"} 0"));
    for name in ["chat", "a\"b", "twin", "twin"] {
        state.services.add(named(name));
    }
    for label in ["chat", "a\\\"b", "twin#3", "twin#4"] {
        assert!(has(&state, &format!("switchboard_connections{{service=\"{label}\"}} 0")), "{label}");
    }
    assert!(!state.metrics().contains("#0"), "a service of the process only is left out");
    state.note_refusal(ServiceId::DEFAULT, Refusal::Full);
    assert!(state.metrics().contains("service=\"#0\""), "it is used");
}
