//! Artifacts of this node's own work: bytes in, an event's id out, and back.
//!
//! What is large is sealed here, on a thread that may block, under a key that is drawn for it
//! alone; the workspace keeps the chunks first and then the event that names them (SPEC: ART-1),
//! so that no event is ever written whose artifact is not durable.

use kernelos_protocol::artifact::{ArtifactKey, Chunk, Manifest, plain_hash, seal};
use kernelos_protocol::command::{ArtifactPart, Command, Failure, FailureKind, Reply};
use kernelos_protocol::id::EventId;
use kernelos_protocol::limits::{ARTIFACT_BYTES_MAX, CHUNK_PLAIN_BYTES, KEEP_BYTES_MAX};

use crate::engine::Asker;
use crate::home::random;

/// Why an artifact is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unread {
    /// This device has not all of it, or cannot read it now.
    Here(Failure),
    /// Its author made it wrongly, and it is so everywhere.
    Wrong(Failure),
}

/// Keeps `bytes` as an artifact with this name; gives the event that names it once both are
/// durable.
pub async fn put(asker: &Asker, name: &str, bytes: Vec<u8>) -> Result<EventId, Failure> {
    let (name, key) = (name.to_owned(), ArtifactKey(random()?));
    let sealed = tokio::task::spawn_blocking(move || seal(&name, key, &bytes)).await;
    let (manifest, chunks) = sealed
        .map_err(|error| Failure::new(FailureKind::Failed, error))?
        .map_err(|fault| Failure::new(FailureKind::Usage, fault))?;
    for chunks in portions(chunks) {
        match asker.ask(Command::KeepChunks { chunks }).await {
            Reply::Kept => {}
            reply => return Err(unexpected(reply)),
        }
    }
    write(asker, manifest).await
}

async fn write(asker: &Asker, manifest: Manifest) -> Result<EventId, Failure> {
    match asker.ask(Command::WriteArtifact { manifest }).await {
        Reply::ArtifactWritten { event } => Ok(event),
        reply => Err(unexpected(reply)),
    }
}

/// The bytes of an artifact, whole and verified. `SPEC: ART-3`
pub async fn get(asker: &Asker, artifact: EventId) -> Result<Vec<u8>, Unread> {
    get_at_most(asker, artifact, ARTIFACT_BYTES_MAX).await
}

/// The same of an artifact that must not be larger than `most` bytes.
pub async fn get_at_most(asker: &Asker, artifact: EventId, most: usize) -> Result<Vec<u8>, Unread> {
    let first = part(asker, artifact, 0).await?;
    if first.parts.saturating_sub(1).saturating_mul(CHUNK_PLAIN_BYTES) > most {
        let message = format!("artifact {artifact} is larger than {most} bytes");
        return Err(wrong(message));
    }
    let (parts, plain) = (first.parts, first.plain);
    let mut bytes = first.bytes;
    for number in 1..parts {
        bytes.extend(part(asker, artifact, number).await?.bytes);
    }
    let checked =
        tokio::task::spawn_blocking(move || (plain_hash(&bytes) == plain).then_some(bytes));
    let checked = checked.await;
    let checked =
        checked.map_err(|error| Unread::Here(Failure::new(FailureKind::Failed, error)))?;
    checked.ok_or_else(|| wrong(format!("artifact {artifact} is not what its manifest says")))
}

fn wrong(message: String) -> Unread {
    let failure = Failure::new(FailureKind::Failed, message);
    Unread::Wrong(failure.with_hint("the device that wrote it is at fault"))
}

async fn part(asker: &Asker, artifact: EventId, part: usize) -> Result<ArtifactPart, Unread> {
    match asker.ask(Command::ReadArtifact { artifact, part }).await {
        Reply::ArtifactPart(part) => Ok(part),
        Reply::ArtifactWrong(failure) => Err(Unread::Wrong(failure)),
        reply => Err(Unread::Here(unexpected(reply))),
    }
}

/// Chunks in their order, as many to a command as it may hold.
fn portions(chunks: Vec<Chunk>) -> Vec<Vec<Chunk>> {
    let mut portions: Vec<Vec<Chunk>> = Vec::new();
    let mut bytes = KEEP_BYTES_MAX;
    for chunk in chunks {
        bytes += chunk.bytes().len();
        match portions.last_mut() {
            Some(last) if bytes <= KEEP_BYTES_MAX => last.push(chunk),
            _ => {
                bytes = chunk.bytes().len();
                portions.push(vec![chunk]);
            }
        }
    }
    portions
}

fn unexpected(reply: Reply) -> Failure {
    match reply {
        Reply::Failed(failure) => failure,
        _ => Failure::new(FailureKind::Failed, "the workspace gave another answer"),
    }
}

#[cfg(test)]
mod tests {
    use kernelos_protocol::command::Mode;
    use kernelos_protocol::key::RecoveryKey;

    use super::*;
    use crate::engine::Engine;
    use crate::founding::{Founding, found};
    use crate::home::Home;
    use crate::missions::{Folder, StepTimeout, Worker};

    #[tokio::test]
    async fn what_was_put_is_there_after_a_restart() {
        // SPEC: ART-1, ART-3
        let place = tempfile::Builder::new().prefix("kern").tempdir().unwrap();
        let folder = place.path().join("home");
        let home = Home::at(&folder).own().unwrap();
        let recovery = RecoveryKey::from_bytes([3; 32]).public();
        let founding = Founding {
            name: "home".to_owned(),
            device: "laptop".to_owned(),
            mode: Mode::Local,
            recovery_signing: recovery.signing,
            recovery_sealing: EventId(recovery.sealing.0),
        };
        let (_, store) = found(&home, &founding).unwrap();
        let secret = home.device_secret().unwrap();
        let large: Vec<u8> =
            (0..1_250_000_u32).flat_map(|i| (i ^ (i << 9)).to_be_bytes()).collect();
        let worker = Worker {
            folder: Folder::below(&folder),
            hidden: folder.clone(),
            sandbox: std::sync::Arc::new(Err("none in this test".to_owned())),
            runs: false,
            step_timeout: StepTimeout::default(),
        };
        let engine = Engine::start(&store, &secret, &worker).unwrap();
        let mut put_ones = Vec::new();
        for bytes in [large, b"small".to_vec(), Vec::new()] {
            put_ones.push((put(&engine.asker(), "step-1", bytes.clone()).await.unwrap(), bytes));
        }
        let refused =
            put(&engine.asker(), "../step", Vec::new()).await.map_err(|failure| failure.kind);
        assert_eq!(refused, Err(FailureKind::Usage));
        let strange = get(&engine.asker(), EventId([9; 32])).await;
        assert!(matches!(strange, Err(Unread::Here(failure)) if failure.kind == FailureKind::Busy));
        engine.stop().await;
        let engine = Engine::start(&store, &secret, &worker).unwrap();
        for (event, bytes) in put_ones {
            assert_eq!(get(&engine.asker(), event).await, Ok(bytes));
        }
        engine.stop().await;
    }
}
