//! The repository of the demo's mission: a small shell project with a test that fails, and the
//! three steps of an agent that mends it. It needs `sh`, `sed` and `git`.
//!
//! `git` is run with an identity and a configuration of the demo's own: nothing of the user's is
//! read or written.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use kernelos_protocol::command::{Failure, FailureKind};
use tokio::process::Command;
use tokio::time::timeout;

use crate::cli::demo::folder::Folder;
use crate::cli::demo::nodes::failed;

/// How the project is tested, by `sh -c` in its folder.
pub(super) const VERIFY: &str = "sh tests/run.sh";

/// What the mission is for.
pub(super) const GOAL: &str = "Greet the world when nobody is named";

/// Which files are tests.
pub(super) const TESTS: &str = "tests/*";

/// For how long git or a test may run.
const RUN: Duration = Duration::from_secs(30);

const FILES: [(&str, &str); 3] = [
    ("README.md", include_str!("repository/README.md")),
    ("lib/greet.sh", include_str!("repository/greet.sh")),
    ("tests/run.sh", include_str!("repository/run.sh")),
];

/// Before each step works: time for somebody to pull the plug.
const PAUSE: &str = "i=0; while [ $i -lt 12 ]; do sleep 0.1; i=$((i + 1)); done; set -e\n";

/// What each step does, by `sh -c` in a checkout of the project.
const STEPS: [&str; 3] = [
    include_str!("repository/1-mend.sh"),
    include_str!("repository/2-test.sh"),
    include_str!("repository/3-tell.sh"),
];

/// The commands of the agent, one a step.
pub(super) fn steps() -> [String; 3] {
    STEPS.map(|step| {
        // The first line says what it does, and is what surfaces show of it.
        let (about, rest) = step.split_once('\n').unwrap_or((step, ""));
        format!("{about}\n{PAUSE}{rest}")
    })
}

/// The repository, as it lies on the device that is its home.
#[derive(Debug)]
pub(super) struct Repository {
    pub(super) path: PathBuf,
}

impl Repository {
    /// Makes it, with one commit.
    pub(super) async fn make(folder: &Folder) -> Result<Self, Failure> {
        let path = folder.path().join("greet");
        for (name, text) in FILES {
            let file = path.join(name);
            fs::create_dir_all(file.parent().unwrap_or(&path)).map_err(failed)?;
            fs::write(file, text).map_err(failed)?;
        }
        let repository = Self { path };
        repository.git(&["init", "--quiet", "--template=", "--initial-branch=main"]).await?;
        repository.git(&["add", "--all"]).await?;
        repository.git(&["commit", "--quiet", "--message=Greetings"]).await?;
        Ok(repository)
    }

    /// What git says.
    pub(super) async fn git(&self, args: &[&str]) -> Result<String, Failure> {
        let mut command = Command::new("git");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("GIT_") {
                command.env_remove(name);
            }
        }
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        command.args(["-c", "user.name=kern demo", "-c", "user.email=demo@localhost"]).args(args);
        let output = run(command, &self.path, "git").await?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        let told = String::from_utf8_lossy(&output.stderr);
        let text =
            format!("`git {}` ended with {}: {}", args.join(" "), output.status, told.trim());
        Err(Failure::new(FailureKind::Failed, text))
    }

    /// A fresh checkout of a branch, in a folder of its own.
    pub(super) async fn checkout(&self, branch: &str, name: &str) -> Result<PathBuf, Failure> {
        let to = self.path.with_file_name(name);
        let (from, at) = (self.path.display().to_string(), to.display().to_string());
        let branch = format!("--branch={branch}");
        self.git(&["clone", "--quiet", "--no-local", &branch, "--", &from, &at]).await?;
        Ok(to)
    }
}

/// Runs the tests in a checkout: do they pass, and what do they say?
pub(super) async fn verify(at: &Path) -> Result<(bool, String), Failure> {
    let output = shell(VERIFY, at).await?;
    Ok((output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned()))
}

async fn shell(script: &str, at: &Path) -> Result<Output, Failure> {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    run(command, at, "sh").await
}

async fn run(mut command: Command, at: &Path, program: &str) -> Result<Output, Failure> {
    let output = command.current_dir(at).stdin(Stdio::null()).kill_on_drop(true).output();
    let failed = |why: &dyn std::fmt::Display| {
        Failure::new(FailureKind::Failed, format!("{program} cannot be run: {why}"))
            .with_hint(format!("this demo needs {program} on the PATH"))
    };
    let output = timeout(RUN, output).await.map_err(|error| failed(&error))?;
    output.map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_three_steps_make_the_failing_test_pass() {
        let folder = Folder::new().unwrap();
        let repository = Repository::make(&folder).await.unwrap();
        let at = repository.checkout("main", "work").await.unwrap();
        let (passes, told) = verify(&at).await.unwrap();
        assert!(!passes);
        let failing: Vec<_> = told.lines().filter(|line| line.starts_with("not ok")).collect();
        assert_eq!((failing.len(), told.lines().last()), (1, Some("1..3")), "{told}");
        for step in STEPS {
            let before = changes(&at).await;
            assert!(shell(&format!("set -e\n{step}"), &at).await.unwrap().status.success());
            assert_ne!(changes(&at).await, before, "every step changes something");
        }
        let (passes, told) = verify(&at).await.unwrap();
        assert!(passes && told.ends_with("1..4\n"), "{told}");
        assert_eq!(repository.git(&["status", "--porcelain"]).await.unwrap(), "");
        folder.remove().unwrap();
    }

    async fn changes(at: &Path) -> Vec<u8> {
        shell("git diff HEAD", at).await.unwrap().stdout
    }
}
