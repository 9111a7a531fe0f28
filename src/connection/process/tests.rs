use signal_hook::consts::SIGTERM;

use super::*;

#[test]
fn reads_the_set_of_ignored_signals() {
    assert_eq!(ignored_set("Name:\tx\nSigIgn:\t0000000000001001\nSigCgt:\t0\n"), Some(0x1001));
    assert_eq!(ignored_set("Name:\tx\n"), None);
    assert!(!is_ignored(SIGTERM), "the test process does not ignore SIGTERM");
}
