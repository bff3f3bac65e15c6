//! The command line.

mod admin;
mod backup;
mod completions;
mod config;
mod doctor;
mod keys;
mod migrate;
mod move_to;
mod pow;
mod restore;
mod serve;
mod table;

use std::{
    ffi::OsString,
    fmt::Display,
    future::Future,
    io::{self, Write},
    num::NonZero,
    path::PathBuf,
    process::ExitCode,
    sync::Mutex,
    thread,
    time::Duration,
};

use clap::{CommandFactory, Parser, Subcommand, error::ErrorKind};
use serde::Serialize;
use tokio::runtime::{Builder, Runtime};
use tracing_appender::non_blocking::WorkerGuard;

use crate::{
    app::StartError,
    config::{Config, Loaded, Sources},
    env::Env,
    log::{self, Log},
};

/// The exit code of every start that fails, as of a command line that cannot be read.
const CANNOT_START: u8 = 2;
/// How long threads that still work may keep a stopped program alive.
const LAST_WORK: Duration = Duration::from_millis(500);

/// The log, SQLite's writer, checkpoints and scans, traces, and a few for files.
const OTHER_THREADS: usize = 9;

const SETTINGS_HELP: &str = "\
Settings:
  Every setting has a default. A TOML file (--config) wins over it, an environment variable
  COUNTERSIGN_<SECTION>_<FIELD> over the file, and --listen and --data-dir over all. A secret can be
  kept in a file of its own: COUNTERSIGN_DATABASE_URL_FILE names the file that holds it.
  `countersign config show-defaults` lists and explains all settings.";

const EXIT_CODES: &str = "\
Exit codes:
  0  done, also when the reader of the output has gone
  2  not done: standard error says why, and what to do";

const EXAMPLES: &str = "\
Examples:
  countersign                                  serve on 127.0.0.1:8080, with data in your home folder
  countersign --listen 0.0.0.0:8443 --config /etc/countersign.toml
  countersign config show-defaults > countersign.toml
  countersign config check --config countersign.toml
  countersign admin grant ada@example.com      make an account that signed up an administrator
  countersign completions bash > /etc/bash_completion.d/countersign";

/// A gRPC-first identity service: accounts, sessions and API keys on one port.
#[derive(Debug, Parser)]
#[command(
    name = "countersign",
    version,
    about,
    long_about = "A gRPC-first identity service: accounts, sessions and API keys on one port.\n\n\
                  Without a command it serves.",
    after_help = EXAMPLES,
    after_long_help = format!("{SETTINGS_HELP}\n\n{EXIT_CODES}\n\n{EXAMPLES}")
)]
struct Cli {
    /// The configuration file, in TOML
    ///
    /// The variable COUNTERSIGN_CONFIG names it too. Without either there is none.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The folder of the database, the key file and the lock
    ///
    /// It is made when it is missing. Without it: ~/.local/share/countersign.
    #[arg(long, global = true, value_name = "FOLDER")]
    data_dir: Option<String>,
    /// The IP address and port to listen on, such as 127.0.0.1:8080
    #[arg(long, global = true, value_name = "ADDRESS")]
    listen: Option<String>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until told to stop (what happens without a command)
    ///
    /// SIGTERM, SIGINT and SIGQUIT stop the server: it takes no new calls, finishes those in flight, and ends
    /// within 10 seconds. On SIGHUP it reads the log filter and the TLS certificate again.
    Serve,
    /// Bring the database schema up to date, and end
    ///
    /// The server does so itself when it starts, unless `database.auto_migrate` is false.
    Migrate,
    /// Look at the settings
    #[command(subcommand)]
    Config(config::Command),
    /// Find out what is wrong around the server, and what to do about it
    ///
    /// It looks at the settings, the limit of open files, the disk, the database, the mail server and the clocks, and calls
    /// the running server at its issuer's URL as clients do: over HTTP/1.1 and HTTP/2, by gRPC and grpc-web, through
    /// every proxy in between. It changes nothing, and ends with 2 when a check has failed.
    Doctor(doctor::Doctor),
    /// Look at, rotate or revoke the keys that sign tokens
    ///
    /// It works beside a running server and without one, as `countersign admin` does.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Do the work that signing up may need
    #[command(subcommand)]
    Pow(pow::Command),
    /// Look at and change accounts and organizations, as whoever runs the server
    ///
    /// This works beside a running server, which it reaches through `control.sock` in the data folder (with
    /// Postgres, through the database), and without one. An account is named by its e-mail address or as
    /// accounts/ID, an organization as organizations/ID.
    #[command(subcommand)]
    Admin(admin::Command),
    /// Write everything in the database to one file, beside the running server or without one
    ///
    /// The file holds the database as it is at one moment, from SQLite and from Postgres alike, and is for its owner
    /// alone. The master key is not in it: keep a copy of the key file, and keep it somewhere else.
    #[command(after_help = "Example:\n  countersign backup /backups/$(date +%F).db")]
    Backup(backup::Backup),
    /// Make the database from a backup, or look whether one is whole
    ///
    /// The data folder has the key file of the backup and no database; with Postgres, the database is empty. No server runs.
    /// Nobody knows what was revoked or spent since the backup, so all of it is over: sessions, grants and
    /// their tokens, API keys, authorization codes, consents, signing keys, and mails that were not sent. People log in
    /// again.
    #[command(
        after_help = "Examples:\n  countersign restore --verify /backups/2026-11-28.db\n  countersign restore /backups/2026-11-28.db"
    )]
    Restore(restore::Restore),
    /// Copy everything to another, empty database, such as from SQLite to Postgres
    ///
    /// No server may run meanwhile, nor on this database afterwards. Both databases have the same master key. Everybody
    /// stays logged in. The rows of both are counted and hashed before the copy is kept.
    #[command(after_help = "Example:\n  countersign move --to-config postgres.toml")]
    Move(move_to::Move),
    /// Print a script that completes commands in a shell
    #[command(after_help = "Example:\n  countersign completions zsh > ~/.zfunc/_countersign")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Runs the program with these arguments and environment variables.
#[must_use]
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(usage) => return explain(&usage),
    };
    match cli.run(variables) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&error),
    }
}

impl Cli {
    fn run(
        self,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<(), StartError> {
        let variables: Vec<_> = variables.into_iter().collect();
        let sources = Sources::environment(variables.iter().cloned())
            .file(self.config)
            .flag("data_dir", self.data_dir)
            .flag("listen", self.listen);
        match self.command.unwrap_or(Command::Serve) {
            Command::Serve => serve::run(sources),
            Command::Migrate => with_settings(&sources, migrate::run),
            Command::Config(command) => command.run(&sources),
            Command::Doctor(command) => command.run(&sources),
            Command::Keys(command) => with_settings(&sources, |config| command.run(config)),
            Command::Pow(command) => command.run(),
            Command::Admin(command) => with_settings(&sources, |config| command.run(config)),
            Command::Backup(command) => with_settings(&sources, |config| command.run(config)),
            Command::Restore(command) => with_settings(&sources, |config| command.run(config)),
            Command::Move(command) => {
                with_settings(&sources, |config| command.run(config, &variables))
            }
            Command::Completions { shell } => completions::run(shell),
        }
    }
}

/// Runs a command with the settings, and logs as they say meanwhile.
fn with_settings(
    sources: &Sources,
    command: impl FnOnce(&Config) -> Result<(), StartError>,
) -> Result<(), StartError> {
    let config = Loaded::from_sources(sources)?.config;
    let (_, _written_at_the_end) = start_log(&config)?;
    command(&config)
}

/// Logs as the settings say, from here on. What waits is written when the guard is dropped.
fn start_log(config: &Config) -> Result<(Log, WorkerGuard), StartError> {
    try_threads().map_err(|error| too_few_threads(&error))?;
    Ok(log::start(&config.log, config.log_format))
}

/// Help and version go to standard output and are no failure; clap knows which is which.
fn explain(usage: &clap::Error) -> ExitCode {
    let asked_for = matches!(
        usage.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    );
    match written(usage.print()) {
        Err(error) => refuse(&error),
        Ok(()) if asked_for => ExitCode::SUCCESS,
        Ok(()) => ExitCode::from(CANNOT_START),
    }
}

/// One line on standard error, whatever the error says.
fn refuse(error: &StartError) -> ExitCode {
    let line = error.to_string().replace(['\r', '\n'], " ");
    // There is nowhere left to complain when standard error is closed.
    let _ = writeln!(io::stderr(), "countersign: {line}");
    ExitCode::from(CANNOT_START)
}

/// Prints what was asked for.
fn print(text: impl Display) -> Result<(), StartError> {
    let mut output = io::stdout().lock();
    written(write!(output, "{text}").and_then(|()| output.flush()))
}

/// Prints what was asked for as JSON.
fn print_json(value: &impl Serialize) -> Result<(), StartError> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| StartError::new(format!("cannot write JSON: {error}"), "report it"))?;
    print(format!("{text}\n"))
}

/// What came of writing to whoever reads the output.
fn written(result: io::Result<()>) -> Result<(), StartError> {
    match result {
        // Whoever read it, such as `head`, has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(|error| {
            StartError::new(
                format!("cannot write the output: {error}"),
                "see whether the file or disk that it goes to is full",
            )
        }),
    }
}

/// Runs a command that needs the server's parts.
fn block_on<T>(work: impl Future<Output = Result<T, StartError>>) -> Result<T, StartError> {
    let runtime = runtime()?;
    let done = runtime.block_on(work);
    runtime.shutdown_timeout(LAST_WORK);
    done
}

fn runtime() -> Result<Runtime, StartError> {
    let built = Builder::new_multi_thread().enable_all().build();
    built.map_err(|error| too_few_threads(&error))
}

fn too_few_threads(error: &io::Error) -> StartError {
    StartError::new(
        format!("cannot start enough threads: {error}"),
        "raise the limits of processes and memory of this user or container (ulimit -u, TasksMax, pids.max)",
    )
}

/// Whether there may be as many threads at once as the log, the runtime and SQLite start. The first two panic when they have
/// too few.
fn try_threads() -> io::Result<()> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let gate = Mutex::new(());
    thread::scope(|scope| {
        let _closed = gate.lock();
        (0..cores + OTHER_THREADS).try_for_each(|_| {
            let waiting = || drop(gate.lock());
            thread::Builder::new()
                .spawn_scoped(scope, waiting)
                .map(drop)
        })
    })
}
