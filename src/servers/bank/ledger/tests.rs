use proptest::prelude::*;

use super::*;
use crate::workers::storage::{DataFile, Store, StoreErrorKind};

/// Books with these accounts, numbered from 1, each with a balance in minor units.
fn books(accounts: &[(&str, i64)]) -> Store {
    let mut store = Store::open(&DataFile::Memory, &SCHEMA).expect("memory");
    for (&(name, minor), id) in accounts.iter().zip(1..) {
        let opened = store.write(|db| open(db, &attempt(name, 0), &Hash("hash".into())));
        assert_eq!(opened, Ok(Outcome::Opened(name.into())));
        if minor > 0 {
            store.write(|db| deposit(db, id, money(minor), 0)).expect("room");
        }
    }
    store
}

fn money(minor: i64) -> Money {
    Money::of_minor(minor).expect("no debt")
}

fn held(store: &mut Store, id: i64) -> Money {
    store.read(|db| balance(db, id)).expect("an account")
}

/// What the journal says that an account has.
fn sum(store: &mut Store, id: i64) -> Money {
    let sum = "SELECT sum(CASE WHEN receiver = ?1 THEN amount WHEN payer = ?1 THEN -amount ELSE 0 END) FROM journal";
    money(store.read(|db| Ok(db.query_row(sum, [id], |row| row.get(0))?)).expect("a sum"))
}

/// A failure of the tables, not of the code above them.
#[track_caller]
fn refused(store: &mut Store, statement: &str) {
    let error = store.write(|db| Ok(db.execute(statement, [])?)).expect_err(statement);
    assert_eq!(error.kind(), StoreErrorKind::Bug, "{statement}: {error}");
}

#[test]
fn a_name_is_taken_in_any_case() {
    let mut store = books(&[("Ann", 0)]);
    let hash = Hash("other".into());
    assert_eq!(store.write(|db| open(db, &attempt("aNN", 0), &hash)), Ok(Outcome::Taken("aNN".into())));
    let account = Account { id: 1, name: "Ann".into() };
    assert_eq!(store.read(|db| find(db, &attempt("ANN", 0))), Ok(Found::Free(Some((account, Hash("hash".into()))))));
    assert_eq!(store.read(|db| find(db, &attempt("bob", 0))), Ok(Found::Free(None)));
}

#[test]
fn money_moves_and_the_journal_says_so() {
    let mut store = books(&[("ann", 1000), ("bob", 0)]);
    let five = money(500);
    let booked = |entry, minor| Ok(Outcome::Booked { entry, balance: money(minor) });
    assert_eq!(store.write(|db| transfer(db, 1, "BOB", five, 0)), booked(2, 500));
    assert_eq!(store.write(|db| withdraw(db, 2, money(499), 0)), booked(3, 1));
    assert_eq!(store.write(|db| deposit(db, 2, money(1), 0)), booked(4, 2));
    for id in [1, 2] {
        assert_eq!(held(&mut store, id), sum(&mut store, id));
    }
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let mut store = books(&[("ann", 1000), ("bob", i64::MAX)]);
    let short = Ok(Outcome::Short(money(1000)));
    assert_eq!(store.write(|db| withdraw(db, 1, money(1001), 0)), short);
    assert_eq!(store.write(|db| transfer(db, 1, "bob", money(1001), 0)), short);
    assert_eq!(store.write(|db| transfer(db, 1, "bob", money(1), 0)), Ok(Outcome::Full));
    assert_eq!(store.write(|db| deposit(db, 2, money(1), 0)), Ok(Outcome::Full));
    assert_eq!(store.write(|db| transfer(db, 1, "Ann", money(1), 0)), Ok(Outcome::Oneself));
    assert_eq!(store.write(|db| transfer(db, 1, "eve", money(1), 0)), Ok(Outcome::UnknownReceiver("eve".into())));
    let rows: i64 =
        store.read(|db| Ok(db.query_row("SELECT count(*) FROM journal", [], |row| row.get(0))?)).expect("a count");
    assert_eq!((rows, held(&mut store, 1), held(&mut store, 2)), (2, money(1000), Money::MOST));
}

/// The tables keep the invariants by themselves: a mistake in the code above them cannot break the books.
#[test]
fn the_tables_refuse_what_would_break_the_books() {
    let mut store = books(&[("ann", 1000), ("bob", i64::MAX)]);
    let book = "INSERT INTO journal (at, kind, payer, receiver, amount) VALUES (0, ";
    for row in [
        "'withdrawal', 1, NULL, 1001)",
        "'deposit', NULL, 2, 1)",
        "'deposit', NULL, 1, 0)",
        "'deposit', NULL, 1, -5)",
        "'deposit', NULL, 1, 0.5)",
        "'deposit', 1, 2, 5)",
        "'deposit', NULL, NULL, 5)",
        "'withdrawal', 1, 2, 5)",
        "'transfer', 1, 1, 5)",
        "'transfer', 1, NULL, 5)",
        "'transfer', 1, 99, 5)",
        "'gift', NULL, 1, 5)",
    ] {
        refused(&mut store, &format!("{book}{row}"));
    }
    refused(&mut store, "UPDATE account SET balance = -1 WHERE id = 1");
    refused(&mut store, "UPDATE journal SET amount = 1 WHERE entry = 1");
    refused(&mut store, "DELETE FROM journal WHERE entry = 1");
    refused(&mut store, "DELETE FROM account WHERE id = 1");
    refused(&mut store, "UPDATE account SET closed = 1 WHERE id = 1");
    assert_eq!((held(&mut store, 1), sum(&mut store, 1)), (money(1000), money(1000)));
}

#[test]
fn history_is_the_last_rows_in_order_seen_from_the_account() {
    let mut store = books(&[("ann", 1000), ("bob", 0), ("eve", 0)]);
    let noon = 946_728_000_999;
    for (to, cents) in [("bob", 1), ("eve", 2), ("bob", 3)] {
        store.write(|db| transfer(db, 1, to, money(cents), noon)).expect("room");
    }
    store.write(|db| withdraw(db, 2, money(2), noon)).expect("room");
    let history = |store: &mut Store, id, count| match store.read(|db| history(db, id, count)) {
        Ok(Outcome::History(lines)) => lines,
        other => panic!("{other:?}"),
    };
    let line = |entry, kind: &str, is_out, cents, other: Option<&str>| HistoryRow {
        entry,
        time: "2000-01-01T12:00:00Z".into(),
        kind: kind.into(),
        is_out,
        amount: money(cents),
        other: other.map(str::to_owned),
    };
    let of_ann = [line(3, "transfer", true, 2, Some("eve")), line(4, "transfer", true, 3, Some("bob"))];
    assert_eq!(history(&mut store, 1, 2), of_ann);
    let of_bob = [
        line(2, "transfer", false, 1, Some("ann")),
        line(4, "transfer", false, 3, Some("ann")),
        line(5, "withdrawal", true, 2, None),
    ];
    assert_eq!(history(&mut store, 2, 10), of_bob);
    assert_eq!(history(&mut store, 1, 1000).len(), 4);
}

#[test]
fn interest_goes_to_each_account_that_is_due_some() {
    let mut store = books(&[("ann", 1000), ("bob", 39), ("eve", 0), ("max", i64::MAX), ("sue", 101)]);
    let rate = InterestRate::parse("2.5").expect("a rate");
    let mut total = Total::default();
    total.add(money(25 + 2));
    let paid = store.write(|db| pay_interest(db, rate, 0)).expect("room");
    assert_eq!(paid, Paid { total, accounts: 2, full: 1 });
    let balances = [1, 2, 3, 4, 5].map(|id| held(&mut store, id));
    assert_eq!(balances, [1025, 39, 0, i64::MAX, 103].map(money));
    assert_eq!(sum(&mut store, 1), money(1025));
}

const LOCK: i64 = 60_000;

/// An attempt from the host from which all accounts were opened.
fn attempt(name: &str, now: i64) -> Attempt {
    attempt_from("home", name, now)
}

fn attempt_from(host: &str, name: &str, now: i64) -> Attempt {
    Attempt { name: name.into(), host: host.into(), now, lock: LOCK }
}

/// An attempt with a wrong PIN: whether it was only wrong, or for how many milliseconds it is locked.
fn wrong(store: &mut Store, attempt: &Attempt) -> Result<Option<Hosts>, u128> {
    match store.write(|db| refuse(db, attempt)) {
        Ok(Outcome::Wrong { locks, .. }) => Ok(locks),
        Ok(Outcome::Locked(time)) => Err(time.as_millis()),
        other => panic!("{other:?}"),
    }
}

fn is_free(store: &mut Store, attempt: &Attempt) -> bool {
    matches!(store.write(|db| find(db, attempt)), Ok(Found::Free(_)))
}

/// The first account, with its right PIN.
fn proof(purpose: Purpose) -> Proof {
    Proof { account: Account { id: 1, name: "ann".into() }, hash: Hash("hash".into()), purpose }
}

#[test]
fn three_wrong_pins_lock_a_name_for_a_time() {
    for (name, hosts) in [("ann", Hosts::Known), ("nobody", Hosts::Unknown)] {
        let mut store = books(&[("Ann", 0)]);
        let wrongs = [1, 2, 3].map(|now| wrong(&mut store, &attempt(name, now)));
        assert_eq!(wrongs, [Ok(None), Ok(None), Ok(Some(hosts))], "{name}");
        assert_eq!(wrong(&mut store, &attempt(name, 4)), Err(59_999));
        assert!(!is_free(&mut store, &attempt(&name.to_uppercase(), 60_002)));
        assert!(is_free(&mut store, &attempt(name, 60_003)));
        assert_eq!(wrong(&mut store, &attempt(name, 60_003)), Ok(None), "the count begins anew");
    }
}

#[test]
fn each_known_host_has_a_count_and_all_others_share_one() {
    let mut store = books(&[("ann", 0)]);
    let at = |host: &str, now| attempt_from(host, "ann", now);
    for host in ["one", "two", "three"] {
        wrong(&mut store, &at(host, 0)).expect("free");
    }
    assert!(!is_free(&mut store, &at("four", 1)) && is_free(&mut store, &at("home", 1)));
    for host in 0..MOST_HOSTS {
        let from = attempt_from(&format!("h{host}"), "ann", LOCK + i64::from(host));
        let admitted = store.write(|db| admit(db, proof(Purpose::LogIn), &from));
        assert!(matches!(admitted, Ok(Outcome::LoggedIn(_))), "{admitted:?}");
    }
    for _ in 0..3 {
        wrong(&mut store, &at("four", 2 * LOCK)).expect("free");
    }
    assert!(!is_free(&mut store, &at("home", 2 * LOCK)), "displaced by {MOST_HOSTS} others");
    assert!(is_free(&mut store, &at("h0", 2 * LOCK)));
    let changed = store.write(|db| admit(db, proof(Purpose::ChangePin(Hash("new".into()))), &at("h1", 2 * LOCK)));
    assert_eq!(changed, Ok(Outcome::PinChanged));
    assert!(!is_free(&mut store, &at("h0", 2 * LOCK)), "forgotten with the old PIN");
    assert!(is_free(&mut store, &at("h1", 2 * LOCK)));
}

#[test]
fn the_right_pin_ends_the_count_but_not_a_lock() {
    let mut store = books(&[("ann", 0)]);
    let right = |store: &mut Store, now| store.write(|db| admit(db, proof(Purpose::LogIn), &attempt("ann", now)));
    let logged_in = Ok(Outcome::LoggedIn(proof(Purpose::LogIn).account));
    for now in 0..10 {
        assert_eq!(wrong(&mut store, &attempt("ann", now)), Ok(None));
        assert_eq!(wrong(&mut store, &attempt("ann", now)), Ok(None));
        assert_eq!(right(&mut store, now), logged_in);
    }
    for _ in 0..3 {
        wrong(&mut store, &attempt("ann", 100)).expect("free");
    }
    assert_eq!(right(&mut store, 200), Ok(Outcome::Locked(Duration::from_millis(59_900))));
    assert_eq!(right(&mut store, 100 + LOCK), logged_in);
}

#[test]
fn a_closed_account_takes_nothing_and_keeps_its_name() {
    let mut store = books(&[("ann", 0), ("bob", 100)]);
    let close = |store: &mut Store| store.write(|db| admit(db, proof(Purpose::Close), &attempt("ann", 0)));
    store.write(|db| deposit(db, 1, money(1), 0)).expect("room");
    assert_eq!(close(&mut store), Ok(Outcome::NotEmpty(money(1))));
    store.write(|db| withdraw(db, 1, money(1), 0)).expect("enough");
    assert_eq!(close(&mut store), Ok(Outcome::Closed("ann".into())));
    assert_eq!(close(&mut store), Ok(Outcome::Gone));
    assert_eq!(store.read(|db| find(db, &attempt("ann", 0))), Ok(Found::Free(None)));
    for request in [Request::Balance, Request::Deposit(money(1)), Request::History(1)] {
        assert_eq!(store.write(|db| carry_out(db, 1, &request, 0)), Ok(Outcome::Gone), "{request:?}");
    }
    let transfer = store.write(|db| transfer(db, 2, "ann", money(1), 0));
    assert_eq!(transfer, Ok(Outcome::UnknownReceiver("ann".into())));
    let opened = store.write(|db| open(db, &attempt("ANN", 0), &Hash("hash".into())));
    assert_eq!(opened, Ok(Outcome::Taken("ANN".into())));
    refused(&mut store, "INSERT INTO journal (at, kind, receiver, amount) VALUES (0, 'deposit', 1, 5)");
}

#[test]
fn a_wrong_pin_counts_only_for_the_time_of_a_lock() {
    let mut store = books(&[]);
    for n in 0..50 {
        assert_eq!(wrong(&mut store, &attempt("ann", n * LOCK)), Ok(None), "the one before counts no longer");
        assert_eq!(wrong(&mut store, &attempt(&format!("n{n}"), n * LOCK)), Ok(None));
    }
    let rows: i64 =
        store.read(|db| Ok(db.query_row("SELECT count(*) FROM attempt", [], |row| row.get(0))?)).expect("a count");
    assert_eq!(rows, 2);
}

#[test]
fn a_clock_set_back_does_not_lengthen_a_lock() {
    let mut store = books(&[]);
    for _ in 0..3 {
        wrong(&mut store, &attempt("ann", 1_000_000_000)).expect("free");
    }
    assert_eq!(wrong(&mut store, &attempt("ann", 5)), Err(60_000));
    assert_eq!(wrong(&mut store, &attempt("ann", 10_005)), Err(50_000));
    assert!(is_free(&mut store, &attempt("ann", 60_005)));
}

#[test]
fn without_a_lock_nothing_locks() {
    let mut store = books(&[]);
    let attempt = Attempt { lock: 0, ..attempt("ann", 5) };
    for _ in 0..10 {
        let outcome = store.write(|db| refuse(db, &attempt));
        assert_eq!(outcome, Ok(Outcome::Wrong { name: "ann".into(), locks: None }));
    }
}

/// A file of the first version, which counted wrong PINs by name only.
#[test]
fn a_file_of_the_first_version_is_upgraded() {
    let place = tempfile::TempDir::new().expect("room");
    let file = DataFile::Path(place.path().join("bank.db"));
    let first = Schema { migrations: &[TABLES], ..SCHEMA };
    let mut store = Store::open(&file, &first).expect("a new file");
    let rows = "INSERT INTO account (name, pin, opened) VALUES ('ann', 'hash', 0);
                INSERT INTO journal (at, kind, receiver, amount) VALUES (0, 'deposit', 1, 500);
                INSERT INTO attempt (name, failures, last) VALUES ('ann', 3, 0)";
    store.write(|db| Ok(db.execute_batch(rows)?)).expect("room");
    crate::Worker::commit(&mut store).expect("room");
    drop(store);
    let mut store = Store::open(&file, &SCHEMA).expect("an old file");
    assert_eq!((held(&mut store, 1), sum(&mut store, 1)), (money(500), money(500)));
    let admitted = store.write(|db| admit(db, proof(Purpose::LogIn), &attempt("ann", 1)));
    assert!(matches!(admitted, Ok(Outcome::LoggedIn(_))), "{admitted:?}");
}

proptest! {
    /// Whatever is asked for, each balance is what the journal says, and money is moved, not made.
    #[test]
    fn balances_are_the_sums_of_the_journal(
        steps in proptest::collection::vec((0..4_u8, 1..=3_i64, 1..=3_usize, 1..=i64::MAX), 1..60)
    ) {
        let mut store = books(&[("n1", 0), ("n2", 0), ("n3", 0)]);
        for (kind, id, other, minor) in steps {
            // Small amounts, too: with large ones nearly all is refused.
            let amount = money(if minor % 3 == 0 { minor } else { 1 + minor % 1000 });
            let outcome = store.write(|db| match kind {
                0 => deposit(db, id, amount, 0),
                1 => withdraw(db, id, amount, 0),
                2 => transfer(db, id, &format!("n{other}"), amount, 0),
                _ => pay_interest(db, InterestRate::parse("1").expect("a rate"), 0).map(|_| Outcome::Balance(amount)),
            });
            prop_assert!(outcome.is_ok(), "{outcome:?}");
            for id in 1..=3 {
                let sum = "SELECT coalesce((SELECT sum(amount) FROM journal WHERE receiver = ?1), 0)
                    - coalesce((SELECT sum(amount) FROM journal WHERE payer = ?1), 0)";
                // What was received over time may be more than fits; SQLite says so, and there is nothing to compare.
                if let Ok(sum) = store.read(|db| Ok(db.query_row(sum, [id], |row| row.get::<_, i64>(0))?)) {
                    prop_assert_eq!(held(&mut store, id), money(sum));
                }
            }
        }
    }
}
