//! Commands that take too much of something.

use std::fs;
use std::hint::black_box;
use std::time::Duration;

use kernelos_node::sandbox::{Means, Outcome};

use crate::place::{MEANS, Place, run, run_here};

/// Both ways of ending what was left: the kernel's, and a loop.
const BOTH: [(&str, Means); 2] = [("all", Means::ALL), ("no namespaces", Means::NO_NAMESPACES)];

/// Holds so many megabytes until it is killed.
pub(crate) fn eat(megabytes: usize) -> bool {
    let mut eaten = vec![1_u8; megabytes << 20];
    black_box(&mut eaten);
    std::thread::sleep(Duration::from_secs(60));
    black_box(&eaten).is_empty()
}

/// Makes folders in each other, deeper than a path can name, and a file at the bottom.
pub(crate) fn dig(folder: &str) -> bool {
    std::env::set_current_dir(folder).unwrap();
    let name = "d".repeat(200);
    for _ in 0..30 {
        fs::create_dir(&name).unwrap();
        std::env::set_current_dir(&name).unwrap();
    }
    fs::write("bottom", vec![0; 1_000_000]).unwrap();
    std::thread::sleep(Duration::from_secs(60));
    false
}

#[test]
fn a_gigabyte_of_output_is_cut_and_ends_the_command() {
    for (name, means) in MEANS {
        for command in ["head -c 1073741824 /dev/zero", "yes >&2", "yes & yes >&2"] {
            let place = Place::new();
            let mut job = place.job(command);
            job.limits.output_bytes = 100_000;
            let Some(ended) = run(means, job) else { continue };
            let kept = ended.stdout.len() + ended.stderr.len();
            let got = (ended.outcome, ended.truncated, kept);
            assert_eq!(got, (Outcome::TooMuchOutput, true, 100_000), "{name}: {command}");
        }
    }
}

#[test]
fn output_of_exactly_the_limit_is_whole() {
    let place = Place::new();
    let mut job = place.job("head -c 50000 /dev/zero; head -c 50000 /dev/zero >&2");
    job.limits.output_bytes = 100_000;
    let ended = run_here(job);
    assert_eq!((ended.outcome, ended.truncated), (Outcome::Exited(0), false));
}

#[test]
fn a_command_that_never_ends_is_ended() {
    let stubborn = "trap '' TERM INT HUP; while :; do :; done";
    for (name, means) in BOTH {
        for command in ["sleep 1000", stubborn, "kill -STOP $$", "exec >&- 2>&-; sleep 1000"] {
            let place = Place::new();
            let mut job = place.job(command);
            job.limits.wall = Duration::from_millis(300);
            let Some(ended) = run(means, job) else { continue };
            assert_eq!(ended.outcome, Outcome::TimedOut, "{name}: {command}");
            assert!((300..5000).contains(&ended.ms), "{name}: {command}: {} ms", ended.ms);
        }
    }
}

#[test]
fn processor_time_is_limited() {
    let place = Place::new();
    let mut job = place.job("while :; do :; done");
    job.limits.cpu = Duration::from_secs(1);
    let ended = run_here(job);
    // SIGKILL at the hard limit, which is the same as the soft one.
    assert_eq!(ended.outcome, Outcome::Signalled(9));
}

/// Bombs that are bounded by themselves, for the case that the sandbox fails: 2047 and 255 at most.
const BOMBS: [&str; 2] = [
    "f() { [ $1 = 0 ] || { f $(($1-1)) & f $(($1-1)) & }; sleep 30; }; f 10 2>/dev/null",
    "printf '[ $1 = 0 ] || { setsid sh b $(($1-1)) & setsid sh b $(($1-1)) & }; sleep 30' > b
        sh b 7 2>/dev/null",
];

#[test]
fn a_fork_bomb_is_bounded_and_dies() {
    for (name, means) in BOTH {
        for bomb in BOMBS {
            let place = Place::new();
            let alive = place.pipe();
            let mut job = place.job(&format!("exec 3>alive; echo >&3; {bomb}; sleep 30"));
            job.limits.processes = 50;
            job.limits.wall = Duration::from_secs(2);
            let Some(ended) = run(means, job) else { continue };
            // Seen by the watcher; or kept small by the kernel, until the time is over or the
            // shell gives up.
            let small = matches!(ended.outcome, Outcome::TimedOut | Outcome::Exited(1..));
            let seen = ended.outcome == Outcome::TooManyProcesses;
            assert!(seen || small, "{name}: {:?}", ended.outcome);
            alive.wait_for_a_sign();
            alive.wait_for_the_end();
        }
    }
}

#[test]
fn a_memory_bomb_is_bounded() {
    for (name, means) in BOTH {
        let place = Place::new();
        let mut alone = place.part("eat 600");
        alone.limits.memory_bytes = 200 << 20;
        let Some(ended) = run(means, alone) else { continue };
        let refused = matches!(ended.outcome, Outcome::Exited(1..) | Outcome::Signalled(_));
        assert!(refused || ended.outcome == Outcome::TooMuchMemory, "{name}: {:?}", ended.outcome);

        let mut many = place.part("eat 60");
        let one = many.command.replace("exec ", "");
        many.command = format!("{one} & {one} & {one} & {one} & wait");
        many.limits.memory_bytes = 200 << 20;
        let ended = run(means, many).unwrap();
        assert_eq!(ended.outcome, Outcome::TooMuchMemory, "{name}");
    }
}

#[test]
fn a_huge_file_is_bounded() {
    for (name, means) in BOTH {
        let place = Place::new();
        let mut huge = place.job("head -c 10000000 /dev/zero > huge");
        huge.limits.file_bytes = 1_000_000;
        let Some(ended) = run(means, huge) else { continue };
        assert_ne!(ended.outcome, Outcome::Exited(0), "{name}");
        assert_eq!(fs::metadata(place.dir.join("huge")).unwrap().len(), 1_000_000, "{name}");
    }
}

#[test]
fn many_files_are_bounded() {
    for (name, means) in BOTH {
        let place = Place::new();
        let large = "i=0; while :; do head -c 100000 /dev/zero > $i; i=$((i+1)); done";
        let empty = "cd \"$HOME\"; i=0; while :; do : > $i; i=$((i+1)); done";
        for command in [large, empty] {
            let mut many = place.job(command);
            many.limits.disk_bytes = 2_000_000;
            let Some(ended) = run(means, many) else { continue };
            assert_eq!(ended.outcome, Outcome::TooMuchDisk, "{name}: {command}");
        }
    }
}

#[test]
fn what_cannot_be_measured_is_too_much() {
    for (name, means) in BOTH {
        let place = Place::new();
        let deep = place.part(&format!("dig {}", place.dir.display()));
        let Some(ended) = run(means, deep) else { continue };
        assert_eq!(ended.outcome, Outcome::TooMuchDisk, "{name}");
        // It still is when it was there before.
        let again = run(means, place.job("sleep 9")).unwrap();
        assert_eq!(again.outcome, Outcome::TooMuchDisk, "{name}");
    }
}

#[test]
fn what_was_there_before_is_not_counted() {
    let place = Place::new();
    fs::write(place.dir.join("big"), vec![1; 5_000_000]).unwrap();
    let mut job = place.job("sleep 1.2; echo a > a");
    job.limits.disk_bytes = 1_000_000;
    let ended = run_here(job);
    assert_eq!(ended.outcome, Outcome::Exited(0));
}
