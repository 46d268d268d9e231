//! How a node that says nothing is told, under a clock that jumps to what is waited for.

use kernelos_protocol::command::FailureKind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use super::*;
use crate::client::{Client, Wanted};

/// A node in whose place a test answers.
struct Fake {
    listener: UnixListener,
    socket: PathBuf,
}

impl Fake {
    fn new(name: &str) -> Self {
        let file = format!("kern-gui-{}-{name}.sock", std::process::id());
        let socket = std::env::temp_dir().join(file);
        std::fs::remove_file(&socket).ok();
        Self { listener: UnixListener::bind(&socket).unwrap(), socket }
    }

    /// The next request: its first line, and the connection to answer on.
    async fn asked(&self) -> (String, UnixStream) {
        let (mut stream, _) = self.listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            let mut byte = [0; 1];
            stream.read_exact(&mut byte).await.unwrap();
            head.extend_from_slice(&byte);
        }
        let head = String::from_utf8(head).unwrap();
        (head.lines().next().unwrap().to_owned(), stream)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        std::fs::remove_file(&self.socket).ok();
    }
}

/// Answers with this as JSON.
async fn answer(mut stream: UnixStream, body: &str) {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
}

fn info() -> String {
    let id = "11".repeat(32);
    serde_json::json!({ "version": "0", "device_id": id, "secret": null, "online": true,
        "workspaces": [{ "workspace": "home", "workspace_id": id, "device": "a",
            "mode": "synced" }] })
    .to_string()
}

fn start(fake: &Fake) -> (Client, tokio::task::JoinHandle<()>) {
    start_at(fake, None)
}

fn start_at(fake: &Fake, first: Option<&str>) -> (Client, tokio::task::JoinHandle<()>) {
    let (client, ends) = Client::pair();
    let link = Link::new(fake.socket.clone(), first.map(str::to_owned), ends, || {});
    (client, tokio::spawn(link.run()))
}

async fn news(client: &mut Client) -> News {
    client.news.recv().await.unwrap()
}

#[track_caller]
fn assert_hangs(news: &News) {
    let News::Down(failure) = news else { panic!("{news:?}") };
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (FailureKind::Busy, "the node does not answer")
    );
    assert!(failure.hint.as_ref().unwrap().contains("kern up"), "what to do is said");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_takes_the_connection_and_says_nothing_is_told_and_tried_again() {
    let fake = Fake::new("silent");
    let (mut client, link) = start(&fake);
    let (line, held) = fake.asked().await;
    assert!(line.starts_with("GET /v1/node "), "{line}");
    assert_hangs(&news(&mut client).await);
    // It recovers: what was held is answered too late, the next is heard.
    drop(held);
    let (_, stream) = fake.asked().await;
    answer(stream, &info()).await;
    let (line, _events) = fake.asked().await;
    assert!(line.starts_with("GET /v1/watch?workspace="), "{line}");
    assert_hangs(&news(&mut client).await);
    link.abort();
}

#[tokio::test(start_paused = true)]
async fn the_workspace_that_was_named_is_looked_at_and_no_other_in_its_place() {
    let second = "22".repeat(32);
    let mut two: serde_json::Value = serde_json::from_str(&info()).unwrap();
    let mut other = two["workspaces"][0].clone();
    other["workspace"] = "second".into();
    other["workspace_id"] = second.clone().into();
    two["workspaces"].as_array_mut().unwrap().push(other);
    for first in ["second", &second] {
        let fake = Fake::new(&format!("named-{}", first.len()));
        let (_client, link) = start_at(&fake, Some(first));
        let (_, stream) = fake.asked().await;
        answer(stream, &two.to_string()).await;
        let (line, _events) = fake.asked().await;
        assert!(line.starts_with(&format!("GET /v1/watch?workspace={second}")), "{line}");
        link.abort();
    }
    let fake = Fake::new("named-none");
    let (mut client, link) = start_at(&fake, Some("third"));
    let (_, stream) = fake.asked().await;
    answer(stream, &two.to_string()).await;
    let News::Down(failure) = news(&mut client).await else { panic!("another is looked at") };
    assert_eq!(failure.message, "there is no workspace \"third\" here");
    assert!(failure.hint.unwrap().contains("\"home\", \"second\""));
    link.abort();
}

/// A view took too long, and nothing else is wrong.
#[track_caller]
fn assert_fails_alone(news: &News) {
    let News::Said(_, Topic::Devices, Err(failure)) = news else { panic!("{news:?}") };
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (FailureKind::Busy, "the node takes too long to say this")
    );
}

#[tokio::test(start_paused = true)]
async fn a_node_that_hangs_while_it_is_looked_at_is_told_once_and_a_view_that_does_fails_alone() {
    // What is answered before it says nothing more, and what is told of that.
    type Told = fn(&News);
    let cases: [(&str, usize, Told); 2] =
        [("stuck", 0, assert_hangs), ("slow", 1, assert_fails_alone)];
    for (name, answered, told) in cases {
        let fake = Fake::new(name);
        let (mut client, link) = start(&fake);
        client.want(Wanted { workspace: None, topics: vec![Topic::Status, Topic::Devices] });
        answer(fake.asked().await.1, &info()).await;
        let (_, mut events) = fake.asked().await;
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n8\r\ndata: 1\n\r\n";
        events.write_all(head.as_bytes()).await.unwrap();
        answer(fake.asked().await.1, &info()).await;
        assert!(matches!(news(&mut client).await, News::Up(_)), "{name}");
        for _ in 0..answered {
            let reply = serde_json::to_string(&Reply::Devices { devices: Vec::new() }).unwrap();
            answer(fake.asked().await.1, &reply).await;
            let said = news(&mut client).await;
            assert!(matches!(said, News::Said(_, Topic::Status, Ok(_))), "{name}: {said:?}");
        }
        let (line, _held) = fake.asked().await;
        assert!(line.starts_with("POST /v1/command "), "{name}: {line}");
        // Not one wait for each thing that is looked at: it is told at the first.
        let began = tokio::time::Instant::now();
        told(&news(&mut client).await);
        assert_eq!(began.elapsed().as_secs(), ANSWER_MAX.as_secs(), "{name}");
        link.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_hangs_before_many_views_is_told_by_its_silence_and_not_after_each_wait() {
    let fake = Fake::new("views");
    let (mut client, link) = start(&fake);
    let views = [Topic::Devices, Topic::Missions, Topic::Boards, Topic::Branches];
    let topics = [vec![Topic::Status], views.to_vec()].concat();
    client.want(Wanted { workspace: None, topics });
    answer(fake.asked().await.1, &info()).await;
    let (_, mut events) = fake.asked().await;
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n8\r\ndata: 1\n\r\n";
    events.write_all(head.as_bytes()).await.unwrap();
    answer(fake.asked().await.1, &info()).await;
    assert!(matches!(news(&mut client).await, News::Up(_)));
    let reply = serde_json::to_string(&Reply::Devices { devices: Vec::new() }).unwrap();
    answer(fake.asked().await.1, &reply).await;
    assert!(matches!(news(&mut client).await, News::Said(_, Topic::Status, Ok(_))));
    let (_, _held) = fake.asked().await;
    let began = tokio::time::Instant::now();
    loop {
        match news(&mut client).await {
            News::Said(..) => {}
            told => break assert_hangs(&told),
        }
    }
    assert!(began.elapsed() <= SILENT_MAX, "{:?}", began.elapsed());
    link.abort();
}

#[tokio::test(start_paused = true)]
async fn what_is_ordered_of_a_node_that_hangs_is_told_as_unknown() {
    let done = ordered(std::future::pending::<Result<(), Failure>>()).await;
    let failure = done.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Busy);
    assert!(failure.hint.unwrap().contains("may be done all the same"));
}
