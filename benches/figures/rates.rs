//! The rates of whole jobs over the wire, beside what the machine does in the same round.

use std::path::Path;

use crate::{
    ROUNDS,
    echo::Echo,
    jobs::{self, Person},
    load::{Outcome, Shape},
    raw_sqlite,
    report::{self, Report},
    server::Server,
};

const SHAPES: [Shape; 4] = [
    Shape::new(1, 1),
    Shape::new(1, 16),
    Shape::new(1, 64),
    Shape::new(4, 16),
];
/// How many log-ins are under way beside the reads.
const LOG_INS: usize = 32;

/// Calls that change nothing, beside a bare tonic server that answers with the same account.
pub(crate) async fn reads(report: &mut Report, server: &Server) {
    let echo = Echo::start().await;
    let person = Person::signs_up(server.address, "reads@example.com").await;
    let key = person.api_key().await;
    for shape in SHAPES {
        let mut rows = [
            Row::new("CheckAccess with a token", ""),
            Row::new("GetAccount with a token", ">= 0.8"),
            Row::new("GetAccount with an API key", ">= 0.8"),
        ];
        let mut echoes = Vec::new();
        for _ in 0..ROUNDS {
            let bare = jobs::get_account(echo.address, shape, &person.bearer).await;
            echoes.push(bare.rate);
            let outcomes = [
                jobs::check_access(server.address, shape, &person.bearer).await,
                jobs::get_account(server.address, shape, &person.bearer).await,
                jobs::get_account(server.address, shape, &key).await,
            ];
            for (row, outcome) in rows.iter_mut().zip(outcomes) {
                row.add(outcome, bare);
            }
        }
        report.absolute(
            &format!("{shape}: rate of the echo, calls/s"),
            report::median(&mut echoes),
            "",
        );
        for row in &mut rows {
            row.report(report, shape);
        }
    }
}

/// A kind of call, and its ratios to the echo.
struct Row {
    name: &'static str,
    wanted: &'static str,
    rates: Vec<f64>,
    medians: Vec<f64>,
}

impl Row {
    fn new(name: &'static str, wanted: &'static str) -> Self {
        Self {
            name,
            wanted,
            rates: Vec::new(),
            medians: Vec::new(),
        }
    }

    fn add(&mut self, outcome: Outcome, bare: Outcome) {
        self.rates.push(outcome.rate / bare.rate);
        self.medians.push(outcome.p50 / bare.p50);
    }

    fn report(&mut self, report: &mut Report, shape: Shape) {
        let name = self.name;
        let rate = format!("{shape}: rate of {name} / echo");
        report.ratio(&rate, &mut self.rates, self.wanted);
        if shape.connections * shape.streams == 1 {
            let time = format!("{shape}: median time of {name} / echo");
            report.ratio(&time, &mut self.medians, "<= 1.5");
        }
    }
}

/// Refresh tokens, each of which is used once, beside SQLite alone.
pub(crate) async fn rotations(report: &mut Report, server: &Server, folder: &Path) {
    let person = Person::signs_up(server.address, "rotations@example.com").await;
    let (mut grouped, mut single, mut alone) = (Vec::new(), Vec::new(), Vec::new());
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        let raw = raw_sqlite::rotations(folder);
        let one = jobs::rotate(&person, Shape::new(1, 1)).await;
        let many = jobs::rotate(&person, Shape::new(4, 16)).await;
        rates.push(many.rate);
        grouped.push(many.rate / raw.sixty_four_to_a_commit);
        single.push(many.rate / raw.one_to_a_commit);
        alone.push(one.p50 / (1e6 / raw.one_to_a_commit));
    }
    report.absolute("4x16: refresh rotations/s", report::median(&mut rates), "");
    let rows = [
        ("4x16: rotations / raw, 64 to a commit", grouped, ">= 0.6"),
        ("4x16: rotations / raw, one to a commit", single, ">= 2"),
        ("1x1: median time of a rotation / raw commit", alone, "<= 3"),
    ];
    for (what, mut ratios, wanted) in rows {
        report.ratio(what, &mut ratios, wanted);
    }
}

/// What log-ins cost those who only read.
pub(crate) async fn reads_beside_log_ins(report: &mut Report, server: &Server) {
    let person = Person::signs_up(server.address, "beside@example.com").await;
    let shape = Shape::new(1, 1);
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let alone = jobs::get_account(server.address, shape, &person.bearer).await;
        let log_ins = jobs::log_in(&person, Shape::new(4, LOG_INS / 4));
        let reads = jobs::get_account(server.address, shape, &person.bearer);
        let (_, beside) = tokio::join!(log_ins, reads);
        ratios.push(beside.p99 / alone.p99);
    }
    let what = format!("p99 of reads beside {LOG_INS} log-ins / alone");
    report.ratio(&what, &mut ratios, "<= 2");
}
