//! Nothing that a command started outlives it, whoever dies first.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kernelos_node::sandbox::{Means, Outcome, Sandbox, SandboxFault};

use crate::place::{MEANS, PROGRAM, Place, block_on, part_command, run, sandbox, try_run};

const BOTH: [(&str, Means); 2] = [("all", Means::ALL), ("no namespaces", Means::NO_NAMESPACES)];

/// A node that runs the job that `COMMAND` names, in the folders of a test's place.
pub(crate) fn node(root: &str, means: &str) -> bool {
    let mut place = Place::new();
    place.dir = Path::new(root).join("dir");
    place.scratch = Path::new(root).join("scratch");
    let means = MEANS.iter().find(|(name, _)| name.replace(' ', "_") == means).unwrap().1;
    match try_run(means, place.job(&std::env::var("COMMAND").unwrap())) {
        Ok(ended) => {
            let text = String::from_utf8_lossy(&ended.stdout);
            println!("\n{text}ENDED {:?}", ended.outcome);
        }
        Err(fault) => println!("\nFAULT {fault}"),
    }
    true
}

/// Holds the pipe `alive` in three ways: itself, a daemon, a daemon's child in another session.
const DAEMONS: &str =
    "exec 3>alive; setsid sleep 1000 & (setsid nohup sh -c 'sleep 1000 & wait' &) ;
    while [ $(ls /proc 2>/dev/null | grep -c '^[0-9]') -lt 0 ]; do :; done; echo >&3;";

#[test]
fn a_process_left_behind_is_killed_and_counted() {
    for (name, means) in MEANS {
        let place = Place::new();
        let alive = place.pipe();
        let command = "exec 3>alive; setsid nohup sleep 1000 >/dev/null 2>&1 & setsid sleep 1000 &
            echo >&3; exit 4";
        let Some(ended) = run(means, place.job(command)) else { continue };
        assert_eq!((ended.outcome, ended.left_behind), (Outcome::Exited(4), 2), "{name}");
        alive.wait_for_the_end();

        let Some(ended) = run(means, place.job("sleep 0.1 & wait; true | true")) else { continue };
        assert_eq!((ended.outcome, ended.left_behind), (Outcome::Exited(0), 0), "{name}");
    }
}

#[test]
fn a_daemon_of_a_daemon_is_killed_too() {
    for (name, means) in BOTH {
        let place = Place::new();
        let alive = place.pipe();
        let command = format!("{DAEMONS} kill -9 $$");
        let Some(ended) = run(means, place.job(&command)) else { continue };
        assert_eq!(ended.outcome, Outcome::Signalled(9), "{name}");
        assert!(ended.left_behind >= 2, "{name}: {}", ended.left_behind);
        alive.wait_for_the_end();
    }
}

#[test]
fn a_process_that_it_did_not_start_is_not_signalled() {
    for (name, means) in MEANS {
        let place = Place::new();
        let mut victim = Command::new("sleep").arg("1000").spawn().unwrap();
        let ours = std::process::id();
        let command = format!("kill -9 {} {ours} $PPID; kill -9 -{ours}", victim.id());
        let ended = run(means, place.job(&command));
        assert!(victim.try_wait().unwrap().is_none(), "{name}");
        victim.kill().unwrap();
        victim.wait().unwrap();
        assert!(ended.is_none_or(|ended| ended.outcome == Outcome::Exited(1)), "{name}");
    }
}

#[test]
fn stop_ends_it() {
    for (name, means) in MEANS {
        let place = Place::new();
        let alive = place.pipe();
        let sandbox = sandbox().with(means);
        let (tell, told) = tokio::sync::oneshot::channel();
        let signs = std::thread::spawn(move || {
            alive.wait_for_a_sign();
            tell.send(()).unwrap();
            alive
        });
        let stop = async { told.await.unwrap() };
        let job = place.job(&format!("{DAEMONS} sleep 1000"));
        let ended = match block_on(sandbox.run(job, stop)) {
            Ok(ended) => ended,
            // Not available here; nobody ever opens the pipe.
            Err(SandboxFault::Failed(_)) if means.namespaces => continue,
            Err(fault) => panic!("{name}: {fault}"),
        };
        assert_eq!(ended.outcome, Outcome::Stopped, "{name}");
        signs.join().unwrap().wait_for_the_end();
    }
}

#[test]
fn dropping_the_run_ends_it() {
    for (_, means) in BOTH {
        let place = Place::new();
        if run(means, place.job("true")).is_none() {
            continue;
        }
        let alive = place.pipe();
        let sandbox = sandbox().with(means);
        let job = place.job(&format!("{DAEMONS} sleep 1000"));
        block_on(async {
            let (tell, told) = tokio::sync::oneshot::channel();
            let signs = std::thread::spawn(move || {
                alive.wait_for_a_sign();
                tell.send(alive).ok();
            });
            let alive = tokio::select! {
                ended = sandbox.run(job, std::future::pending()) => panic!("{ended:?}"),
                alive = told => alive.unwrap(),
            };
            signs.join().unwrap();
            alive.wait_for_the_end();
        });
    }
}

/// Starts a node in a process of its own, with a command that never ends.
fn start_node(place: &Place, name: &str) -> std::process::Child {
    let program = std::env::current_exe().unwrap();
    let part = format!("node {} {}", place.root.path().display(), name.replace(' ', "_"));
    Command::new("sh")
        .args(["-c", &part_command(&program)])
        .env("PART", part)
        .env("COMMAND", format!("{DAEMONS} sleep 1000"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn a_node_that_is_killed_takes_everything_with_it() {
    for (name, means) in BOTH {
        let place = Place::new();
        if run(means, place.job("true")).is_none() {
            continue;
        }
        let alive = place.pipe();
        let mut node = start_node(&place, name);
        alive.wait_for_a_sign();
        node.kill().unwrap();
        node.wait().unwrap();
        alive.wait_for_the_end();
    }
}

#[test]
fn a_sandbox_that_is_killed_takes_everything_with_it_and_is_no_success() {
    for (name, means) in BOTH {
        for depth in [1, 2] {
            let place = Place::new();
            if run(means, place.job("true")).is_none() {
                continue;
            }
            let alive = place.pipe();
            let node = start_node(&place, name);
            alive.wait_for_a_sign();
            let victim = (0..depth).fold(node.id(), |above, _| inside_below(above));
            Command::new("kill").args(["-9", &victim.to_string()]).status().unwrap();
            alive.wait_for_the_end();
            let said = node.wait_with_output().unwrap().stdout;
            let said = String::from_utf8_lossy(&said).into_owned();
            let told = said.contains("FAULT the sandbox failed") || said.contains("ENDED Stopped");
            assert!(told, "{name}, {depth}: {said}");
        }
    }
}

/// The process of the sandbox whose parent is `above`.
fn inside_below(above: u32) -> u32 {
    let children = fs::read_dir(format!("/proc/{above}/task")).unwrap().flat_map(|task| {
        let path: PathBuf = task.unwrap().path().join("children");
        let text = fs::read_to_string(path).unwrap_or_default();
        text.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<u32>>()
    });
    let inside = |pid: &u32| {
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.contains("sandbox-inside")
    };
    children.into_iter().find(inside).unwrap()
}

#[test]
fn the_program_may_be_replaced_while_it_runs() {
    let place = Place::new();
    let copy = place.root.path().join("kern");
    fs::copy(PROGRAM, &copy).unwrap();
    let probed = block_on(Sandbox::probe(&copy, place.root.path())).unwrap();
    let ended = block_on(probed.run(place.job("rm -f ../kern; exit 5"), std::future::pending()));
    assert_eq!(ended.unwrap().outcome, Outcome::Exited(5));
}
