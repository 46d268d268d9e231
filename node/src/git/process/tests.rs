//! Limits of a process: time, output, our death.

use std::io::Write as _;

use super::*;

fn place() -> Place {
    let mut place = Place::folder(Path::new("/"));
    place.config.push(("alias.hang".to_owned(), "!sleep 1000".to_owned()));
    place.config.push(("alias.flood".to_owned(), "!yes".to_owned()));
    place.config.push(("alias.words".to_owned(), "!yes | head -c 1000000 >&2".to_owned()));
    place.config.push(("alias.vars".to_owned(), "!env".to_owned()));
    place
}

#[test]
fn a_git_that_hangs_is_stopped_with_all_its_children() {
    let mut git = place().git(["hang"]);
    git.time = Duration::from_millis(100);
    let began = Instant::now();
    // The sleeper holds our pipe: that the call returns shows that it is gone.
    assert_eq!(git.said().unwrap_err(), GitFault::TimedOut { command: "hang".to_owned() });
    assert!(began.elapsed() < Duration::from_secs(30));
}

#[test]
fn output_is_bounded_and_words_are_cut() {
    let fault = place().git(["flood"]).output_max(100_000).said().unwrap_err();
    assert!(matches!(fault, GitFault::TooLarge { max: 100_000, .. }), "{fault:?}");
    let said = place().git(["words"]).said().unwrap();
    assert_eq!(said.status, 0);
    assert!(said.words.len() <= WORDS_BYTES_MAX);
}

/// Starts the script as a process that dies would leave it: with a stdin that closes.
fn orphaned(orphan: &str, last_words: &[u8]) -> (Vec<u8>, bool) {
    let mut command = place().command("/bin/sh");
    let done = "alias.late=!sleep 0.3; echo done";
    command.arg("-c").arg(SCRIPT).args(["git", orphan, "/dev/null", "-c", done, "late"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(last_words).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    (output.stdout, output.status.success())
}

#[test]
fn git_ends_when_we_die_unless_it_must_finish() {
    assert_eq!(orphaned("dies", b""), (Vec::new(), false));
    assert_eq!(orphaned("finishes", b""), (b"done\n".to_vec(), true));
    assert_eq!(orphaned("finishes", b"stop\n"), (Vec::new(), false));
}

#[test]
fn the_environment_is_ours_alone() {
    let said = place().git(["vars"]).said().unwrap();
    let text = String::from_utf8(said.output).unwrap();
    let foreign = text.lines().filter(|line| {
        let known = ["GIT_", "PATH=", "HOME=/nonexistent", "LC_ALL=C", "PWD=", "OLDPWD=", "_="];
        !known.iter().any(|known| line.starts_with(known))
    });
    assert_eq!(foreign.collect::<Vec<_>>(), Vec::<&str>::new());
    assert!(text.contains("GIT_ALLOW_PROTOCOL=none"));
}

#[test]
fn what_git_is_told_holds() {
    let place = Place::folder(Path::new("/"));
    for (name, value) in CONFIG {
        let said = place.git(["config", "--get", name]).said().unwrap();
        assert_eq!(said.output.trim_ascii_end(), value.as_bytes(), "{name}");
    }
}

#[test]
fn a_missing_git_is_named() {
    let place = Place::folder(Path::new("/")).with("PATH", "/nonexistent");
    assert_eq!(place.git(["version"]).said().unwrap_err(), GitFault::NotInstalled);
}
