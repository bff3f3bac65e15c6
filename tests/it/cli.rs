//! The command line, as a person meets it: the real program, its output and its exit code.
#![cfg(test)]

mod admin;
mod advice;
mod backup;
mod commands;
mod descriptors;
mod doctor;
mod log;
mod pow;
mod settings;
mod signals;
mod start;

use std::{
    fs::{self, Permissions},
    io::{BufRead, BufReader, Read},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio},
};

use rcgen::generate_simple_self_signed;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A person with a home folder of their own and an empty environment.
struct Person {
    home: TempDir,
}

/// What the program said, and how it ended.
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Person {
    fn new() -> Self {
        Self {
            home: TempDir::new().unwrap(),
        }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// A file for its owner alone.
    fn private_file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.file(name, text);
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// The files of a new certificate for localhost and of its key.
    fn certificate(&self, name: &str) -> (PathBuf, PathBuf) {
        let made = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = made.signing_key.serialize_pem();
        (
            self.file(&format!("{name}.crt"), &made.cert.pem()),
            self.private_file(&format!("{name}.key"), &key),
        )
    }

    fn data_dir(&self) -> PathBuf {
        self.home.path().join(".local/share/countersign")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.home.path())
            .current_dir(self.home.path())
            .stdin(Stdio::null());
        command
    }

    fn runs(&self, arguments: &[&str]) -> Said {
        self.runs_with(&[], arguments)
    }

    fn runs_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Said {
        let mut command = self.command(arguments);
        command.envs(variables.iter().copied());
        Said::from(command.output().unwrap())
    }

    /// Starts a server on a free port, and waits until it says that it listens.
    fn serves(&self, arguments: &[&str]) -> Server {
        match self.tries_to_serve(&[], arguments) {
            Ok(server) => server,
            Err(said) => panic!("the server did not start: {}", said.err),
        }
    }

    /// Starts a server that must not start.
    fn cannot_serve(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Said {
        match self.tries_to_serve(variables, arguments) {
            Ok(server) => panic!("the server started: {}", server.first),
            Err(said) => said,
        }
    }

    fn tries_to_serve(
        &self,
        variables: &[(&str, &str)],
        arguments: &[&str],
    ) -> Result<Server, Said> {
        Self::listens(self.command(arguments), variables)
    }

    fn listens(mut command: Command, variables: &[(&str, &str)]) -> Result<Server, Said> {
        command
            .env("COUNTERSIGN_LISTEN", "127.0.0.1:0")
            // Servers of tests that run at once would want the same port.
            .env("COUNTERSIGN_METRICS_ENABLED", "false")
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut err = BufReader::new(child.stderr.take().unwrap());
        let mut first = String::new();
        out.read_line(&mut first).unwrap();
        if first.is_empty() {
            let mut said = String::new();
            err.read_to_string(&mut said).unwrap();
            return Err(Said {
                code: child.wait().unwrap().code(),
                out: first,
                err: said,
            });
        }
        Ok(Server {
            child,
            out,
            err,
            first,
        })
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Said {
    /// The text, after checking that all went well.
    fn text(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.err);
        self.out
    }

    /// The same, where a start had already written to the log.
    fn refusal_after_log(self) -> String {
        let last = self.err.lines().last().unwrap_or_default().to_owned();
        Self {
            err: format!("{last}\n"),
            ..self
        }
        .refusal()
    }

    /// The one line of a refusal, after checking that it is one and says what to do.
    fn refusal(self) -> String {
        assert_eq!(self.code, Some(2), "{}{}", self.out, self.err);
        assert_eq!(self.out, "");
        assert_eq!(self.err.lines().count(), 1, "{}", self.err);
        assert!(self.err.starts_with("countersign: "), "{}", self.err);
        assert!(self.err.contains(" — "), "{}", self.err);
        self.err
    }
}

/// A running server, killed when a test ends early.
struct Server {
    child: Child,
    out: BufReader<ChildStdout>,
    err: BufReader<ChildStderr>,
    first: String,
}

impl Server {
    fn url(&self) -> &str {
        self.first.rsplit(' ').next().unwrap().trim()
    }

    fn gets(&self, signal: Signal) {
        let id = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(id, signal).unwrap();
    }

    /// The next line of the log that has this in it.
    fn logs(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.err.read_line(&mut line).unwrap();
            assert!(read > 0, "the log ended without {text:?}");
            if line.contains(text) {
                return line;
            }
        }
    }

    fn stops_on(mut self, signal: Signal) -> Said {
        self.gets(signal);
        let mut out = self.first.clone();
        self.out.read_to_string(&mut out).unwrap();
        let mut err = String::new();
        self.err.read_to_string(&mut err).unwrap();
        let code = self.child.wait().unwrap().code();
        Said { code, out, err }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
