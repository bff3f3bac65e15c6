//! A server that may open few files.

use std::{io::Read as _, net::TcpStream, process::Command, time::Duration};

use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpSocket,
};

use super::Person;

const DESCRIPTORS: usize = 1_024;
const FLOOD: usize = 1_200;
const PATIENCE: Duration = Duration::from_secs(5);

/// The flood needs more descriptors here than the server has.
fn raise_own_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    let enough = limit.maximum.is_none_or(|most| most > 4_096);
    assert!(enough, "this test needs a hard limit of 4,096 open files");
}

#[tokio::test]
async fn one_client_keeps_nobody_out_of_a_server_with_few_descriptors() {
    raise_own_limit();
    let person = Person::new();
    let program = person.command(&[]);
    let limited = format!("ulimit -n {DESCRIPTORS} && exec \"$0\"");
    let mut command = Command::new("sh");
    command.arg("-c").arg(limited).arg(program.get_program());
    command.env_clear().env("HOME", person.home.path());
    let mut server = Person::listens(command, &[]).unwrap_or_else(|said| panic!("{}", said.err));
    let said = server.logs("connections at a time");
    assert!(said.contains("limit of open files is 1024"), "{said}");
    let address = server.url().trim_start_matches("http://").to_owned();

    let flood = (0..FLOOD).map(|_| TcpStream::connect(&address).unwrap());
    let mut flood: Vec<_> = flood.collect();
    let newcomer = TcpSocket::new_v4().unwrap();
    newcomer.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let answer = async {
        let mut stream = newcomer.connect(address.parse().unwrap()).await.unwrap();
        let ask = b"GET /livez HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        stream.write_all(ask).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let answer = tokio::time::timeout(PATIENCE, answer).await;
    assert!(answer.unwrap().starts_with("HTTP/1.1 200 "));
    // A quarter of the places is the client's; its oldest connections had to go.
    for stream in &mut flood[..FLOOD - DESCRIPTORS / 4] {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    }

    let said = server.stops_on(Signal::TERM);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(!said.err.contains("cannot accept"), "{}", said.err);
}
