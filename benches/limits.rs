//! What the limits cost, in time and in memory, when many untrusted clients call: `cargo bench --bench limits`. Its
//! rows stand in `docs/BENCHMARKS.md`.

#![expect(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a measurement that cannot be made ends the run, and real time is what is measured"
)]

use std::{
    collections::HashMap,
    fs,
    hint::black_box,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::Mutex,
    time::{Duration, Instant},
};

use countersign::{
    domain::throttle::memory::{Keys, Memory},
    env::{Env, Timestamp},
    limits::{Limits, Quotas},
    model::{
        account::Plan,
        throttle::{Origin, Rules, decide},
    },
};

/// The program's own, which decides how much memory is resident.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SEEN: u128 = 1_000_000;
const FLOOD: u128 = 5_000_000;
const CHECKS: u128 = 1_000_000;
const ROUNDS: usize = 7;

const RULES: Rules = Rules {
    free: 5,
    first_delay: Duration::from_secs(1),
    longest_delay: Duration::from_secs(900),
    untrusted: 300,
    untrusted_refill: Duration::from_secs(30),
    client: 100,
};

fn main() {
    // `cargo test --benches` and `cargo bench -- --list` only want to see that this builds.
    if std::env::args().any(|argument| argument == "--test" || argument == "--list") {
        return;
    }
    memory();
    time();
}

fn limits() -> Limits {
    let calls = |calls| NonZeroU32::new(calls).expect("not zero");
    let quotas = Quotas {
        public: calls(8),
        free: calls(8),
        pro: calls(20),
        creation: Duration::from_secs(8),
        pro_creation: calls(8),
        failed_credentials: calls(8),
        client_registration: Duration::from_secs(2),
        log_in: RULES,
    };
    Limits::new(&Env::system(), &quotas)
}

/// A network and a site of its own for each number.
fn address(number: u128) -> IpAddr {
    IpAddr::V6(Ipv6Addr::from((0x2001 << 112) + (number << 80)))
}

/// Keys of an untrusted client of its own for each number, as mixed as the program's.
fn keys(number: u128) -> Keys {
    let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    [Some(mixed); 5]
}

/// Tries a password as an untrusted client, with and without a device.
fn attempt(memory: &Mutex<Memory>, number: u128, now: Timestamp) {
    let keys = keys(number);
    let mut memory = memory.lock().expect("no panic");
    let before = memory.states(&keys, now, &RULES);
    let mut states = before;
    let origin = Origin {
        device: number.is_multiple_of(2),
        session_here: Some(false),
    };
    black_box(decide(&mut states, origin, now, &RULES));
    memory.keep(&keys, &before, &states);
}

fn memory() {
    let env = Env::system();
    let before = resident_mebibytes();
    let (limits, attempts) = (limits(), Mutex::new(Memory::new()));
    for number in 0..FLOOD {
        let client = address(number);
        let _ = limits.public(client);
        for plan in [Plan::Free, Plan::Pro] {
            let _ = limits.authenticated(plan, client);
            let _ = limits.creation(plan, true, client);
        }
        let _ = limits.failed_credential(client);
        let _ = limits.well_formed_credential(client);
        let _ = limits.known_device(number, client);
        attempt(&attempts, number, env.now());
    }
    row(
        "memory that 5 M untrusted clients take in every limit, log-ins included (resident), MiB",
        resident_mebibytes() - before,
        "<= 64",
    );
    black_box((limits, attempts));
}

fn time() {
    let env = Env::system();
    let (limits, attempts) = (limits(), Mutex::new(Memory::new()));
    let bare = Mutex::new(HashMap::new());
    for number in 0..SEEN {
        let _ = limits.public(address(number));
        attempt(&attempts, number, env.now());
        bare.lock().expect("no panic").insert(number, number);
    }
    let (mut bares, mut checks, mut tries) = (Vec::new(), Vec::new(), Vec::new());
    // In turn, so that a drift of the machine's speed falls on all of them.
    for _ in 0..ROUNDS {
        bares.push(nanoseconds(|number| {
            let mut bare = bare.lock().expect("no panic");
            if let Some(value) = bare.get_mut(&number) {
                *value += 1;
            }
        }));
        checks.push(nanoseconds(|number| {
            let _ = black_box(limits.public(address(number)));
        }));
        tries.push(nanoseconds(|number| attempt(&attempts, number, env.now())));
    }
    let bare = median(&mut bares);
    row("a locked look-up among 1 M keys, ns", bare, "");
    let check = median(&mut checks);
    row("a limiter check after 1 M clients, ns", check, "< 1000");
    row("a limiter check / a locked look-up", check / bare, "");
    let tried = median(&mut tries);
    row(
        "a decision about a log-in after 1 M untrusted clients, ns",
        tried,
        "",
    );
}

/// The time of one call, over numbers that come in no order.
fn nanoseconds(call: impl Fn(u128)) -> f64 {
    let begun = Instant::now();
    for number in 0..CHECKS {
        call(number * 7_919 % SEEN);
    }
    begun.elapsed().as_secs_f64() * 1e9 / CHECKS as f64
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn row(what: &str, measured: f64, wanted: &str) {
    println!("| {what} | {measured:.1} | {wanted} |");
}

fn resident_mebibytes() -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .expect("VmRSS");
    let kibibytes = line.split_whitespace().nth(1);
    kibibytes
        .and_then(|number| number.parse::<f64>().ok())
        .expect("a number")
        / 1024.0
}
