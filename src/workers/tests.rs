use super::*;
use std::sync::mpsc;
use std::time::Instant;

/// A worker that records its calls, and fails as its flags say.
#[derive(Default)]
struct Ledger {
    events: Vec<String>,
    fails_to_begin: bool,
    fails_to_commit: bool,
}

impl Worker for Ledger {
    type Output<T: Send + 'static> = Result<T, &'static str>;
    type Error = &'static str;
    const BATCH: usize = 3;

    fn begin(&mut self) -> Result<(), &'static str> {
        self.events.push("begin".into());
        if self.fails_to_begin { Err("no begin") } else { Ok(()) }
    }

    fn commit(&mut self) -> Result<(), &'static str> {
        self.events.push("commit".into());
        if self.fails_to_commit { Err("no commit") } else { Ok(()) }
    }

    fn failed<T: Send + 'static>(error: &'static str) -> Result<T, &'static str> {
        Err(error)
    }
}

fn entry<T: Send + 'static>(job: impl FnOnce(&mut Ledger) -> Result<T, &'static str> + Send + 'static) -> Job<Ledger> {
    Job::new(0, job)
}

fn number(number: u32) -> Job<Ledger> {
    entry(move |ledger| {
        ledger.events.push(number.to_string());
        if number == 13 { Err("unlucky") } else { Ok(number) }
    })
}

fn results(finished: Vec<(u64, Done)>) -> Vec<Result<u32, &'static str>> {
    finished.into_iter().map(|(_, done)| done.downcast().expect("a number")).collect()
}

fn taken(queue: &ResultQueue) -> Vec<(u64, Done)> {
    let mut results = Vec::new();
    queue.take(&mut results).expect("no worker has failed");
    results
}

#[test]
fn a_batch_counts_only_when_it_was_committed() {
    let numbers = || vec![number(1), number(13), number(2)];
    let mut good = Ledger::default();
    assert_eq!(results(run(&mut good, numbers())), [Ok(1), Err("unlucky"), Ok(2)]);
    assert_eq!(good.events, ["begin", "1", "13", "2", "commit"]);

    let mut late = Ledger { fails_to_commit: true, ..Ledger::default() };
    assert_eq!(results(run(&mut late, numbers())), [Err("no commit"); 3]);

    let mut early = Ledger { fails_to_begin: true, ..Ledger::default() };
    assert_eq!(results(run(&mut early, numbers())), [Err("no begin"); 3]);
    assert_eq!(early.events, ["begin"], "no job runs in a batch that did not begin");
}

#[test]
fn what_waits_is_taken_in_batches_in_order() {
    let workers = Workers::new("ledger", 10, vec![Ledger::default()]);
    for n in 0..7 {
        workers.submit(number(n)).expect("room for ten");
    }
    workers.submit(entry(|ledger| Ok(ledger.events.join(" ")))).expect("room for ten");
    let home = ResultQueue::default();
    workers.inline().run_queued(&home);
    let mut finished = taken(&home);
    let events: Result<String, &str> = finished.pop().expect("eight jobs").1.downcast().expect("a text");
    assert_eq!(events, Ok("begin 0 1 2 commit begin 3 4 5 commit begin 6".into()));
    assert_eq!(results(finished), (0..7).map(Ok).collect::<Vec<_>>());
}

#[test]
fn a_full_queue_is_busy() {
    let workers = Workers::new("ledger", 2, vec![Ledger::default()]);
    assert_eq!((workers.submit(number(1)), workers.submit(number(2))), (Ok(()), Ok(())));
    assert_eq!(workers.submit(number(3)), Err(Busy));
    let home = ResultQueue::default();
    workers.inline().run_queued(&home);
    assert_eq!(workers.submit(number(3)), Ok(()), "what is done makes room");
    assert_eq!(taken(&home).len(), 2);
}

/// Waits for `count` results of real threads.
fn wait_for(home: &ResultQueue, count: usize) -> Vec<(u64, Done)> {
    let mut finished = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(30);
    while finished.len() < count {
        assert!(Instant::now() < deadline, "{} of {count} results", finished.len());
        finished.extend(taken(home));
        thread::yield_now();
    }
    finished
}

#[test]
fn threads_do_all_jobs_and_each_once() {
    let workers = Workers::new("ledger", 10_000, (0..4).map(|_| Ledger::default()).collect());
    let home = Arc::new(ResultQueue::default());
    for n in 0..5_000_u32 {
        workers.submit_to_threads(entry(move |_| Ok(n)), &home).expect("room for all");
    }
    let mut numbers: Vec<u32> = results(wait_for(&home, 5_000)).into_iter().map(|n| n.expect("no failure")).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..5_000));
}

#[test]
fn without_a_thread_a_job_is_refused_and_a_later_one_runs() {
    let workers = Workers::new("ledger", 10, vec![Ledger::default()]);
    let home = Arc::new(ResultQueue::default());
    let refuse: Spawn = |_, _| Err(io::ErrorKind::WouldBlock.into());
    assert_eq!(workers.submit_to(entry(|_| Ok(1_u32)), &home, refuse), Err(Busy));
    assert!(taken(&home).is_empty());
    workers.submit_to_threads(entry(|_| Ok(2_u32)), &home).expect("a thread");
    assert_eq!(results(wait_for(&home, 1)), [Ok(2)]);
}

#[test]
fn as_many_jobs_run_at_a_time_as_there_are_workers() {
    let workers = Workers::new("pair", 10, vec![(), ()]);
    let home = Arc::new(ResultQueue::default());
    let ((to_first, at_first), (to_second, at_second)) = (mpsc::channel(), mpsc::channel());
    // Each job waits for the other, so both end only if they run at the same time.
    let first = move |(): &mut ()| (to_second.send(()).is_ok(), at_first.recv().is_ok());
    let second = move |(): &mut ()| (to_first.send(()).is_ok(), at_second.recv().is_ok());
    workers.submit_to_threads(Job::new(0, first), &home).expect("room");
    workers.submit_to_threads(Job::new(0, second), &home).expect("room");
    for (_, done) in wait_for(&home, 2) {
        assert_eq!(done.downcast::<(bool, bool)>().expect("two answers"), (true, true));
    }
}

#[test]
fn the_end_of_a_pool_waits_for_the_job_under_way() {
    struct Closing(mpsc::Sender<&'static str>);
    impl Worker for Closing {
        type Output<T: Send + 'static> = T;
        type Error = Infallible;
        fn failed<T: Send + 'static>(error: Infallible) -> T {
            match error {}
        }
    }
    impl Drop for Closing {
        fn drop(&mut self) {
            self.0.send("closed").expect("the test listens");
        }
    }
    let (events, heard) = mpsc::channel();
    let (go, gone) = mpsc::channel::<()>();
    let workers = Workers::new("closing", 10, vec![Closing(events)]);
    let home = Arc::new(ResultQueue::default());
    let job = move |worker: &mut Closing| {
        worker.0.send("begun").expect("the test listens");
        gone.recv().expect("the test lets go");
        worker.0.send("done").expect("the test listens");
    };
    workers.submit_to_threads(Job::new(0, job), &home).expect("room");
    let never = |worker: &mut Closing| worker.0.send("never").expect("the test listens");
    workers.submit(Job::new(0, never)).expect("room");
    assert_eq!(heard.recv(), Ok("begun"));
    let shared = Arc::clone(&workers.shared);
    thread::scope(|scope| {
        scope.spawn(|| drop(workers));
        while !shared.lock().is_closed {
            thread::yield_now();
        }
        go.send(()).expect("the job waits");
    });
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), ["done", "closed"]);
}

#[test]
fn a_result_of_another_type_is_returned_unchanged() {
    let done = Done::new(5).downcast::<String>().expect_err("it is a number");
    assert_eq!(done.downcast::<i32>().expect("it is a number"), 5);
}
