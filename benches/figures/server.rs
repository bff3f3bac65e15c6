//! The program as a process, watched from outside.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const BINARY: &str = env!("CARGO_BIN_EXE_countersign");

/// A running server.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts a server on this folder and waits until it is ready.
    pub(crate) async fn start(folder: &Path) -> Self {
        let address = free_address();
        let process = Command::new(BINARY)
            .env_clear()
            .env("COUNTERSIGN_LISTEN", address.to_string())
            .env("COUNTERSIGN_DATA_DIR", folder)
            .env("COUNTERSIGN_LOG", "error")
            .env("COUNTERSIGN_LIMITS_ENABLED", "false")
            .env("COUNTERSIGN_METRICS_ENABLED", "false")
            .env("COUNTERSIGN_AUTHZ_RULES", "/ authenticated")
            .stdout(Stdio::null())
            .spawn()
            .expect("the server starts");
        let server = Self { process, address };
        while !server.is_ready().await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        server
    }

    async fn is_ready(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(self.address).await else {
            return false;
        };
        let request = b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        let mut answer = Vec::new();
        stream.write_all(request).await.is_ok()
            && stream.read_to_end(&mut answer).await.is_ok()
            && answer.starts_with(b"HTTP/1.1 200")
    }

    /// Asks the server to stop, and waits until it has.
    pub(crate) async fn stop(self) {
        let id = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).expect("the server runs");
        let mut server = self;
        tokio::task::spawn_blocking(move || server.process.wait())
            .await
            .expect("a thread")
            .expect("an end");
    }

    /// The seconds of CPU time that the server spends while the work is done.
    pub(crate) async fn cpu_of(&self, work: impl Future<Output = ()>) -> f64 {
        let before = self.cpu_seconds();
        work.await;
        self.cpu_seconds() - before
    }

    /// The scheduler's own account, in nanoseconds: ticks of 10 ms are too coarse.
    fn cpu_seconds(&self) -> f64 {
        let tasks =
            fs::read_dir(format!("/proc/{}/task", self.process.id())).expect("the server runs");
        let spent = |task: fs::DirEntry| -> f64 {
            let line = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            line.split(' ')
                .next()
                .and_then(|nanos| nanos.parse::<f64>().ok())
                .unwrap_or(0.0)
        };
        tasks.flatten().map(spent).sum::<f64>() / 1e9
    }

    /// Resident memory.
    pub(crate) fn resident_megabytes(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))
            .expect("the server runs");
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .expect("VmRSS");
        line.split_whitespace()
            .nth(1)
            .and_then(|kib| kib.parse::<f64>().ok())
            .expect("a number")
            / 1024.0
    }

    /// The size of the program file.
    pub(crate) fn binary_megabytes() -> f64 {
        fs::metadata(BINARY).expect("the program").len() as f64 / (1024.0 * 1024.0)
    }
}

/// A run that failed leaves no server behind.
impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An address on which nobody listens.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("an address")
}
