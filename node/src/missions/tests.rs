//! Orders about what a device that lies has written: real git, a real workspace, no sandbox, since
//! nothing of it may come so far as to run.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};

use kernelos_protocol::artifact::{ArtifactKey, Manifest, plain_hash, seal};
use kernelos_protocol::command::{Command, Mode, Reply};
use kernelos_protocol::id::EventId;
use kernelos_protocol::key::RecoveryKey;
use kernelos_protocol::mission::record::{ObjectId, Output};
use kernelos_protocol::mission::work::{Order, Outcome, Source, Task, Ticket};
use tempfile::TempDir;
use tokio::sync::watch;

use super::folder::{Folder, object, oid};
use super::orders::Desktop;
use super::{StepTimeout, Worker};
use crate::engine::Engine;
use crate::founding::{Founding, found};
use crate::git::{self, FILE_BYTES_MAX, MissionRepo, Oid};
use crate::home::Home;

const GOAL: &str = "Mend it";

/// A home with a workspace and a person's repository, and a runner that made a candidate of it.
struct Bench {
    folder: TempDir,
    engine: Engine,
    desktop: Desktop,
    _stop: watch::Sender<bool>,
    runner: MissionRepo,
    base: Source,
    /// Two trees that the runner made.
    trees: [Oid; 2],
}

/// Git as a person calls it.
fn git_in(folder: &Path, args: &[&str], stdin: &[u8]) -> Vec<u8> {
    let mut command = Process::new("git");
    command.current_dir(folder).args(args).env_clear().env("PATH", std::env::var("PATH").unwrap());
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "Dana").env(format!("GIT_{who}_EMAIL"), "d@x.org");
        command.env(format!("GIT_{who}_DATE"), "1700000000 +0200");
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{args:?}");
    output.stdout
}

fn said(folder: &Path, args: &[&str], stdin: &[u8]) -> String {
    String::from_utf8(git_in(folder, args, stdin)).unwrap().trim_end().to_owned()
}

/// A repository in which a file with this content is committed: the commit, and a pack of it.
fn repository(at: &Path, content: &[u8]) -> (ObjectId, Vec<u8>) {
    fs::create_dir(at).unwrap();
    git_in(at, &["init", "--quiet", "--initial-branch=main"], b"");
    fs::write(at.join("file"), content).unwrap();
    git_in(at, &["add", "--all"], b"");
    git_in(at, &["commit", "--quiet", "-m", "Begin"], b"");
    let pack = git_in(at, &["pack-objects", "--quiet", "--stdout", "--revs"], b"main");
    (said(at, &["rev-parse", "main"], b"").try_into().unwrap(), pack)
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("home");
        let home = Home::at(&at).own().unwrap();
        let recovery = RecoveryKey::from_bytes([3; 32]).public();
        let founding = Founding {
            name: "home".to_owned(),
            device: "laptop".to_owned(),
            mode: Mode::Local,
            recovery_signing: recovery.signing,
            recovery_sealing: EventId(recovery.sealing.0),
        };
        let (_, store) = found(&home, &founding).unwrap();
        let worker = Worker {
            folder: Folder::below(&at),
            hidden: at,
            sandbox: std::sync::Arc::new(Err("nothing may run".to_owned())),
            runs: true,
            step_timeout: StepTimeout::default(),
        };
        let engine = Engine::start(&store, &home.device_secret().unwrap(), &worker).unwrap();
        let (stop, stopped) = watch::channel(false);
        let desktop = Desktop { worker, asker: engine.asker(), stopped };

        let project = folder.path().join("project");
        repository(&project, b"broken\n");
        let source = git::inspect(&project, None).unwrap();
        let pack = git::base_pack(&source).unwrap();
        let artifact = desktop.put("base", pack.clone()).await.unwrap();
        desktop.worker.folder.keep_origin(&artifact, &source.root).unwrap();
        let runner =
            MissionRepo::create(&folder.path().join("runner"), source.object_format).unwrap();
        runner.import_base(&source.commit, &pack).unwrap();
        let tree = folder.path().join("tree");
        let trees = ["mended\n", "owned\n"].map(|content| {
            runner.worktree(&tree, &source.commit).unwrap();
            fs::write(tree.join("file"), content).unwrap();
            runner.snapshot(&tree, &source.commit).unwrap()
        });
        let base = Source { commit: object(&source.commit).unwrap(), artifact };
        Self { folder, engine, desktop, _stop: stop, runner, base, trees }
    }

    fn project(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    /// What the runner offers: a commit of these very bytes, in an artifact with all it needs.
    async fn offer(&self, commit: &str, tree: &Oid) -> Output {
        let at = self.folder.path().join("runner");
        let args = ["hash-object", "-t", "commit", "-w", "--literally", "--stdin"];
        let commit = Oid::parse(&said(&at, &args, commit.as_bytes())).unwrap();
        let pack = self.runner.pack(&oid(&self.base.commit).unwrap(), &commit).unwrap();
        let artifact = self.desktop.put("step-1", pack).await.unwrap();
        Output { commit: object(&commit).unwrap(), tree: object(tree).unwrap(), artifact }
    }

    /// The commit that a mission's candidate must be, in git's own words. `SPEC: MIS-9`
    fn honest(&self, mission: EventId) -> String {
        let (tree, base) = (&self.trees[0], self.base.commit.as_str());
        let who = "KernelOS <kern@localhost> 1700000001 +0000";
        format!(
            "tree {tree}\nparent {base}\nauthor {who}\ncommitter {who}\n\n\
             {GOAL}\n\nMission: {mission}\n"
        )
    }

    async fn perform(&self, mission: EventId, base: &Source, task: Task) -> Outcome {
        let base = base.clone();
        self.desktop.perform(&Order { ticket: Ticket(1), mission, base, task }).await
    }

    /// Nothing of the person's was touched.
    #[track_caller]
    fn is_untouched(&self, about: &str) {
        let project = self.project();
        let main = said(&project, &["rev-parse", "refs/heads/main"], b"");
        assert_eq!(main, self.base.commit.as_str(), "{about}");
        assert_eq!(said(&project, &["status", "--porcelain"], b""), "", "{about}");
        assert_eq!(said(&project, &["count-objects"], b""), "3 objects, 12 kilobytes", "{about}");
    }
}

/// All that is ordered of a candidate, in the order in which it is.
fn tasks(candidate: &Output) -> [Task; 3] {
    let (candidate, goal) = (candidate.clone(), GOAL.to_owned());
    [
        Task::Changes { candidate: candidate.clone(), goal: goal.clone() },
        Task::Verify {
            candidate: candidate.clone(),
            command: "true".to_owned(),
            tests: Vec::new(),
            goal: goal.clone(),
        },
        Task::Promote { candidate, branch: "main".to_owned(), goal },
    ]
}

#[tokio::test]
async fn a_candidate_that_is_not_its_tree_on_the_base_with_the_goal_is_taken_by_nobody() {
    // SPEC: MIS-9
    let bench = Bench::new().await;
    let [_, owned] = &bench.trees;
    let base = oid(&bench.base.commit).unwrap();
    let other = bench.runner.commit(owned, &base, "in between").unwrap();
    let parent = format!("parent {base}\n");
    let [tree, of_owned] = [&bench.trees[0], owned].map(|tree| format!("tree {tree}\n"));
    let other_mission = EventId([255; 32]).to_string();
    let lies = [
        ("another parent", parent.as_str(), format!("parent {other}\n")),
        ("no parent", &parent, String::new()),
        ("one parent more", &parent, format!("{parent}parent {other}\n")),
        ("another tree than was recorded", &tree, of_owned),
        ("another author", "author KernelOS", "author Dana".to_owned()),
        ("another committer", "committer KernelOS", "committer Dana".to_owned()),
        ("another address", "kern@localhost", "d@x.org".to_owned()),
        ("another date", "1700000001", "1700000000".to_owned()),
        ("another zone", "+0000", "+0100".to_owned()),
        ("one header more", "\n\n", "\nencoding UTF-8\n\n".to_owned()),
        ("another goal", GOAL, "Own it".to_owned()),
        ("another mission", "Mission: ", format!("Mission: {other_mission}\n")),
        ("one line less", "\n\nMission", "\nMission".to_owned()),
    ];
    for (number, (about, from, to)) in (1..).zip(&lies) {
        let mission = EventId([number; 32]);
        let honest = bench.honest(mission);
        let lie = honest.replacen(from, to, if *from == "\n\n" { 1 } else { 9 });
        assert_ne!(lie, honest, "{about}");
        let candidate = bench.offer(&lie, &bench.trees[0]).await;
        for task in tasks(&candidate) {
            let outcome = bench.perform(mission, &bench.base, task.clone()).await;
            let why = "the candidate's commit is not its tree on the base with the goal";
            assert_eq!(outcome, Outcome::Unusable(why.to_owned()), "{about}: {task:?}");
        }
        bench.is_untouched(about);
    }
    bench.engine.stop().await;
}

#[tokio::test]
async fn a_candidate_that_is_checked_is_promoted_whatever_its_artifact_holds_by_then() {
    // SPEC: MIS-9
    let bench = Bench::new().await;
    let mission = EventId([1; 32]);
    let mut candidate = bench.offer(&bench.honest(mission), &bench.trees[0]).await;
    let [changes, _, _] = tasks(&candidate);
    let outcome = bench.perform(mission, &bench.base, changes).await;
    assert!(matches!(&outcome, Outcome::Changes(files) if files.len() == 1), "{outcome:?}");
    bench.is_untouched("before it is promoted");
    candidate.artifact = bench.desktop.put("step-1", b"no pack".to_vec()).await.unwrap();
    let [.., promote] = tasks(&candidate);
    let outcome = bench.perform(mission, &bench.base, promote).await;
    assert_eq!(outcome, Outcome::Promoted(candidate.commit.clone()));
    let main = said(&bench.project(), &["rev-parse", "refs/heads/main"], b"");
    assert_eq!(main, candidate.commit.as_str());
    assert_eq!(fs::read_to_string(bench.project().join("file")).unwrap(), "mended\n");
    bench.engine.stop().await;
}

/// What an artifact is made of: bytes, and what is then done to its manifest.
type Made = (&'static str, Vec<u8>, Forge);

/// Changes a manifest; knows the hash of the whole.
type Forge = fn(&mut [u8], &[u8; 32]);

impl Bench {
    async fn make(&self, (_, bytes, forge): &Made) -> EventId {
        let (manifest, chunks) = seal("base", ArtifactKey([7; 32]), bytes).unwrap();
        let mut manifest = Vec::from(manifest);
        forge(&mut manifest, &plain_hash(bytes));
        let manifest = Manifest::try_from(manifest).unwrap();
        let asker = self.engine.asker();
        assert_eq!(asker.ask(Command::KeepChunks { chunks }).await, Reply::Kept);
        match asker.ask(Command::WriteArtifact { manifest }).await {
            Reply::ArtifactWritten { event } => event,
            reply => panic!("{reply:?}"),
        }
    }
}

/// One bit of these bytes is another one.
fn flip(manifest: &mut [u8], these: &[u8; 32]) {
    let at = manifest.windows(32).position(|window| window == these).unwrap();
    manifest[at] ^= 1;
}

#[tokio::test]
async fn an_artifact_that_is_not_what_it_should_be_is_found_unusable_and_nothing_runs() {
    // SPEC: ART-3, MIS-9
    let bench = Bench::new().await;
    let of = |name: &str, content: &[u8]| repository(&bench.folder.path().join(name), content);
    let keep: Forge = |_, _| {};
    let (_, pack) = of("same", b"broken\n");
    let (_, foreign) = of("other", b"foreign\n");
    let id = format!("{}\n", bench.base.commit.as_str());
    let bare = git_in(&bench.project(), &["pack-objects", "--quiet", "--stdout"], id.as_bytes());
    let cases: [Made; 8] = [
        ("nothing", Vec::new(), keep),
        ("no pack", b"once upon a time".to_vec(), keep),
        ("a pack of nothing", b"PACK\0\0\0\x02\0\0\0\0".to_vec(), keep),
        ("half a pack", pack[..pack.len() / 2].to_vec(), keep),
        ("another pack", foreign, keep),
        ("a pack without the files", bare, keep),
        ("another hash of the whole", pack.clone(), |manifest, plain| flip(manifest, plain)),
        ("another key", pack, |manifest, _| flip(manifest, &[7; 32])),
    ];
    let step = |input: Option<Source>| Task::Step {
        number: 1,
        input,
        command: "true".to_owned(),
        goal: GOAL.to_owned(),
    };
    for (number, case) in (1..).zip(&cases) {
        let (mission, artifact) = (EventId([number; 32]), bench.make(case).await);
        let base = Source { artifact, ..bench.base.clone() };
        let outcome = bench.perform(mission, &base, step(None)).await;
        assert!(matches!(outcome, Outcome::Unusable(_)), "{}: {outcome:?}", case.0);
        // The same of what an earlier step left.
        let commit = ObjectId::try_from("1".repeat(40)).unwrap();
        let input = Some(Source { commit, artifact });
        let outcome = bench.perform(mission, &bench.base, step(input)).await;
        assert!(matches!(outcome, Outcome::Unusable(_)), "{}: {outcome:?}", case.0);
    }
    let mission = EventId([100; 32]);
    let (commit, pack) = of("large", &vec![0; usize::try_from(FILE_BYTES_MAX).unwrap() + 1]);
    let base = Source { commit, artifact: bench.desktop.put("base", pack).await.unwrap() };
    let outcome = bench.perform(mission, &base, step(None)).await;
    assert!(matches!(&outcome, Outcome::Unusable(why) if why.contains("bytes")), "{outcome:?}");
    // An id of another format than the base's is no commit anywhere.
    let commit = ObjectId::try_from("1".repeat(64)).unwrap();
    let input = Some(Source { commit, ..bench.base.clone() });
    let outcome = bench.perform(mission, &bench.base, step(input)).await;
    assert!(matches!(outcome, Outcome::Unusable(_)), "{outcome:?}");
    // What is not here may come.
    let absent = Source { artifact: EventId([9; 32]), ..bench.base.clone() };
    let outcome = bench.perform(EventId([101; 32]), &absent, step(None)).await;
    assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}");
    bench.engine.stop().await;
}
