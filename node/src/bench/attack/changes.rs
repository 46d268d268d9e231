//! A member overwrites values while it is offline, in many small events, and comes back: nothing is
//! wrong with them but how much they cost.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kernelos_protocol::command::{Command, Failure, Reply};
use kernelos_protocol::document::Edit as DocEdit;
use kernelos_protocol::workspace::StateHash;
use serde_json::json;
use tokio::time::sleep;

use super::super::device::{failed, path};
use crate::api::client::Client;

/// Values that are there: an event holds 10,000 operations at most.
const VALUES: usize = 4_500;

/// Of which one event overwrites so many: many small ones cost the most, since Automerge takes a
/// time for each batch that grows with the object.
const OVERWRITTEN: usize = 50;

/// For how long the node may take in what a member wrote.
const PATIENCE: Duration = Duration::from_secs(300);

/// Makes the values and overwrites them so often, waits until the node has taken it in, and lets
/// the member overwrite some of them in so many events more, which nobody hears of yet.
pub(super) async fn fill(
    member: &Client,
    node: &Client,
    (rounds, events): (usize, usize),
) -> Result<(), Failure> {
    for round in 0..=rounds {
        set(member, 0..VALUES, round).await?;
    }
    let start = Instant::now();
    while state(node).await?.is_none() || state(node).await? != state(member).await? {
        wait(start).await?;
    }
    member.network("offline").await?;
    for event in 0..events {
        set(member, event * OVERWRITTEN..(event + 1) * OVERWRITTEN, event).await?;
    }
    Ok(())
}

/// What was overwritten in so many events.
pub(super) fn told(events: usize) -> [(&'static str, usize); 2] {
    [("events", events), ("operations", events * OVERWRITTEN)]
}

/// Lets the member tell of them, and is done when the node shows the last.
pub(super) async fn tell(
    member: Arc<Client>,
    node: Arc<Client>,
    events: usize,
) -> Result<usize, Failure> {
    member.network("online").await?;
    let (start, last) = (Instant::now(), (events * OVERWRITTEN - 1) % VALUES);
    let path = path(&format!("notes/flood/{last}"))?;
    loop {
        match node.ask(None, Command::Read { path: path.clone() }).await? {
            Reply::Read(read) if read.value == json!(events - 1) => return Ok(events),
            _ => wait(start).await?,
        }
    }
}

/// A moment, unless it takes too long.
async fn wait(since: Instant) -> Result<(), Failure> {
    if since.elapsed() > PATIENCE {
        return Err(failed("the node did not take in what a member wrote"));
    }
    sleep(Duration::from_millis(100)).await;
    Ok(())
}

/// One event that sets values, counted round and round.
async fn set(member: &Client, numbers: Range<usize>, value: usize) -> Result<(), Failure> {
    let edit = |number: usize| {
        let set = path(&format!("notes/flood/{}", number % VALUES))?;
        Ok::<_, Failure>(DocEdit::Set { set, value: json!(value) })
    };
    let edits = numbers.map(edit).collect::<Result<_, _>>()?;
    match member.ask(None, Command::Edit { edits }).await? {
        Reply::Edited(_) => Ok(()),
        Reply::Failed(failure) => Err(failure),
        _ => Err(failed("an edit has no answer")),
    }
}

/// What a node holds, where it claims that.
async fn state(client: &Client) -> Result<Option<StateHash>, Failure> {
    match client.ask(None, Command::Status).await? {
        Reply::Status(status) => Ok(status.state_hash),
        _ => Err(failed("the node has no status")),
    }
}
