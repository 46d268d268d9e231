//! A person's repository for tests of missions, and missions as they are started and looked at.
//!
//! The project adds two numbers, wrongly: `tests/adds.test` fails, `tests/answers.test` passes.
//! Git is run with an identity of its own and reads nothing of the user's.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;
use tempfile::TempDir;

use crate::kern::{Home, Ran, until};

/// How the project is verified.
pub(crate) const VERIFY: &str = "sh tests/run.sh";

/// What mends it, as a line of an agent's command.
pub(crate) const FIX: &str = "echo 'echo $(($1 + $2))' > add.sh\n";

const FILES: [(&str, &str); 5] = [
    ("add.sh", "echo 0\n"),
    ("answer", "42\n"),
    ("tests/adds.test", "[ \"$(sh add.sh 2 3)\" = 5 ]\n"),
    ("tests/answers.test", "[ \"$(cat answer)\" = 42 ]\n"),
    ("tests/run.sh", RUN),
];

/// A test for each file; TAP.
const RUN: &str = "\
count=0
failed=0
for test in tests/*.test; do
    count=$((count + 1))
    if sh \"$test\"; then
        echo \"ok $count - ${test#tests/}\"
    else
        echo \"not ok $count - ${test#tests/}\"
        failed=1
    fi
done
echo \"1..$count\"
exit $failed
";

/// A repository with one commit on `main`, which is checked out.
pub(crate) struct Repository {
    folder: TempDir,
    /// The commit.
    pub(crate) base: String,
}

impl Repository {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("kern").tempdir().unwrap();
        let mut made = Self { folder, base: String::new() };
        for (name, text) in FILES {
            let file = made.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        made.git(&["init", "--quiet", "--template=", "--initial-branch=main"]);
        made.base = made.commit("Begin");
        made
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    /// The folder that it alone lies in.
    pub(crate) fn around(&self) -> &Path {
        self.folder.path()
    }

    /// Commits all there is; the commit.
    pub(crate) fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", message]);
        self.main()
    }

    /// Where `main` is.
    pub(crate) fn main(&self) -> String {
        self.git(&["rev-parse", "refs/heads/main"])
    }

    #[track_caller]
    pub(crate) fn git(&self, args: &[&str]) -> String {
        git(&self.path(), args)
    }

    /// `main` is at this commit, and the person's work tree is as they left it.
    #[track_caller]
    pub(crate) fn is_at(&self, commit: &str) {
        assert_eq!(self.main(), commit);
        assert_eq!(self.git(&["status", "--porcelain", "--ignored"]), "");
        assert!(!self.path().join(".git/hooks").exists());
    }

    /// Starts a mission of an agent that is added for it.
    #[track_caller]
    pub(crate) fn mission(&self, home: &Home, agent: &str, steps: &[&str]) -> String {
        self.mission_with(home, agent, steps, &[])
    }

    /// The same with more options.
    #[track_caller]
    pub(crate) fn mission_with(
        &self,
        home: &Home,
        agent: &str,
        steps: &[&str],
        options: &[&str],
    ) -> String {
        let mut add = vec!["agent", "add", agent];
        add.extend(steps.iter().flat_map(|step| ["--command", step]));
        home.run(&add).done();
        let started = self.start(home, agent, options);
        started.json()["id"].as_str().unwrap().to_owned()
    }

    /// `kern mission start`, of an agent that there is.
    pub(crate) fn start(&self, home: &Home, agent: &str, options: &[&str]) -> Ran {
        let path = self.path();
        let start = ["mission", "start", "Add numbers", "--repo", path.to_str().unwrap()];
        let given = ["--verify", VERIFY, "--agent", agent, "--json"];
        home.run(&[&start, &given, options].concat())
    }
}

/// What git says in a folder.
#[track_caller]
pub(crate) fn git(folder: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GIT_") {
            command.env_remove(name);
        }
    }
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    command.args(["-c", "user.name=person", "-c", "user.email=person@localhost"]).args(args);
    let ran = Ran::from(command.current_dir(folder).output().unwrap());
    assert_eq!(ran.code, 0, "git {args:?}: {}", ran.stderr);
    ran.stdout.trim_end().to_owned()
}

/// What `kern mission show` says.
#[track_caller]
pub(crate) fn show(home: &Home, id: &str) -> Json {
    home.run(&["mission", "show", id, "--json"]).json()
}

/// The same once something is seen in it.
#[track_caller]
pub(crate) fn shows(home: &Home, id: &str, what: &str, seen: impl Fn(&Json) -> bool) -> Json {
    let mut last = Last(Json::Null);
    until(what, || {
        last.0 = show(home, id);
        seen(&last.0).then(|| last.0.clone())
    })
}

/// What was seen last of a mission; told where a test ends with it.
struct Last(Json);

impl Drop for Last {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{:#}", self.0);
        }
    }
}

/// The same once the mission is over.
#[track_caller]
pub(crate) fn ended(home: &Home, id: &str) -> Json {
    shows(home, id, "the end of a mission", |mission| {
        mission["state"] == "failed" || mission["state"] == "promoted"
    })
}

/// A stage of a mission.
#[track_caller]
pub(crate) fn stage<'a>(mission: &'a Json, name: &str) -> &'a Json {
    mission["stages"].as_array().unwrap().iter().find(|stage| stage["name"] == name).unwrap()
}

/// A mission failed in a stage for a reason, and the log has the evidence.
#[track_caller]
pub(crate) fn failed(home: &Home, mission: &Json, in_stage: &str, why: &str) {
    assert_eq!(mission["state"], "failed", "{mission:#}");
    let failed = stage(mission, in_stage);
    assert_eq!(failed["state"], "failed", "{mission:#}");
    let told = mission["why"].as_str().unwrap_or_default();
    assert!(told.contains(why), "{why:?} is not told: {told:?}");
    assert_eq!(mission["promoted_commit"], Json::Null);
    let log = home.log();
    let event = log.iter().find(|row| row["id"] == failed["evidence"]).unwrap();
    let kind = if in_stage == "promote" { "promote" } else { "evidence" };
    assert_eq!((&event["kind"], &event["verdict"]), (&kind.into(), &"admitted".into()));
}
