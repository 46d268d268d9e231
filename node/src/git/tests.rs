//! The driver with real git: people's repositories, devices that share nothing but packs, and the
//! hostile among them.

mod hostile;
mod missions;
mod people;
mod promotes;
mod room;
mod snapshots;
mod trees;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::*;

const FORMATS: [ObjectFormat; 2] = [ObjectFormat::Sha1, ObjectFormat::Sha256];

/// A person's repository, and room beside it.
struct Person {
    folder: TempDir,
}

/// A device with a mission repository.
struct Device {
    folder: TempDir,
    repo: MissionRepo,
}

/// Git as a person calls it.
fn git_in(folder: &Path, args: &[&str], stdin: &[u8]) -> Vec<u8> {
    let mut command = Command::new("git");
    command.current_dir(folder).args(args).env_clear().env("PATH", std::env::var("PATH").unwrap());
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "Dana").env(format!("GIT_{who}_EMAIL"), "d@x.org");
        command.env(format!("GIT_{who}_DATE"), "1700000000 +0200");
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn put(folder: &Path, name: &str, content: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn get(folder: &Path, name: &str) -> Option<String> {
    fs::read_to_string(folder.join(name)).ok()
}

impl Person {
    fn new(format: ObjectFormat) -> Self {
        let person = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(person.root()).unwrap();
        let format = format!("--object-format={}", format.name());
        person.git(&["init", "--quiet", "--initial-branch=main", &format]);
        person
    }

    /// With two commits.
    fn with_history(format: ObjectFormat) -> Self {
        let person = Self::new(format);
        person.put("README", "first\n");
        person.put("tests/one", "1\n");
        person.commit();
        person.put("src/lib", "lib\n");
        person.commit();
        person
    }

    fn root(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join("repo")
    }

    fn git(&self, args: &[&str]) -> String {
        self.git_with(args, b"")
    }

    fn git_with(&self, args: &[&str], stdin: &[u8]) -> String {
        let output = git_in(&self.root(), args, stdin);
        String::from_utf8_lossy(output.trim_ascii_end()).into_owned()
    }

    fn put(&self, name: &str, content: &str) {
        put(&self.root(), name, content);
    }

    fn get(&self, name: &str) -> Option<String> {
        get(&self.root(), name)
    }

    fn commit(&self) -> Oid {
        self.git(&["add", "-A"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", "work"]);
        self.tip("main")
    }

    fn tip(&self, branch: &str) -> Oid {
        Oid::parse(&self.git(&["rev-parse", &format!("refs/heads/{branch}")])).unwrap()
    }

    fn inspect(&self) -> Result<Source, GitFault> {
        inspect(&self.root(), None)
    }

    /// Whether the person sees nothing to commit.
    fn is_clean(&self) -> bool {
        self.git(&["status", "--porcelain"]).is_empty()
    }

    /// The id of a raw object, well-formed or not.
    fn raw(&self, kind: &str, bytes: &[u8]) -> Oid {
        let args = ["hash-object", "-t", kind, "-w", "--literally", "--stdin"];
        Oid::parse(&self.git_with(&args, bytes)).unwrap()
    }

    fn raw_tree(&self, entries: &[(&str, &[u8], &Oid)]) -> Oid {
        let mut bytes = Vec::new();
        for (mode, name, oid) in entries {
            bytes.extend(mode.bytes().chain([b' ']).chain(name.iter().copied()).chain([0]));
            let digits = oid.as_str().as_bytes().chunks(2);
            bytes.extend(
                digits.map(|two| u8::from_str_radix(str::from_utf8(two).unwrap(), 16).unwrap()),
            );
        }
        self.raw("tree", &bytes)
    }

    fn raw_commit(&self, tree: &Oid, parent: Option<&Oid>) -> Oid {
        let parent = parent.map(|parent| format!("parent {parent}\n")).unwrap_or_default();
        let who = "E <e@x.org> 1700000000 +0000";
        let text = format!("tree {tree}\n{parent}author {who}\ncommitter {who}\n\nevil\n");
        self.raw("commit", text.as_bytes())
    }

    fn pack_of(&self, objects: &[&Oid]) -> Vec<u8> {
        let list: String = objects.iter().map(|id| format!("{id}\n")).collect();
        git_in(&self.root(), &["pack-objects", "--quiet", "--stdout"], list.as_bytes())
    }
}

impl Device {
    fn new(format: ObjectFormat) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let repo = MissionRepo::create(&folder.path().join("mission"), format).unwrap();
        Self { folder, repo }
    }

    fn at_base(person: &Person) -> (Self, Source) {
        let source = person.inspect().unwrap();
        let device = Self::new(source.object_format);
        device.repo.import_base(&source.commit, &base_pack(&source).unwrap()).unwrap();
        (device, source)
    }

    fn worktree(&self, commit: &Oid) -> PathBuf {
        let dir = self.folder.path().join("work");
        self.repo.worktree(&dir, commit).unwrap();
        dir
    }

    /// A commit on `base` in which the worktree is as `edit` leaves it.
    fn change(&self, base: &Oid, edit: impl FnOnce(&Path)) -> Oid {
        let dir = self.worktree(base);
        edit(&dir);
        let tree = self.repo.snapshot(&dir, base).unwrap();
        self.repo.commit(&tree, base, "a step").unwrap()
    }

    /// What git has in `tree`, as `mode path` in lines.
    fn list(&self, tree: &Oid) -> Vec<String> {
        let repo = self.folder.path().join("mission");
        let format = "--format=%(objectmode) %(path)";
        let output = git_in(&repo, &["ls-tree", "-r", format, tree.as_str()], b"");
        String::from_utf8(output).unwrap().lines().map(str::to_owned).collect()
    }
}
