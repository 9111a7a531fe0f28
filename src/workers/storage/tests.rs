use super::*;
use tempfile::TempDir;

const NOTES: Schema = Schema {
    application_id: 0x4E6F_7465,
    migrations: &["CREATE TABLE note (text TEXT NOT NULL UNIQUE)", "ALTER TABLE note ADD COLUMN stars INTEGER"],
};

fn place() -> (TempDir, DataFile) {
    let place = TempDir::new().expect("room for a directory");
    let file = DataFile::Path(place.path().join("notes.db"));
    (place, file)
}

fn path(file: &DataFile) -> &Path {
    let DataFile::Path(path) = file else { panic!("a path") };
    path
}

fn open(file: &DataFile) -> Store {
    Store::open(file, &NOTES).expect("a good file")
}

fn db(store: &Store) -> &Connection {
    store.db().expect("an open file")
}

fn add(store: &mut Store, text: &str) -> Result<usize, StoreError> {
    store.write(|db| Ok(db.execute("INSERT INTO note (text) VALUES (?1)", [text])?))
}

fn notes(store: &mut Store) -> Vec<String> {
    store
        .read(|db| {
            let mut statement = db.prepare("SELECT text FROM note ORDER BY text")?;
            let rows = statement.query_map([], |row| row.get(0))?;
            Ok(rows.collect::<Result<Vec<_>, _>>()?)
        })
        .expect("a readable file")
}

fn refusal(file: &DataFile, schema: &Schema) -> String {
    Store::open(file, schema).expect_err("a bad file").to_string()
}

#[test]
fn what_was_committed_is_there_when_it_is_opened_again() {
    let (_place, file) = place();
    let mut store = open(&file);
    add(&mut store, "one").expect("room");
    add(&mut store, "two").expect("room");
    store.commit().expect("room");
    add(&mut store, "lost with the process").expect("room");
    drop(store);
    assert_eq!(notes(&mut open(&file)), ["one", "two"]);
}

#[test]
fn the_file_is_its_owners_and_durable() {
    use std::os::unix::fs::PermissionsExt;
    let (_place, file) = place();
    let mut store = open(&file);
    let mode = fs::metadata(path(&file)).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let pragma =
        |name: &str| db(&store).query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, rusqlite::types::Value>(0));
    assert_eq!(pragma("journal_mode"), Ok(rusqlite::types::Value::Text("wal".into())));
    assert_eq!(pragma("synchronous"), Ok(rusqlite::types::Value::Integer(2)), "FULL");
    assert_eq!(pragma("temp_store"), Ok(rusqlite::types::Value::Integer(2)), "MEMORY");
    assert_eq!(notes(&mut store), [""; 0]);
}

#[test]
fn of_a_batch_a_job_that_fails_is_undone_alone() {
    let mut store = open(&DataFile::Memory);
    add(&mut store, "one").expect("room");
    let error = store
        .write(|db| {
            db.execute("INSERT INTO note (text) VALUES ('half')", [])?;
            Ok(db.execute("INSERT INTO note (text) VALUES ('one')", [])?)
        })
        .expect_err("one is unique");
    assert_eq!(error.kind(), StoreErrorKind::Bug);
    add(&mut store, "two").expect("room");
    store.commit().expect("room");
    assert_eq!(notes(&mut store), ["one", "two"]);
}

/// SQLite treats a limit on pages like a full disk: it rolls back the whole transaction.
#[test]
fn a_full_file_undoes_the_batch_until_there_is_room() {
    let (_place, file) = place();
    let mut store = open(&file);
    add(&mut store, "before").expect("room");
    store.commit().expect("room");
    let limit = |store: &Store, pages: u32| db(store).pragma_update(None, "max_page_count", pages).expect("a number");
    limit(&store, 10);
    let mut outcomes = Vec::new();
    for n in 0..50 {
        outcomes.push(add(&mut store, &format!("{n}{}", "x".repeat(2000))));
    }
    let committed = store.commit();
    assert!(outcomes[0].is_ok(), "{outcomes:?}");
    let full = outcomes.iter().find_map(|outcome| outcome.as_ref().err()).expect("ten pages are few");
    assert_eq!(full.kind(), StoreErrorKind::Full, "{full}");
    let kept = if committed.is_ok() { outcomes.iter().filter(|outcome| outcome.is_ok()).count() } else { 0 };
    assert_eq!(notes(&mut store).len(), 1 + kept, "what was promised, and nothing else");
    limit(&store, 1000);
    add(&mut store, "after").expect("room again");
    store.commit().expect("room again");
    assert!(notes(&mut store).contains(&"after".to_owned()));
    assert!(notes(&mut store).contains(&"before".to_owned()));
}

#[test]
fn a_foreign_lock_fails_writes_but_not_reads() {
    let (_place, file) = place();
    let mut store = open(&file);
    add(&mut store, "one").expect("room");
    store.commit().expect("room");
    db(&store).busy_timeout(Duration::from_millis(1)).expect("a number");
    let other = Connection::open(path(&file)).expect("a second handle");
    other.execute_batch("BEGIN IMMEDIATE").expect("no other writer");
    assert_eq!(notes(&mut store), ["one"]);
    assert_eq!(add(&mut store, "two").expect_err("locked").kind(), StoreErrorKind::Locked);
    store.commit().expect("nothing was begun");
    other.execute_batch("ROLLBACK").expect("it was begun");
    add(&mut store, "two").expect("free again");
    store.commit().expect("free again");
    assert_eq!(notes(&mut store), ["one", "two"]);
}

/// Otherwise 200 jobs would wait for two seconds each, and a read in the same batch for all of them.
#[test]
fn a_batch_waits_for_the_lock_of_another_program_once() {
    let (_place, file) = place();
    let mut store = open(&file);
    db(&store).busy_timeout(Duration::from_millis(1)).expect("a number");
    let other = Connection::open(path(&file)).expect("a second handle");
    other.execute_batch("BEGIN IMMEDIATE").expect("no other writer");
    assert_eq!(add(&mut store, "one").expect_err("locked").kind(), StoreErrorKind::Locked);
    other.execute_batch("ROLLBACK").expect("it was begun");
    assert_eq!(add(&mut store, "two").expect_err("not tried again").kind(), StoreErrorKind::Locked);
    store.commit().expect("nothing was begun");
    add(&mut store, "three").expect("a new batch");
    store.commit().expect("free");
    assert_eq!(notes(&mut store), ["three"]);
}

#[test]
fn each_earlier_version_is_migrated_and_a_later_one_refused() {
    let (_place, file) = place();
    let first = Schema { migrations: &NOTES.migrations[..1], ..NOTES };
    let mut old = Store::open(&file, &first).expect("a new file");
    add(&mut old, "old").expect("room");
    old.commit().expect("room");
    drop(old);
    let mut store = open(&file);
    store.read(|db| Ok(db.execute("UPDATE note SET stars = 5", [])?)).expect("the second migration has run");
    drop(store);
    let text = refusal(&file, &first);
    assert!(text.contains("newer version") && text.contains("notes.db"), "{text}");
}

#[test]
fn what_is_not_ours_or_not_whole_is_refused_and_left_alone() {
    let (place, file) = place();
    fs::write(path(&file), "not a database, but long enough to be taken for one ".repeat(100)).expect("room");
    let text = refusal(&file, &NOTES);
    assert!(text.contains("not a database") && text.contains("--data"), "{text}");

    let foreign = DataFile::Path(place.path().join("foreign.db"));
    Connection::open(path(&foreign)).expect("room").execute_batch("CREATE TABLE theirs (x)").expect("room");
    let text = refusal(&foreign, &NOTES);
    assert!(text.contains("another program"), "{text}");

    let text = refusal(&DataFile::Path(place.path().into()), &NOTES);
    assert!(text.contains("cannot use"), "{text}");
    let text = refusal(&DataFile::Path(place.path().join("missing/notes.db")), &NOTES);
    assert!(text.contains("No such file"), "{text}");
}

#[test]
fn a_path_that_is_too_long_is_told_and_leaves_no_file() {
    let (place, _) = place();
    let deep = place.path().join("d".repeat(200)).join("d".repeat(200));
    fs::create_dir_all(&deep).expect("room");
    let file = |length: usize| DataFile::Path(deep.join("n".repeat(length - deep.as_os_str().len() - 1)));
    open(&file(504));
    let text = refusal(&file(505), &NOTES);
    assert!(text.contains("longer than 504 bytes"), "{text}");
    assert_eq!(fs::read_dir(&deep).expect("ours").count(), 1);
}

#[test]
fn damage_within_a_file_is_found_at_the_start() {
    let (_place, file) = place();
    let mut store = open(&file);
    for n in 0..500 {
        add(&mut store, &format!("{n}{}", "x".repeat(100))).expect("room");
    }
    store.commit().expect("room");
    drop(store);
    let mut bytes = fs::read(path(&file)).expect("readable");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8192].fill(0xA5);
    fs::write(path(&file), bytes).expect("room");
    let text = refusal(&file, &NOTES);
    assert!(text.contains("damaged") && text.contains("page"), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}
