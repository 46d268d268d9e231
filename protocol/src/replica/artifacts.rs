//! The Replica's side of artifacts: what the store is asked for them, what peers say of them, and
//! the commands of the node's own work.

use crate::artifact::{Chunk, Manifest};
use crate::artifacts::{Action, Artifacts};
use crate::command::{ArtifactPart, Failure, FailureKind, Reply, RequestId};
use crate::event::Verified;
use crate::id::{ChunkHash, EventId};
use crate::limits::{KEEP_BYTES_MAX, LOAD_SLICE_CHUNKS};
use crate::replica::documents::author_failure;
use crate::replica::{LoadFor, Output, Replica};
use crate::role::Role;
use crate::store::{LoadRequest, Record};
use crate::sync::{LinkId, Message};

/// What is asked of the store for artifacts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ArtifactLoad {
    /// Which chunks are kept, at start.
    List,
    /// A peer wants these.
    Peer(LinkId, Vec<ChunkHash>),
    /// A caller reads a part.
    Part {
        /// Who.
        request: RequestId,
        /// Of what.
        artifact: EventId,
        /// Which, from 0.
        part: usize,
        /// The chunk that holds it.
        chunk: ChunkHash,
    },
}

impl ArtifactLoad {
    /// Who waits for it.
    pub(super) fn request(&self) -> Option<RequestId> {
        match self {
            Self::Part { request, .. } => Some(*request),
            Self::List | Self::Peer(..) => None,
        }
    }
}

impl Replica {
    /// Which artifacts and chunks are here.
    #[must_use]
    pub fn artifacts(&self) -> &Artifacts {
        &self.artifacts
    }

    /// After the history: which chunks are kept.
    pub(super) fn load_chunk_list(&mut self, after: Option<ChunkHash>) {
        let request = LoadRequest::ChunkList { after, limit: LOAD_SLICE_CHUNKS };
        self.load_next(LoadFor::Artifacts(ArtifactLoad::List), request);
    }

    pub(super) fn on_chunks_loaded(
        &mut self,
        load: ArtifactLoad,
        chunks: Vec<Chunk>,
        list: Vec<(ChunkHash, usize)>,
    ) {
        match load {
            ArtifactLoad::List => {
                let last = list.last().map(|(hash, _)| *hash);
                let is_full = list.len() >= LOAD_SLICE_CHUNKS;
                self.artifacts.listed(list);
                if is_full {
                    self.load_chunk_list(last);
                }
            }
            ArtifactLoad::Peer(link, asked) => {
                let answer = self.artifacts.on_loaded(link, &asked, chunks);
                self.act_on_chunks(answer);
            }
            ArtifactLoad::Part { request, artifact, part, chunk } => {
                let reply = self.part_reply(&artifact, part, &chunk, chunks.first());
                self.reply(request, reply);
            }
        }
    }

    /// A peer that said hello speaks of chunks.
    pub(super) fn on_chunk_message(&mut self, link: LinkId, message: Message) {
        let done = match message {
            Message::WantChunks(hashes) => self.artifacts.on_want(link, hashes),
            Message::Chunks { chunks, lacking } => {
                self.artifacts.on_chunks(self.now, link, chunks, &lacking).map(|kept| {
                    self.persist.extend(kept.into_iter().map(Record::Chunk));
                    None
                })
            }
            Message::HaveChunks(hashes) => {
                self.artifacts.on_offer(link, &hashes);
                Ok(None)
            }
            _ => Ok(None),
        };
        match done {
            Ok(action) => self.act_on_chunks(action),
            Err(code) => self.misbehaved(link, code),
        }
    }

    /// At the end of a turn: what has effect now, and what there is to ask for and to send.
    pub(super) fn speak_of_chunks(&mut self) {
        for link in self.sync.links() {
            if self.sync.is_parting(link) {
                self.artifacts.link_down(link);
            }
        }
        self.learn_artifacts();
        self.shred();
        let may_drop = self.may_drop_chunks() && self.artifacts.has_orphans();
        let named = if may_drop { self.workspace.named_chunks() } else { None };
        let dropped = self.artifacts.drop_orphans(named.as_ref());
        if !dropped.is_empty() {
            self.persist.push(Record::DropChunks(dropped));
        }
        let actions = self.artifacts.speak(self.now);
        self.act_on_chunks(actions);
    }

    /// Destroys what purges took: nothing of it is left in the store with this turn.
    /// `SPEC: DUR-11`
    fn shred(&mut self) {
        let (events, chunks) = self.workspace.take_shreds();
        let chunks = self.artifacts.forget(&chunks);
        if !events.is_empty() || !chunks.is_empty() {
            self.persist.push(Record::Shred { events, chunks });
        }
    }

    pub(super) fn learn_artifacts(&mut self) {
        if self.workspace.take_artifacts_changed() {
            let control = self.workspace.control();
            let role = control.role(&self.key.device(), &control.all());
            self.artifacts.learn(self.workspace.artifacts(), role >= Some(Role::Runner));
        }
    }

    fn act_on_chunks(&mut self, actions: impl IntoIterator<Item = Action>) {
        for action in actions {
            match action {
                Action::Send(link, message) => {
                    self.outputs.push_back(Output::Send(link, message.encode()));
                }
                Action::Load(link, hashes) => {
                    let load = ArtifactLoad::Peer(link, hashes.clone());
                    self.load_next(LoadFor::Artifacts(load), LoadRequest::Chunks(hashes));
                }
            }
        }
    }

    /// Keeps own chunks, ahead of the manifest that names them.
    pub(super) fn keep_chunks(&mut self, chunks: Vec<Chunk>) -> Reply {
        let bytes = chunks.iter().map(|chunk| chunk.bytes().len()).sum();
        if bytes > KEEP_BYTES_MAX {
            let failure = Failure::new(FailureKind::Usage, format!("{bytes} bytes of chunks"));
            let hint = format!("send at most {KEEP_BYTES_MAX} bytes in one command");
            return Reply::Failed(failure.with_hint(hint));
        }
        if !self.artifacts.has_room(bytes) {
            return Reply::Failed(no_room());
        }
        for chunk in chunks {
            self.artifacts.kept(&chunk);
            self.persist.push(Record::Chunk(chunk));
        }
        Reply::Kept
    }

    /// Writes the event of an artifact whose chunks are kept.
    pub(super) fn write_artifact(&mut self, manifest: Manifest) -> Reply {
        self.learn_artifacts();
        if !manifest.chunks().all(|(hash, len)| self.artifacts.has(&hash, len)) {
            let failure = Failure::new(FailureKind::Usage, "a chunk of the artifact is not kept");
            return Reply::Failed(failure.with_hint("keep its chunks first, then write it"));
        }
        if !self.artifacts.has_room_for(&manifest) {
            return Reply::Failed(no_room());
        }
        match self.with_pen(|workspace, pen| workspace.write_artifact(pen, manifest)) {
            Ok(events) => {
                let event = events.last().map(Verified::id);
                self.wrote(events);
                event.map_or_else(
                    || Reply::Failed(Failure::new(FailureKind::Failed, "no event was made")),
                    |event| Reply::ArtifactWritten { event },
                )
            }
            Err(fault) => Reply::Failed(author_failure(&fault)),
        }
    }

    /// Starts to read a part of an artifact.
    pub(super) fn read_artifact(&mut self, request: RequestId, artifact: EventId, part: usize) {
        let Some(manifest) = self.workspace.artifact(&artifact) else {
            let reply = if self.workspace.is_no_artifact(&artifact) {
                let message = if self.workspace.is_purged(&artifact) {
                    format!("artifact {artifact} is purged: nobody has it any more")
                } else {
                    format!("event {artifact} is no artifact that has effect")
                };
                let failure = Failure::new(FailureKind::Failed, message);
                Reply::ArtifactWrong(failure.with_hint("`kern log` says what it is"))
            } else {
                let failure = not_here(&artifact);
                Reply::Failed(match self.workspace.why_absent(&artifact) {
                    Some(why) => {
                        Failure { message: format!("artifact {artifact}: {why}"), ..failure }
                    }
                    None => failure,
                })
            };
            return self.reply(request, reply);
        };
        let chunk = manifest.chunks().nth(part);
        let reply = match chunk {
            Some((chunk, len)) if self.artifacts.has(&chunk, len) => {
                let load = ArtifactLoad::Part { request, artifact, part, chunk };
                return self.load_next(LoadFor::Artifacts(load), LoadRequest::Chunks(vec![chunk]));
            }
            Some(_) => Reply::Failed(not_here(&artifact)),
            None if part == 0 => Reply::ArtifactPart(part_of(manifest, Vec::new())),
            None => {
                let parts = manifest.chunks().len();
                let message = format!("artifact {artifact} has {parts} parts");
                Reply::Failed(Failure::new(FailureKind::Usage, message))
            }
        };
        self.reply(request, reply);
    }

    fn part_reply(
        &mut self,
        artifact: &EventId,
        part: usize,
        hash: &ChunkHash,
        chunk: Option<&Chunk>,
    ) -> Reply {
        let Some(chunk) = chunk else {
            self.artifacts.lost(hash);
            return Reply::Failed(not_here(artifact));
        };
        let Some(manifest) = self.workspace.artifact(artifact) else {
            return Reply::Failed(not_here(artifact));
        };
        match manifest.open_chunk(part, chunk) {
            Ok(bytes) => Reply::ArtifactPart(part_of(manifest, bytes)),
            Err(fault) => Reply::ArtifactWrong(Failure::new(FailureKind::Failed, fault)),
        }
    }
}

fn part_of(manifest: &Manifest, bytes: Vec<u8>) -> ArtifactPart {
    ArtifactPart {
        name: manifest.name().to_owned(),
        size: manifest.size(),
        plain: manifest.plain(),
        parts: manifest.chunks().len(),
        bytes,
    }
}

fn not_here(artifact: &EventId) -> Failure {
    Failure::new(FailureKind::Busy, format!("artifact {artifact} is not here yet"))
        .with_hint("it comes when a device that holds it is connected; ask again then")
}

/// `SPEC: ART-5`
fn no_room() -> Failure {
    Failure::new(FailureKind::Failed, "the artifacts of this workspace take all their room")
        .with_hint("results cannot be kept here any more: go on in a new workspace")
}
