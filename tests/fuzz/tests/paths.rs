//! Random paths for the target `http_path`, which the words of its own make: more than its corpus, in each run of the
//! tests.
#![cfg(feature = "http")]

use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// A byte below 32 is a word, such as `/..` or the name of a link. Others stand for themselves.
    #[test]
    fn no_path_leads_out_of_the_directory(
        bytes in prop::collection::vec(prop_oneof![6 => 0..32_u8, 1 => any::<u8>()], 0..40),
    ) {
        switchboard_fuzz::http_path::run(&bytes);
    }
}
