//! Starting a mission: the repository is looked at, its base becomes an artifact, and then there
//! is a first record.

use std::path::Path;
use std::process::{Command as Process, Stdio};

pub use kernelos_protocol::api::Starting;
use kernelos_protocol::command::{Command, Failure, FailureKind, Reply};
use kernelos_protocol::id::EventId;
use kernelos_protocol::mission::record::Mission;

use super::folder::object;
use crate::artifacts;
use crate::engine::Engine;
use crate::git::{self, GitFault, Globs, Source};
use crate::node::Node;

/// What are tests where nobody says it.
const USUAL_TESTS: [&str; 8] = [
    "tests/**",
    "test/**",
    "spec/**",
    "**/tests/**",
    "**/*_test.*",
    "**/test_*.*",
    "**/*.test.*",
    "**/*.spec.*",
];

/// Starts a mission whose home is this device.
pub async fn start(node: &Node, engine: &Engine, starting: Starting) -> Result<EventId, Failure> {
    if starting.goal.trim().is_empty() {
        return Err(usage("the goal is empty").with_hint("say in words what is to be reached"));
    }
    if starting.floor == 0 {
        return Err(usage("a verification without a test proves nothing")
            .with_hint("--floor is at least 1"));
    }
    let steps = commands(engine, &starting.agent).await?;
    let tests = match &starting.tests[..] {
        [] => USUAL_TESTS.map(str::to_owned).to_vec(),
        tests => tests.to_vec(),
    };
    Globs::parse(&tests).map_err(|fault| failure(&fault))?;
    let (repo, branch, verify) =
        (starting.repo.clone(), starting.branch.clone(), starting.verify.clone());
    let looked = tokio::task::spawn_blocking(move || look(&repo, branch.as_deref(), &verify));
    let (source, pack) =
        looked.await.map_err(|error| Failure::new(FailureKind::Failed, error))??;
    let named = source.root.file_name().map(|name| name.to_string_lossy().into_owned());
    let mut mission = Mission {
        goal: starting.goal,
        repository: named.unwrap_or_else(|| "repository".to_owned()),
        branch: source.branch.clone(),
        base: object(&source.commit).map_err(|text| Failure::new(FailureKind::Failed, text))?,
        base_artifact: EventId([0; 32]),
        agent: starting.agent,
        steps,
        verify: starting.verify,
        tests,
        floor: starting.floor,
    };
    // A base is up to 64 MiB: nothing is kept for a mission that will not be.
    if let Some(fault) = mission.fault() {
        return Err(usage(fault).with_hint("put long texts into files of the repository"));
    }
    mission.base_artifact = artifacts::put(&engine.asker(), "base", pack).await?;
    node.missions().keep_origin(&mission.base_artifact, &source.root).map_err(|error| {
        Failure::new(FailureKind::Failed, format!("the home cannot be written: {error}"))
    })?;
    match engine.ask(Command::StartMission(Box::new(mission))).await {
        Reply::Started { mission } => Ok(mission),
        Reply::Failed(failure) => Err(failure),
        _ => Err(Failure::new(FailureKind::Failed, "the workspace gave another answer")),
    }
}

fn usage(text: impl ToString) -> Failure {
    Failure::new(FailureKind::Usage, text)
}

/// What cannot be a name is asked wrongly; a name of nothing that is there is not.
fn failure(fault: &GitFault) -> Failure {
    let kind = match fault {
        GitFault::BranchName { .. } | GitFault::BadGlob { .. } => FailureKind::Usage,
        _ => FailureKind::Failed,
    };
    Failure::new(kind, fault).with_hint(fault.hint())
}

/// The commands of an agent, as the workspace knows them.
async fn commands(engine: &Engine, name: &str) -> Result<Vec<String>, Failure> {
    let path = "agents".parse().map_err(usage)?;
    let agents = match engine.ask(Command::Read { path }).await {
        Reply::Read(read) => read.value,
        Reply::Failed(failure) => return Err(failure),
        _ => return Err(Failure::new(FailureKind::Failed, "the workspace gave another answer")),
    };
    let commands = agents.get(name).and_then(|agent| agent.get("commands")?.as_array());
    let commands: Option<Vec<String>> =
        commands.map(|all| all.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect());
    commands.filter(|all| !all.is_empty()).ok_or_else(|| {
        Failure::new(FailureKind::Failed, format!("there is no agent {name:?}")).with_hint(format!(
            "`kern agent list` shows all; add one: kern agent add {name} --command './fix.sh'"
        ))
    })
}

/// Looks at the repository and packs its base. Blocks.
fn look(repo: &Path, branch: Option<&str>, verify: &str) -> Result<(Source, Vec<u8>), Failure> {
    if verify.trim().is_empty() {
        return Err(usage("the verify command is empty")
            .with_hint("give a command that ends with 0 where all is well"));
    }
    let source = git::inspect(repo, branch).map_err(|fault| failure(&fault))?;
    if !can_start(verify, &source.root) {
        let text = format!("the verify command cannot start: {verify:?}");
        return Err(Failure::new(FailureKind::Failed, text)
            .with_hint("give a command that `sh -c` finds in the repository or on the PATH"));
    }
    let pack = git::base_pack(&source).map_err(|fault| failure(&fault))?;
    Ok((source, pack))
}

/// Does the shell find the first word of a command? What is more than a plain word is not judged.
fn can_start(command: &str, root: &Path) -> bool {
    let Some(word) = command.split_whitespace().next() else { return false };
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if !word.chars().all(plain) {
        return true;
    }
    let found = Process::new("sh")
        .args(["-c", "command -v -- \"$1\"", "sh", word])
        .current_dir(root)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    found.is_ok_and(|status| status.success())
}
