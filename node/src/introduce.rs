//! Introduction on a real device: frames of a stranger to the workspace that they name, and this
//! device's own frame to who does not know it. What is judged, and how, is the Replica's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kernelos_protocol::command::{Command, Reply};
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

/// Hears who dialed, and answers. Nothing is told but the answer.
pub(crate) async fn answer(node: Arc<Node>, mut link: Link) {
    let answered = async {
        let Ok(Some(frame)) = link.receive().await else { return };
        let judged = judge(&node, link.peer, &link.exporter, &frame);
        let answer = judged.await.unwrap_or_else(Answer::Refused);
        if link.send(&answer.encode()).await.is_ok() {
            link.sender.finish().await.ok();
        }
    };
    timeout(TIME_MAX, answered).await;
}

async fn judge(
    node: &Node,
    device: DeviceId,
    exporter: &[u8; 32],
    frame: &[u8],
) -> Result<Answer, IntroduceCode> {
    let named = introduce::named(frame)?;
    let engine = node.named(exporter, &named).ok_or(IntroduceCode::UnknownWorkspace)?;
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
    let Reply::Introduction { events } = engine.ask(Command::Introduction).await else {
        return false;
    };
    let Ok(mut link) = transport.dial(device, at, Protocol::Introduce).await else { return false };
    let tag = workspace_tag(&link.exporter, &engine.workspace());
    let Some(frame) = introduce::encode(&tag, &events) else { return false };
    let answered = async {
        link.send(&frame).await.ok()?;
        Answer::decode(&link.receive().await.ok()??).ok()
    };
    match timeout(TIME_MAX, answered).await.flatten() {
        Some(Answer::Accepted | Answer::Revoked) => true,
        // It is tried again, and says nothing about this device.
        Some(Answer::Refused(IntroduceCode::Busy)) | None => false,
        Some(Answer::Refused(code)) => {
            let (kind, reason) = (NoticeKind::Introduction, code.code());
            let reason = format!("introduction_refused: {reason}");
            engine.ask(Command::Notice { kind, device, reason }).await;
            false
        }
    }
}
