//! A handler that does what its peers tell it, in all ways that a [`Context`] offers, and keeps books of what it did.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use arbitrary::Arbitrary;
use switchboard::{Address, Closed, Context, Done, FeedId, Handler, Link, Origin, Source, TimerId, Token, Workers};

use super::account::Account;

/// One thing to do. Three bytes of input are one, so what comes in pieces has to wait for the rest.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Act {
    pub(super) code: u8,
    /// An amount, a time, or a peer.
    pub(super) argument: u8,
    /// What is to follow: the code of what a timer or a job does.
    pub(super) then: u8,
}

/// Bytes of an act.
pub(super) const ACT: usize = 3;

impl Act {
    fn parse(bytes: &[u8]) -> Option<Act> {
        let &[code, argument, then] = bytes else { return None };
        Some(Act { code, argument, then })
    }

    /// What a timer or a job does in the end.
    fn next(self) -> Act {
        Act { code: self.then, argument: self.argument, then: self.argument }
    }
}

/// How long the longest timer takes.
pub(super) const LONGEST_TIMER: Duration = Duration::from_millis(255 * MILLIS_A_STEP);
const MILLIS_A_STEP: u64 = 20;
fn steps(count: u8) -> Duration {
    Duration::from_millis(u64::from(count) * MILLIS_A_STEP)
}

/// How many acts a script may cause. Bounds timers that set timers.
const MOST_ACTS: usize = 600;
/// A file to send, and its content: this source.
static FILE: LazyLock<(Arc<File>, Vec<u8>)> = LazyLock::new(|| {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/sim/machine.rs");
    let file = File::open(path).expect("the source is there");
    (Arc::new(file), fs::read(path).expect("the source is there"))
});

/// How many jobs wait at most.
const JOBS: usize = 3;
const FEEDS: usize = 2;
/// How many different things there are to do.
const CODES: u8 = 22;

/// The handler.
pub(super) struct Machine {
    pub(super) accounts: Vec<Account>,
    pub(super) alarms: BTreeMap<TimerId, (Instant, Act)>,
    /// The first act and the last will of who comes next.
    pub(super) next_comer: (Act, Act),
    /// What was written to standard output, and told to the operator.
    pub(super) printed: Vec<u8>,
    pub(super) told: String,
    /// In a callback of the operator, what was replied to it.
    answer: Option<Vec<u8>>,
    pub(super) is_stopping: bool,
    /// Jobs outside of any session that were taken and are not finished.
    pub(super) chores: usize,
    /// Outbound connections asked for, and refused.
    pub(super) wanted: usize,
    pub(super) refused: usize,
    pub(super) acts_left: usize,
    feeds: Vec<FeedId>,
    workers: Workers<()>,
    taken: usize,
    /// Jobs that were done: counted by the jobs themselves.
    done: Arc<AtomicUsize>,
    payloads: usize,
}

impl Machine {
    pub(super) fn new() -> Self {
        Machine {
            accounts: Vec::new(),
            alarms: BTreeMap::new(),
            next_comer: (Act { code: 0, argument: 0, then: 0 }, Act { code: 0, argument: 0, then: 0 }),
            printed: Vec::new(),
            told: String::new(),
            answer: None,
            is_stopping: false,
            chores: 0,
            wanted: 0,
            refused: 0,
            acts_left: MOST_ACTS,
            feeds: Vec::new(),
            workers: Workers::new("machine", JOBS, vec![()]),
            taken: 0,
            done: Arc::default(),
            payloads: 0,
        }
    }

    /// The feeds that the first peers find.
    pub(super) fn make_feeds(&mut self, cx: &mut Context<'_>) {
        self.feeds = (0..FEEDS).map(|_| cx.create_feed()).collect();
    }

    /// Does one thing, for a session or for none, and enters it into the books.
    fn act(&mut self, who: Option<usize>, act: Act, cx: &mut Context<'_>) {
        if self.acts_left == 0 {
            return;
        }
        self.acts_left -= 1;
        let size = usize::from(act.argument);
        match act.code % CODES {
            0 | 1 => self.reply(who, size, cx),
            2 => self.send(size, 4 * size, cx),
            3 => self.send(size, 3, cx),
            4 => self.publish(size, cx),
            5 | 6 => self.publish_others(who, size, cx),
            7 => {
                cx.follow(self.feeds[size % FEEDS]);
                self.of(who, |account| {
                    if account.is_open() {
                        account.follows = Some(size % FEEDS);
                    }
                });
            }
            8 => {
                cx.unfollow();
                self.of(who, |account| account.follows = None);
            }
            9 => {
                cx.close();
                self.of(who, Account::close);
            }
            10 => {
                cx.abort();
                self.of(who, Account::cut);
            }
            11 => self.other(size, |account| {
                cx.close_other(account.token);
                account.close();
            }),
            12 => self.other(size, |account| {
                cx.abort_other(account.token);
                account.cut();
            }),
            13 => self.other(size, |account| {
                cx.shut_down_other(account.token);
                account.is_mute |= account.is_open();
            }),
            14 | 15 => self.set_timer(who, act, cx),
            16 => self.cancel(who, cx),
            17 => self.offload(who, act.next(), cx),
            18 => {
                let bytes = self.payload(size);
                cx.write_stdout(&bytes);
                self.printed.extend(bytes);
            }
            19 => {
                let time = steps(act.argument);
                cx.pause_input(time);
                self.of(who, |account| account.rest(cx.now(), cx.now() + time));
            }
            20 => self.offload_detached(act.next(), cx),
            _ => self.rarely(who, act, cx),
        }
    }

    fn rarely(&mut self, who: Option<usize>, act: Act, cx: &mut Context<'_>) {
        match act.argument % 11 {
            0 => {
                cx.stop();
                self.is_stopping = true;
            }
            1 => {
                let mut link = Link::default();
                link.closes_last = act.then.is_multiple_of(2);
                let _ = cx.connect(Address::Unix("/run/peer".into()), link);
                self.wanted += 1;
            }
            2 => self.replace_feed(usize::from(act.then), cx),
            3 => cx.pause_console(),
            4 => cx.resume_console(),
            5 | 6 => self.reply_file(who, act, cx),
            7 => {
                let number = usize::from(act.argument) % FEEDS;
                let feed = self.feeds[number];
                self.other(act.then.into(), |account| {
                    cx.follow_other(account.token, feed);
                    account.follows = if account.is_open() { Some(number) } else { account.follows };
                });
            }
            8 => self.other(act.then.into(), |account| {
                cx.unfollow_other(account.token);
                account.follows = None;
            }),
            9 => self.publish_except(usize::from(act.then), usize::from(act.argument), cx),
            _ => {
                cx.write_stderr("told");
                self.told.push_str("told\n");
            }
        }
    }

    fn of(&mut self, who: Option<usize>, change: impl FnOnce(&mut Account)) {
        if let Some(who) = who {
            change(&mut self.accounts[who]);
        }
    }

    fn other(&mut self, number: usize, change: impl FnOnce(&mut Account)) {
        if !self.accounts.is_empty() {
            let number = number % self.accounts.len();
            change(&mut self.accounts[number]);
        }
    }

    /// Bytes that no other payload begins with, as good as surely.
    fn payload(&mut self, size: usize) -> Vec<u8> {
        self.payloads += 1;
        (0..size).map(|at| (self.payloads * 151 + at * 7) as u8).collect()
    }

    fn reply(&mut self, who: Option<usize>, size: usize, cx: &mut Context<'_>) {
        let bytes = self.payload(size);
        cx.reply(&bytes);
        if let Some(answer) = &mut self.answer {
            answer.extend(&bytes);
        }
        self.of(who, |account| account.credit(&bytes));
    }

    /// Sends a part of a file, which begins where the two numbers say.
    fn reply_file(&mut self, who: Option<usize>, act: Act, cx: &mut Context<'_>) {
        let start = usize::from(act.then);
        let range = start..start + 2 * usize::from(act.argument);
        let sent = cx.reply_file(FILE.0.clone(), range.start as u64..range.end as u64);
        let is_taken = who.is_some_and(|who| {
            let account = &self.accounts[who];
            account.is_open() && !account.is_mute && account.follows.is_none()
        });
        assert_eq!(sent.is_ok(), is_taken, "a file is refused to a follower, and where nothing can be sent: {sent:?}");
        if is_taken {
            self.of(who, |account| account.credit(&FILE.1[range]));
        }
    }

    fn send(&mut self, to: usize, size: usize, cx: &mut Context<'_>) {
        let bytes = self.payload(size);
        self.other(to, |account| {
            cx.send(account.token, &bytes);
            account.credit(&bytes);
        });
    }

    fn publish(&mut self, size: usize, cx: &mut Context<'_>) {
        let feed = size % FEEDS;
        let bytes = self.payload(size);
        cx.publish(self.feeds[feed], &bytes);
        self.credit_followers(feed, None, &bytes);
    }

    fn publish_others(&mut self, who: Option<usize>, size: usize, cx: &mut Context<'_>) {
        let feed = size % FEEDS;
        let bytes = self.payload(size);
        cx.publish_others(self.feeds[feed], &bytes);
        self.credit_followers(feed, who, &bytes);
    }

    fn publish_except(&mut self, other: usize, size: usize, cx: &mut Context<'_>) {
        let feed = size % FEEDS;
        let bytes = self.payload(size);
        let other = other.checked_rem(self.accounts.len());
        let Some(token) = other.map(|other| self.accounts[other].token) else { return };
        cx.publish_except(self.feeds[feed], token, &bytes);
        self.credit_followers(feed, other, &bytes);
    }

    /// Credits what was published to all followers of a feed but one.
    fn credit_followers(&mut self, feed: usize, except: Option<usize>, bytes: &[u8]) {
        for (number, account) in self.accounts.iter_mut().enumerate() {
            if account.follows == Some(feed) && Some(number) != except {
                account.credit(bytes);
            }
        }
    }

    /// Removes a feed for a new one. Its followers follow none, and its id does nothing any more.
    fn replace_feed(&mut self, number: usize, cx: &mut Context<'_>) {
        let feed = number % FEEDS;
        let removed = self.feeds[feed];
        cx.remove_feed(removed);
        self.feeds[feed] = cx.create_feed();
        for account in self.accounts.iter_mut().filter(|account| account.follows == Some(feed)) {
            account.follows = None;
        }
        cx.follow(removed);
        cx.publish(removed, b"to none");
        cx.remove_feed(removed);
    }

    fn timers(&mut self, who: Option<usize>) -> &mut BTreeMap<TimerId, (Instant, Act)> {
        match who {
            Some(who) => &mut self.accounts[who].timers,
            None => &mut self.alarms,
        }
    }

    fn set_timer(&mut self, who: Option<usize>, act: Act, cx: &mut Context<'_>) {
        let after = steps(act.argument);
        let timer = cx.set_timer(after);
        let old = self.timers(who).insert(timer, (cx.now() + after, act.next()));
        assert_eq!(old, None, "a timer has its number for itself");
    }

    fn cancel(&mut self, who: Option<usize>, cx: &mut Context<'_>) {
        if let Some((timer, _)) = self.timers(who).pop_first() {
            cx.cancel_timer(timer);
        }
    }

    /// A timer is due, at its time and not at another one.
    fn fire(&mut self, who: Option<usize>, timer: TimerId, cx: &mut Context<'_>) {
        let (deadline, act) = self.timers(who).remove(&timer).expect("a timer that was set and is not cancelled");
        assert_eq!(cx.now(), deadline);
        self.act(who, act, cx);
    }

    fn offload(&mut self, who: Option<usize>, act: Act, cx: &mut Context<'_>) {
        let has_job = who.is_some_and(|who| self.accounts[who].job.is_some());
        let is_full = self.is_full();
        let taken = cx.offload(&self.workers, self.job(act));
        assert_eq!(taken.is_err(), has_job || is_full, "busy with a job, or with a full queue, and not otherwise");
        if taken.is_err() {
            return self.reply(who, 5, cx);
        }
        self.taken += 1;
        match who {
            Some(who) => self.accounts[who].job = Some(act),
            None => self.chores += 1,
        }
    }

    fn offload_detached(&mut self, act: Act, cx: &mut Context<'_>) {
        let is_full = self.is_full();
        let taken = cx.offload_detached(&self.workers, self.job(act));
        assert_eq!(taken.is_err(), is_full, "busy with a full queue, and not otherwise");
        if taken.is_ok() {
            self.taken += 1;
            self.chores += 1;
        }
    }

    /// A job that returns what to do then.
    fn job(&self, act: Act) -> impl FnOnce(&mut ()) -> Act + Send + 'static {
        let done = Arc::clone(&self.done);
        move |()| {
            done.fetch_add(1, Ordering::Relaxed);
            act
        }
    }

    fn is_full(&self) -> bool {
        self.taken - self.done.load(Ordering::Relaxed) >= JOBS
    }

    fn open_account(&mut self, who: usize) -> &mut Account {
        let account = &mut self.accounts[who];
        assert!(account.is_open(), "no call concerns a session that is over: {:?}", account.life);
        account
    }
}

/// A number of an account.
impl Handler for Machine {
    type Session = usize;

    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) -> usize {
        let who = self.accounts.len();
        let (first, last_will) = self.next_comer;
        self.accounts.push(Account::new(origin.token, last_will));
        self.act(Some(who), first, cx);
        who
    }

    fn data<'a>(&mut self, &mut who: &mut usize, input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        let is_stopping = self.is_stopping;
        let account = self.open_account(who);
        assert!(account.job.is_none(), "input waits for the job");
        assert!(is_stopping || !account.rests(cx.now()), "input waits for the end of the rest");
        let mut rest: &'a [u8] = input;
        let mut used = 0;
        while cx.may_continue()
            && let Some((bytes, after)) = rest.split_at_checked(ACT)
            && let Some(act) = Act::parse(bytes)
        {
            rest = after;
            used += ACT;
            self.accounts[who].heard.extend_from_slice(bytes);
            if act.code.is_multiple_of(CODES) {
                cx.reply_input(bytes);
                self.accounts[who].credit(bytes);
            } else {
                self.act(Some(who), act, cx);
            }
        }
        used
    }

    fn eof(&mut self, &mut who: &mut usize, cx: &mut Context<'_>) {
        let account = self.open_account(who);
        assert!(account.job.is_none(), "the end waits for the job");
        assert!(!std::mem::replace(&mut account.has_ended, true), "the end is told once");
        // Some go on, to send to a peer that says no more.
        if account.last_will.then.is_multiple_of(2) {
            cx.close();
            account.close();
        }
    }

    fn drained(&mut self, &mut who: &mut usize, _: &mut Context<'_>) {
        self.open_account(who);
    }

    fn timer(&mut self, &mut who: &mut usize, timer: TimerId, cx: &mut Context<'_>) {
        self.open_account(who);
        self.fire(Some(who), timer, cx);
    }

    fn done(&mut self, &mut who: &mut usize, done: Done, cx: &mut Context<'_>) {
        let act: Act = done.downcast().expect("an act");
        assert_eq!(self.open_account(who).job.take(), Some(act));
        self.act(Some(who), act, cx);
    }

    fn closed(&mut self, who: usize, why: &Closed, cx: &mut Context<'_>) {
        let account = &mut self.accounts[who];
        account.end(copy(why));
        let last_will = account.last_will;
        // When all end at once, some are told of it before the others: what is sent to these goes nowhere.
        if !matches!(why, Closed::Stopping) {
            self.act(None, last_will, cx);
        }
    }

    fn datagram<'a>(&mut self, _: &Source, input: &'a mut [u8], cx: &mut Context<'a>) {
        cx.reply(b"> ");
        cx.reply_input(input);
    }

    fn console(&mut self, line: &[u8], cx: &mut Context<'_>) {
        self.answer = Some(Vec::new());
        for bytes in line.chunks_exact(ACT) {
            self.act(None, Act::parse(bytes).expect("three bytes"), cx);
        }
        let answer = self.answer.take().unwrap_or_default();
        if !answer.is_empty() {
            self.told.push_str(&String::from_utf8_lossy(answer.strip_suffix(b"\n").unwrap_or(&answer)));
            self.told.push('\n');
        }
    }

    fn console_end(&mut self, cx: &mut Context<'_>) {
        cx.stop();
        self.is_stopping = true;
    }

    fn service_timer(&mut self, timer: TimerId, cx: &mut Context<'_>) {
        self.fire(None, timer, cx);
    }

    fn service_done(&mut self, done: Done, cx: &mut Context<'_>) {
        let act: Act = done.downcast().expect("an act");
        self.chores -= 1;
        self.act(None, act, cx);
    }

    fn connect_failed(&mut self, _: Token, _: &Address, _: &io::Error, _: &mut Context<'_>) {
        self.refused += 1;
    }
}

/// A reason cannot be cloned, for the error in one of them.
fn copy(why: &Closed) -> Closed {
    match why {
        Closed::ByHandler => Closed::ByHandler,
        Closed::Failed(error) => Closed::Failed(error.kind().into()),
        &Closed::Idle(limit) => Closed::Idle(limit),
        &Closed::QueueFull { queued, limit } => Closed::QueueFull { queued, limit },
        &Closed::FeedBehind { behind, limit } => Closed::FeedBehind { behind, limit },
        &Closed::QueueStalled { queued, limit } => Closed::QueueStalled { queued, limit },
        &Closed::MemoryFull { pending, limit } => Closed::MemoryFull { pending, limit },
        &Closed::InboxFull(held) => Closed::InboxFull(held),
        Closed::Stopping => Closed::Stopping,
        other => panic!("a reason that is not known here: {other}"),
    }
}
