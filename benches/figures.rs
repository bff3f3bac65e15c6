//! The figures of the whole program, measured from outside as ratios within one run, and written to
//! `docs/BENCHMARKS.md`: `cargo bench --bench figures`. With names of parts, `-- reads rotations`, those are printed alone.

#![expect(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a measurement that cannot be made ends the run, and real time is what is measured"
)]

#[path = "figures/client.rs"]
mod client;
#[path = "figures/echo.rs"]
mod echo;
#[path = "figures/jobs.rs"]
mod jobs;
#[path = "figures/load.rs"]
mod load;
#[path = "figures/rates.rs"]
mod rates;
#[path = "figures/raw_sqlite.rs"]
mod raw_sqlite;
#[path = "figures/report.rs"]
mod report;
#[path = "figures/server.rs"]
mod server;

use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Block, Params, Version};

use self::{client::Client, jobs::Person, report::Report, server::Server};

const HEAD: &str = "# Benchmarks

Written by `cargo bench --bench figures`, which runs the release binary as a process and watches it from outside.
Absolute figures are those of one machine on one day; the ratios compare two things measured in turn in the same run,
and are what to look at: the median of five rounds, with the lowest and the highest. Client and server share the machine's
cores. The REST calls come over one HTTP/1.1 connection, the native ones over HTTP/2: 4x16 is four connections with 16 calls
under way on each. The echo is a bare tonic server that answers with the same account. Passwords are hashed with 19 MiB and two
passes, and SQLite commits with `synchronous = FULL`.

| what | measured | wanted |
|---|---|---|
";
const STARTS: usize = 11;
const CALLS: usize = 5_000;
const ROUNDS: usize = 5;
const LOGIN_TIME: Duration = Duration::from_secs(4);
/// More than the hashing threads, so that they never wait for a log-in to arrive.
const LOGIN_CLIENTS: usize = 8;

#[tokio::main]
async fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [first, address] = arguments.as_slice()
        && first == echo::ARGUMENT
    {
        return echo::serve(address).await;
    }
    // `cargo test --benches` and `cargo bench -- --list` only want to see that this builds.
    if arguments.iter().any(|it| it == "--test" || it == "--list") {
        return;
    }
    let parts: Vec<_> = arguments.iter().filter(|it| *it != "--bench").collect();
    let is_wanted = |part: &str| parts.is_empty() || parts.iter().any(|it| *it == part);
    let mut report = Report::default();
    let folder = tempfile::tempdir().expect("a folder");
    Server::start(folder.path()).await.stop().await;
    if is_wanted("start") {
        start_to_ready(&mut report, folder.path()).await;
    }
    let server = Server::start(folder.path()).await;
    if is_wanted("size") {
        sizes(&mut report, &server).await;
    }
    if is_wanted("calls") {
        cost_of_a_call(&mut report, &server).await;
    }
    if is_wanted("reads") {
        rates::reads(&mut report, &server).await;
    }
    if is_wanted("rotations") {
        rates::rotations(&mut report, &server, folder.path()).await;
    }
    if is_wanted("log-ins") {
        log_ins(&mut report, &server).await;
        rates::reads_beside_log_ins(&mut report, &server).await;
    }
    server.stop().await;
    if parts.is_empty() {
        report.write(HEAD);
    }
}

async fn sizes(report: &mut Report, server: &Server) {
    tokio::time::sleep(Duration::from_secs(2)).await;
    report.absolute(
        "idle memory (resident), MB",
        server.resident_megabytes(),
        "<= 20",
    );
    report.absolute(
        "release binary, stripped, MB",
        Server::binary_megabytes(),
        "<= 25",
    );
}

async fn start_to_ready(report: &mut Report, folder: &std::path::Path) {
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let begun = Instant::now();
        let server = Server::start(folder).await;
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
        server.stop().await;
    }
    report.absolute(
        "start to ready on an existing database, ms (median)",
        report::median(&mut times),
        "< 30",
    );
}

/// Rounds of the three ways in turn, so that a drift of the machine's speed falls on all of them.
async fn cost_of_a_call(report: &mut Report, server: &Server) {
    let person = Person::signs_up(server.address, "calls@example.com").await;
    let client = Client::of(&person).await;
    let (mut grpc, mut transcoded, mut face) = (Vec::new(), Vec::new(), Vec::new());
    client.native(200).await;
    for _ in 0..ROUNDS {
        let native = server.cpu_of(client.native(CALLS)).await;
        grpc.push(native / CALLS as f64 * 1e6);
        let rest = client.rest("/v1/accounts/me", CALLS);
        transcoded.push(server.cpu_of(rest).await / native);
        let rest = client.rest("/oauth/me", CALLS);
        face.push(server.cpu_of(rest).await / native);
    }
    let native = report::median(&mut grpc);
    report.absolute("CPU of a native gRPC read, µs", native, "");
    let transcoding = "CPU of a transcoded REST read / native gRPC";
    report.ratio(transcoding, &mut transcoded, "<= 1.5");
    report.ratio("CPU of a face's read / native gRPC", &mut face, "<= 1.5");
}

/// Rounds of bare hashing and of logging in, in turn.
async fn log_ins(report: &mut Report, server: &Server) {
    let person = Person::signs_up(server.address, "logins@example.com").await;
    let (mut bare, mut ratios) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let hashes = bare_hashes_per_second();
        ratios.push(log_ins_per_second(&person).await / hashes);
        bare.push(hashes);
    }
    report.absolute(
        "bare Argon2id hashes/s of the machine",
        report::median(&mut bare),
        "",
    );
    report.ratio(
        "log-ins/s over bare Argon2id hashes/s",
        &mut ratios,
        ">= 0.9",
    );
}

async fn log_ins_per_second(person: &Person) -> f64 {
    let deadline = Instant::now() + LOGIN_TIME;
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..LOGIN_CLIENTS {
        let client = Client::of(person).await;
        clients.spawn(async move { client.log_in_until(deadline).await });
    }
    let logins: usize = clients.join_all().await.into_iter().sum();
    logins as f64 / LOGIN_TIME.as_secs_f64()
}

/// Argon2id with the service's parameters and nothing else, on every core.
fn bare_hashes_per_second() -> f64 {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let counts: Vec<_> = (0..threads)
        .map(|_| std::thread::spawn(hash_for_a_while))
        .collect();
    let hashes: usize = counts
        .into_iter()
        .map(|thread| thread.join().expect("a count"))
        .sum();
    hashes as f64 / LOGIN_TIME.as_secs_f64()
}

fn hash_for_a_while() -> usize {
    let params = Params::new(19_456, 2, 1, None).expect("valid parameters");
    let mut memory = vec![Block::default(); params.block_count()];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let (deadline, mut count, mut out) = (Instant::now() + LOGIN_TIME, 0, [0; 32]);
    while Instant::now() < deadline {
        argon2
            .hash_password_into_with_memory(
                b"correct horse battery",
                b"sixteen bytes ..",
                &mut out,
                &mut memory,
            )
            .expect("a hash");
        count += 1;
    }
    count
}
