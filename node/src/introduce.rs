//! Introduction on a real device: frames of a stranger to the workspace that they name, and this
//! device's own frame to who does not know it. What is judged, and how, is the Replica's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kernelos_protocol::command::{Command, Reply};
use kernelos_protocol::event::Verified;
use kernelos_protocol::id::DeviceId;
use kernelos_protocol::limits::INTRODUCTION_MS;
use kernelos_protocol::notice::NoticeKind;
use kernelos_protocol::sync::introduce::{self, Answer, IntroduceCode};
use kernelos_protocol::sync::workspace_tag;

use crate::clock;
use crate::engine::Engine;
use crate::node::Node;
use crate::portable::timeout;
use crate::transport::{Link, Protocol, Transport};

/// How long an introduction may take. `SPEC: INTRO-5`
const TIME_MAX: Duration = Duration::from_millis(INTRODUCTION_MS);

/// Hears who dialed, and answers. Nothing is told but the answers.
pub(crate) async fn answer(node: Arc<Node>, mut link: Link) {
    let answered = async {
        let Ok(Some(frame)) = link.receive().await else { return };
        let engine = introduce::named(&frame).and_then(|named| {
            node.named(&link.exporter, &named).ok_or(IntroduceCode::UnknownWorkspace)
        });
        let answer = match &engine {
            Ok(engine) => judge(&node, engine, link.peer, &frame).await,
            Err(code) => Err(*code),
        };
        let answer = answer.unwrap_or_else(Answer::Refused);
        if link.send(&answer.encode()).await.is_err() {
            return;
        }
        // Who is told so may have written before it heard.
        if let (Ok(engine), Answer::Revoked) = (engine, answer)
            && let Ok(Some(frame)) = link.receive().await
        {
            let taken = take_tail(&node, &engine, link.peer, &frame).await;
            let answer = taken.unwrap_or_else(Answer::Refused);
            if link.send(&answer.encode()).await.is_err() {
                return;
            }
        }
        link.sender.finish().await.ok();
    };
    timeout(TIME_MAX, answered).await;
}

/// `SPEC: INTRO-6`
async fn take_tail(
    node: &Node,
    engine: &Engine,
    device: DeviceId,
    frame: &[u8],
) -> Result<Answer, IntroduceCode> {
    if !node.may_check_introduction(clock::now()) {
        return Err(IntroduceCode::Busy);
    }
    let events = introduce::read_tail(frame, &engine.workspace(), &device)?;
    match engine.ask(Command::TakeTail { device, events }).await {
        Reply::Introduced { answer } => Ok(answer),
        _ => Err(IntroduceCode::Busy),
    }
}

async fn judge(
    node: &Node,
    engine: &Engine,
    device: DeviceId,
    frame: &[u8],
) -> Result<Answer, IntroduceCode> {
    if !node.may_check_introduction(clock::now()) {
        return Err(IntroduceCode::Busy);
    }
    let events = introduce::read(frame, &engine.workspace(), &device)?;
    match engine.ask(Command::Introduce { device, events }).await {
        Reply::Introduced { answer } => Ok(answer),
        _ => Err(IntroduceCode::Busy),
    }
}

/// Introduces this device to one that does not know it. True where that one lets it in now.
pub(crate) async fn to(
    engine: &Engine,
    transport: &dyn Transport,
    device: DeviceId,
    at: &[SocketAddr],
) -> bool {
    let shown = engine.ask(Command::Introduction { to: device }).await;
    let Reply::Introduction { events, tail, .. } = shown else {
        return false;
    };
    show(engine, transport, device, at, &events, &tail).await
}

/// Shows to who told this device that it is revoked what it wrote before, and its grant, where it
/// was granted anew elsewhere. `SPEC: INTRO-6`
pub(crate) async fn hand_over(
    engine: &Engine,
    transport: &dyn Transport,
    device: DeviceId,
    at: &[SocketAddr],
) {
    let shown = engine.ask(Command::Introduction { to: device }).await;
    if let Reply::Introduction { events, tail, member } = shown
        && (member || !tail.is_empty())
    {
        show(engine, transport, device, at, &events, &tail).await;
    }
}

async fn show(
    engine: &Engine,
    transport: &dyn Transport,
    device: DeviceId,
    at: &[SocketAddr],
    events: &[Verified],
    tail: &[Verified],
) -> bool {
    let Ok(mut link) = transport.dial(device, at, Protocol::Introduce).await else { return false };
    let tag = workspace_tag(&link.exporter, &engine.workspace());
    let Some(frame) = introduce::encode(&tag, events) else { return false };
    let (tail, sent) = introduce::encode_tail(tail);
    let answered = async {
        link.send(&frame).await.ok()?;
        let first = Answer::decode(&link.receive().await.ok()??).ok()?;
        if first != Answer::Revoked || sent == 0 {
            return Some((first, None));
        }
        let second = async {
            link.send(&tail).await.ok()?;
            Answer::decode(&link.receive().await.ok()??).ok()
        };
        Some((first, second.await))
    };
    let (first, second) = timeout(TIME_MAX, answered).await.flatten().unzip();
    match second.flatten() {
        Some(Answer::Refused(IntroduceCode::Busy)) | None => {}
        Some(answer) => {
            engine.ask(Command::TailAnswered { device, answer, sent }).await;
        }
    }
    match first {
        Some(Answer::Accepted | Answer::Revoked) => true,
        // It is tried again, and says nothing about this device.
        Some(Answer::Refused(IntroduceCode::Busy) | Answer::Taken(_)) | None => false,
        Some(Answer::Refused(code)) => {
            let (kind, reason) = (NoticeKind::Introduction, code.code());
            let reason = format!("introduction_refused: {reason}");
            engine.ask(Command::Notice { kind, device, reason }).await;
            false
        }
    }
}
