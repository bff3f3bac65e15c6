use std::{
    pin::{Pin, pin},
    sync::{
        atomic::AtomicU32,
        mpsc::{self, Receiver, Sender},
    },
    task::{Context, Poll, Waker},
};

use super::*;
use crate::crypto::test_env::{self, ManualClock};

const SECOND: Duration = Duration::from_secs(1);

fn settings() -> Settings {
    Settings {
        threads: 1,
        queue: 100,
        max_wait: SECOND,
        idle_release: Duration::MAX,
        expected: Duration::ZERO,
    }
}

fn start(settings: Settings) -> Gate<u32> {
    Gate::start(settings, test_env::still()).unwrap()
}

/// Polls once, which is enough to be admitted.
fn ask(job: Pin<&mut impl Future<Output = Result<u32>>>) -> Poll<Result<u32>> {
    job.poll(&mut Context::from_waker(Waker::noop()))
}

/// Asks for work that must be refused at once.
fn refusal(gate: &Gate<u32>) -> Error {
    match ask(pin!(gate.run(None, two))) {
        Poll::Ready(answer) => answer.unwrap_err(),
        Poll::Pending => panic!("admitted"),
    }
}

/// Work that says when it starts and ends when it is told to.
struct Held {
    started: Receiver<()>,
    release: Sender<()>,
}

impl Held {
    fn new() -> (Self, impl FnOnce(&mut Arena) -> u32 + Send + 'static) {
        let (says_started, started) = mpsc::channel();
        let (release, released) = mpsc::channel();
        let work = move |_: &mut Arena| {
            says_started.send(()).unwrap();
            released.recv().unwrap();
            1
        };
        (Self { started, release }, work)
    }

    fn wait_until_started(&self) {
        self.started.recv().unwrap();
    }

    fn release(&self) {
        self.release.send(()).unwrap();
    }
}

fn two(_: &mut Arena) -> u32 {
    2
}

#[tokio::test]
async fn whoever_would_wait_too_long_is_refused_at_once_and_told_when_to_come_back() {
    let gate = start(Settings {
        expected: SECOND * 4,
        max_wait: SECOND * 8,
        ..settings()
    });
    let (held, work) = Held::new();
    let mut running = pin!(gate.run(None, work));
    assert!(ask(running.as_mut()).is_pending());
    held.wait_until_started();
    let (mut second, mut third) = (pin!(gate.run(None, two)), pin!(gate.run(None, two)));
    assert!(ask(second.as_mut()).is_pending());
    assert!(ask(third.as_mut()).is_pending());
    let refused = refusal(&gate);
    assert_eq!(refused.reason(), Reason::Overloaded);
    assert_eq!(refused.retry_delay(), Some(SECOND * 12));
    assert_eq!((gate.load().queued, gate.load().running), (2, 1));
    assert_eq!(gate.shed(), 1);
    held.release();
    assert_eq!(running.await.unwrap(), 1);
    assert_eq!((second.await.unwrap(), third.await.unwrap()), (2, 2));
    assert_eq!(gate.load(), GateLoad::default());
    assert_eq!(gate.shed(), 1, "who was served is not counted");
}

#[tokio::test]
async fn a_full_queue_refuses_and_asks_for_a_second_at_least() {
    let gate = start(Settings {
        queue: 2,
        ..settings()
    });
    let (held, work) = Held::new();
    let mut running = pin!(gate.run(None, work));
    assert!(ask(running.as_mut()).is_pending());
    held.wait_until_started();
    let (mut second, mut third) = (pin!(gate.run(None, two)), pin!(gate.run(None, two)));
    assert!(ask(second.as_mut()).is_pending());
    assert!(ask(third.as_mut()).is_pending());
    let refused = refusal(&gate);
    assert_eq!(refused.reason(), Reason::Overloaded);
    assert_eq!(refused.retry_delay(), Some(SECOND));
    held.release();
    assert_eq!(third.await.unwrap(), 2);
}

#[tokio::test]
async fn the_estimate_follows_what_hashes_really_take() {
    let (env, clock) = test_env::manual();
    let gate = Gate::start(settings(), env).unwrap();
    let slow = |clock: Arc<ManualClock>| {
        move |_: &mut Arena| {
            clock.advance(SECOND * 32);
            1
        }
    };
    gate.run(None, slow(clock.clone())).await.unwrap();
    let (held, work) = Held::new();
    let mut running = pin!(gate.run(None, work));
    assert!(ask(running.as_mut()).is_pending());
    held.wait_until_started();
    let refused = refusal(&gate);
    assert_eq!(refused.retry_delay(), Some(SECOND * 4));
    held.release();
    running.await.unwrap();
    // However slow the last ones were, a free thread is never refused.
    assert_eq!(gate.run(None, two).await.unwrap(), 2);
}

#[tokio::test]
async fn a_caller_who_leaves_before_the_start_takes_the_work_back() {
    let gate = start(Settings {
        queue: 1,
        ..settings()
    });
    let (held, work) = Held::new();
    let mut running = pin!(gate.run(None, work));
    assert!(ask(running.as_mut()).is_pending());
    held.wait_until_started();
    let done = Arc::new(AtomicU32::new(0));
    for _ in 0..100 {
        let done = Arc::clone(&done);
        // Each would find the queue full if those who left still stood in it.
        let mut leaving = pin!(gate.run(None, move |_| done.fetch_add(1, Ordering::SeqCst)));
        assert!(ask(leaving.as_mut()).is_pending());
    }
    held.release();
    running.await.unwrap();
    assert_eq!(gate.run(None, two).await.unwrap(), 2);
    assert_eq!(done.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_thread_skips_those_who_have_left() {
    let gate = start(settings());
    let (held, work) = Held::new();
    let mut running = pin!(gate.run(None, work));
    assert!(ask(running.as_mut()).is_pending());
    held.wait_until_started();
    let done = Arc::new(AtomicU32::new(0));
    let counts = Arc::clone(&done);
    let mut leaving = Box::pin(gate.run(None, move |_| counts.fetch_add(1, Ordering::SeqCst)));
    let mut next = pin!(gate.run(None, two));
    assert!(ask(leaving.as_mut()).is_pending());
    assert!(ask(next.as_mut()).is_pending());
    drop(leaving);
    held.release();
    assert_eq!(next.await.unwrap(), 2);
    assert_eq!(done.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_caller_who_leaves_after_the_start_frees_nothing_early() {
    let gate = start(settings());
    let (held, work) = Held::new();
    {
        let mut leaving = pin!(gate.run(None, work));
        assert!(ask(leaving.as_mut()).is_pending());
        held.wait_until_started();
    }
    let mut next = pin!(gate.run(None, two));
    assert!(ask(next.as_mut()).is_pending());
    assert_eq!((gate.load().queued, gate.load().running), (1, 1));
    held.release();
    assert_eq!(next.await.unwrap(), 2);
}

#[tokio::test]
async fn a_thousand_callers_of_whom_half_leave_never_run_on_more_than_the_threads() {
    let gate = Arc::new(start(Settings {
        threads: 3,
        queue: 1000,
        ..settings()
    }));
    let (running, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let tasks: Vec<_> = (0..1000)
        .map(|_| {
            let (gate, running, most) = (gate.clone(), running.clone(), most.clone());
            let work = move |_: &mut Arena| {
                let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(now, Ordering::SeqCst);
                thread::yield_now();
                running.fetch_sub(1, Ordering::SeqCst)
            };
            tokio::spawn(async move { gate.run(None, work).await })
        })
        .collect();
    tokio::task::yield_now().await;
    for (number, task) in tasks.into_iter().enumerate() {
        if number % 2 == 0 {
            task.abort();
        } else {
            task.await.unwrap().unwrap();
        }
    }
    assert!((1..=3).contains(&most.load(Ordering::SeqCst)));
    assert_eq!(gate.load().queued, 0);
}

#[tokio::test]
async fn a_panic_is_one_internal_error_and_no_more() {
    let gate = start(settings());
    for _ in 0..3 {
        let failed = gate.run(None, |_| panic!("on purpose")).await.unwrap_err();
        assert_eq!(failed.reason(), Reason::Internal);
        assert_eq!(gate.load(), GateLoad::default());
    }
    assert_eq!(gate.run(None, two).await.unwrap(), 2);
}

#[tokio::test]
async fn dropping_the_gate_ends_its_threads() {
    let gate = start(Settings {
        threads: 4,
        ..settings()
    });
    let shared = Arc::clone(&gate.shared);
    let (held, work) = Held::new();
    {
        let mut leaving = pin!(gate.run(None, work));
        assert!(ask(leaving.as_mut()).is_pending());
        held.wait_until_started();
    }
    held.release();
    drop(gate);
    assert_eq!(Arc::strong_count(&shared), 1);
    assert_eq!(shared.load(), GateLoad::default());
}

#[tokio::test]
async fn memory_stays_between_hashes() {
    let kept = start(settings());
    let use_memory = |arena: &mut Arena| {
        arena.for_password(8).unwrap();
        0
    };
    kept.run(None, use_memory).await.unwrap();
    assert_eq!(kept.load().arena_kib, 8);
}

#[test]
fn memory_goes_when_there_was_no_work_for_a_while() {
    let brief = Settings {
        idle_release: Duration::ZERO,
        ..settings()
    };
    let shared = Shared::<u32>::new(brief, test_env::still());
    let mut arena = Arena::new(Arc::clone(&shared.arena_blocks));
    arena.for_password(8).unwrap();
    // The system may wake a waiting thread for no reason.
    for _ in 0..100 {
        if !arena.is_empty() {
            shared.wait(shared.state(), &mut arena);
        }
    }
    assert_eq!(shared.load().arena_kib, 0);
}

#[tokio::test]
async fn an_idle_thread_keeps_no_trace_of_a_password() {
    let gate = start(settings());
    let leave_trace = |arena: &mut Arena| {
        arena.for_password(8).unwrap()[0].as_mut()[0] = 7;
        0
    };
    let is_clean = |arena: &mut Arena| {
        let clean = !arena.is_dirty() && arena.for_password(8).unwrap()[0].as_ref()[0] == 0;
        u32::from(clean)
    };
    // The next job may come before the thread is idle, so ask until it came after.
    for _ in 0..10_000 {
        gate.run(None, leave_trace).await.unwrap();
        thread::yield_now();
        if gate.run(None, is_clean).await.unwrap() == 1 {
            return;
        }
    }
    panic!("the arena was never wiped");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn hashing_is_nice_to_everyone_else() {
    // Of the thread that asks. The process may be nice itself, and 19 is the end of the scale.
    let niceness = || rustix::process::getpriority_process(None).unwrap();
    let before = niceness();
    let work = move |_: &mut Arena| u32::try_from(niceness()).unwrap();
    let hashing = start(settings()).run(None, work).await.unwrap();
    assert_eq!(i32::try_from(hashing).unwrap(), (before + NICENESS).min(19));
    assert_eq!(niceness(), before);
}

#[test]
fn a_site_fills_half_of_the_queue_and_others_get_in() {
    let gate = start(Settings {
        queue: 4,
        ..settings()
    });
    let (held, work) = Held::new();
    let mut running = pin!(gate.run(None, work));
    assert!(ask(running.as_mut()).is_pending());
    held.wait_until_started();
    let client = |text: &str| Some(text.parse().unwrap());
    let mut flood: Vec<_> = (0..8)
        .map(|network| client(&format!("2001:db8:1:{network}::1")))
        .map(|from| Box::pin(gate.run(from, two)))
        .collect();
    let admitted = flood.iter_mut().filter_map(|job| match ask(job.as_mut()) {
        Poll::Pending => Some(()),
        Poll::Ready(answer) => {
            assert_eq!(answer.unwrap_err().reason(), Reason::Overloaded);
            None
        }
    });
    assert_eq!(admitted.count(), 2);
    for newcomer in ["2001:db8:2::1", "192.0.2.1"] {
        let mut job = Box::pin(gate.run(client(newcomer), two));
        assert!(ask(job.as_mut()).is_pending(), "{newcomer}");
        flood.push(job);
    }
    held.release.send(()).unwrap();
}
