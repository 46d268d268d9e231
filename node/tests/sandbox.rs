//! Commands in the sandbox, as real processes. What they do beside shell commands is done by this
//! program itself, started again inside with a part to play.
#![cfg(target_os = "linux")]
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "all of this is a test, also what is in no function marked as one"
)]

#[path = "sandbox/escape.rs"]
mod escape;
#[path = "sandbox/life.rs"]
mod life;
#[path = "sandbox/limits.rs"]
mod limits;
#[path = "sandbox/network.rs"]
mod network;
#[path = "sandbox/place.rs"]
mod place;

use kernelos_node::sandbox::{Means, Outcome, Sandbox, SandboxFault};
use place::{MEANS, Place, run};

/// Plays the part that the environment names. In a test run of its own it has none.
#[test]
fn part_of_a_command() {
    let Ok(part) = std::env::var("PART") else { return };
    let mut words = part.split(' ');
    let name = words.next().unwrap();
    let words: Vec<&str> = words.collect();
    let done = match name {
        "connect" => network::connect(words[0], words[1]),
        "serve" => network::serve_oneself(words[0]),
        "eat" => limits::eat(words[0].parse().unwrap()),
        "dig" => limits::dig(words[0]),
        "node" => life::node(words[0], words[1]),
        other => panic!("no part {other}"),
    };
    assert!(done, "{part}: no");
}

#[test]
fn the_level_is_what_the_probe_saw_and_each_run_records_its_own() {
    let place = Place::new();
    let sandbox = place::block_on(Sandbox::probe(place::PROGRAM.as_ref(), place.root.path()));
    let sandbox = sandbox.unwrap();
    let level = sandbox.level();
    println!("{level}");
    assert!(level.writes_confined && level.network_off && level.signals_confined, "{level}");
    assert_eq!(place::run_with(&sandbox, place.job("true")).unwrap().level, level);
    assert_eq!(place.names_of(place.root.path()), ["dir", "outside", "scratch"], "a probe stays");

    for (name, means) in MEANS {
        let Some(ended) = run(means, place.job("true")) else { continue };
        let level = ended.level;
        let got = (level.user_namespace, level.mount_namespace, level.own_proc);
        assert_eq!(got, (means.user_namespace, means.namespaces, means.own_proc), "{name}");
        assert_eq!(level.landlock_abi > 0, means.landlock, "{name}: {level}");
        assert_eq!(level.syscall_filter, means.syscall_filter, "{name}");
        let again = serde_json::to_string(&level).unwrap();
        assert_eq!(serde_json::from_str::<kernelos_node::sandbox::Level>(&again).unwrap(), level);
    }
}

#[test]
fn what_is_not_enough_runs_nothing() {
    let place = Place::new();
    let table = [
        ("no landlock", Means { landlock: false, ..Means::NO_NAMESPACES }),
        ("no filter", Means { syscall_filter: false, ..Means::NO_NAMESPACES }),
    ];
    for (name, means) in table {
        let fault = place::try_run(means, place.job(": > ran")).unwrap_err();
        assert!(matches!(fault, SandboxFault::Unavailable(_)), "{name}: {fault}");
        assert_eq!(place.names_of(&place.dir), [""; 0], "{name}");
    }
}

#[test]
fn exit_codes_and_signals_are_reported() {
    let place = Place::new();
    let table = [
        ("true", Outcome::Exited(0)),
        ("exit 7", Outcome::Exited(7)),
        ("exit 255", Outcome::Exited(255)),
        ("nothing-of-that-name", Outcome::Exited(127)),
        ("kill -9 $$", Outcome::Signalled(9)),
        ("kill -TERM $$", Outcome::Signalled(15)),
        ("kill -9 0", Outcome::Signalled(9)),
    ];
    for (name, means) in MEANS {
        for (command, expected) in table {
            let Some(ended) = run(means, place.job(command)) else { continue };
            assert_eq!(ended.outcome, expected, "{name}: {command}");
        }
    }
}

#[test]
fn the_input_arrives_and_both_outputs_come_back() {
    let place = Place::new();
    let input: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let mut job = place.job("cat; head -c 300000 /dev/zero >&2; exit 3");
    job.limits.output_bytes = 64 << 20;
    job.stdin.clone_from(&input);
    let ended = place::run_here(job);
    assert_eq!((ended.outcome, ended.truncated), (Outcome::Exited(3), false));
    assert!(ended.stdout == input, "{} bytes", ended.stdout.len());
    assert_eq!(ended.stderr.len(), 300_000);
}

#[test]
fn the_environment_holds_nothing_else() {
    let place = Place::new();
    for (name, means) in MEANS {
        let mut job = place.job("env; cat /proc/1/environ /proc/$PPID/environ 2>/dev/null; true");
        job.env.insert("GIVEN".to_owned(), "yes".to_owned());
        let Some(ended) = run(means, job) else { continue };
        let text = String::from_utf8(ended.stdout).unwrap();
        let names = text.lines().map(|line| line.split('=').next().unwrap());
        let mut names: Vec<&str> = names.collect();
        // Where PATH leads into a toolchain, what says where that is; and what sh itself sets.
        names.retain(|name| {
            !["CARGO_HOME", "CARGO_NET_OFFLINE", "RUSTUP_HOME", "PWD", "OLDPWD", "SHLVL", "_"]
                .contains(name)
        });
        names.sort_unstable();
        let expected = ["GIVEN", "HOME", "LANG", "PATH", "SOURCE_DATE_EPOCH", "TMPDIR", "TZ"];
        assert_eq!(names, expected, "{name}");
    }
}

#[test]
fn a_job_that_cannot_be_kept_is_refused() {
    let place = Place::new();
    let mut inner = place.job("true");
    inner.scratch = place.dir.join("inner");
    std::fs::create_dir(&inner.scratch).unwrap();
    let mut gone = place.job("true");
    gone.dir = place.root.path().join("gone");
    let mut hidden = place.job("true");
    hidden.hidden = vec![place.dir.clone()];
    let mut all = place.job("true");
    all.readable = vec!["/".into()];
    let mut name = place.job("true");
    name.env.insert("A=B".to_owned(), String::new());
    let linked = Place::new();
    std::os::unix::fs::symlink("/usr", linked.dir.join(".git")).unwrap();
    let table = [inner, gone, hidden, all, name, linked.job("true")];
    for (number, job) in table.into_iter().enumerate() {
        let fault = place::try_run(Means::ALL, job).unwrap_err();
        assert!(matches!(fault, SandboxFault::BadJob(_)), "{number}: {fault}");
        assert_eq!(fault.code(), "sandbox_bad_job");
    }
}
