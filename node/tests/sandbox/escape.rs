//! What a command cannot read, and cannot change.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use kernelos_node::sandbox::{Outcome, SandboxFault};

use crate::place::{MEANS, Place, part_command, run, run_here, try_run};

#[test]
fn it_writes_its_folder_and_scratch() {
    let place = Place::new();
    let command = "set -e; echo a > a; mkdir d; mv a d/b; ln -s d/b l; ln d/b h; rm l; chmod +x h;
        echo b > \"$HOME/c\"; mktemp; cp d/b \"$TMPDIR/d\"; echo x > /dev/null; 
        head -c 1 /dev/urandom; mkfifo f; : > d/b";
    for (name, means) in MEANS {
        let Some(ended) = run(means, place.job(command)) else { continue };
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.outcome, Outcome::Exited(0), "{name}: {said}");
        assert_eq!(place.names_of(&place.dir), ["d", "f", "h"], "{name}");
        assert_eq!(fs::read_to_string(place.scratch.join("c")).unwrap(), "b\n");
        Command::new("sh").arg("-c").arg("rm -r d f h").current_dir(&place.dir).status().unwrap();
    }
}

/// Attempts to change `outside/file` or to make `outside/new`; `OUT` is the folder's path.
const WRITES: &[&str] = &[
    "echo x > ../outside/file",
    "echo x > $OUT/file",
    "echo x >> $OUT/file",
    "echo x > $OUT/new",
    "mkdir $OUT/new",
    "mkfifo $OUT/new",
    "ln -s /etc/passwd $OUT/new",
    "ln -s $OUT link; echo x > link/file; echo x > link/new",
    "ln -s $OUT/file link; echo x > link",
    "ln $OUT/file link; echo x > link",
    "ln own $OUT/new",
    "mv own $OUT/new",
    "mv $OUT/file taken",
    "rm -f $OUT/file",
    "rm -rf $OUT",
    "truncate -s 0 $OUT/file",
    "mv $OUT ../new",
    "echo x > /proc/self/root$OUT/file",
    "echo x > /proc/self/root$OUT/new",
    "echo x > /proc/1/root$OUT/file",
    "echo x > /proc/$PPID/root$OUT/file",
    "echo x > /proc/self/cwd/../outside/file",
    "cd /proc/self/cwd/../outside && echo x > file",
    "mount --bind $OUT . ; echo x > file",
    "unshare -Urm sh -c \"mount --bind $OUT . ; echo x > file\"; echo x > $OUT/file",
    "mkdir r; chroot . /bin/sh; echo x > $OUT/file",
    "cp /bin/sh su; chmod u+s su && : > $OUT/new",
];

#[test]
fn nothing_outside_is_changed() {
    for (name, means) in MEANS {
        let place = Place::new();
        fs::write(place.dir.join("own"), "own").unwrap();
        for command in WRITES {
            let mut job = place.job(command);
            let out = place.outside.to_str().unwrap().to_owned();
            job.env.insert("OUT".to_owned(), out);
            // Readable, so that it is only the writing that is refused.
            job.readable.push(place.outside.clone());
            // Without the filter the bits are set; in its own folder.
            if !means.syscall_filter && command.contains("u+s") {
                continue;
            }
            let Some(_) = run(means, job) else { continue };
            assert_eq!(place.names_of(&place.outside), ["file", "key"], "{name}: {command}");
            let now = fs::read_to_string(place.outside.join("file")).unwrap();
            assert_eq!(now, "kept", "{name}: {command}");
        }
        let writes =
            run(means, place.job("echo x > /etc/new || echo x > /usr/new || echo x > /new"));
        assert!(writes.is_none_or(|ended| ended.outcome != Outcome::Exited(0)), "{name}");
    }
}

#[test]
fn modes_outside_stay_where_the_level_says_so() {
    for (name, means) in MEANS {
        let place = Place::new();
        let mut job = place.job("chmod 777 ../outside/key; touch -d 1999-01-01 ../outside/key");
        job.readable.push(place.outside.clone());
        let Some(ended) = run(means, job) else { continue };
        let mode = fs::metadata(place.outside.join("key")).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode != 0o777, ended.level.metadata_confined, "{name}");
    }
}

const READS: &[&str] = &[
    "cat ../outside/key",
    "cat $OUT/key",
    "ln -s $OUT/key link; cat link",
    "ln $OUT/key hard; cat hard",
    "cp $OUT/key copy; cat copy",
    "mv $OUT/key moved; cat moved",
    "cat /proc/self/root$OUT/key",
    "cat /proc/1/root$OUT/key",
    "cat /proc/$PPID/root$OUT/key",
    "cat /proc/1/cwd/outside/key",
    "cat /proc/*/environ | tr '\\0' '\\n'",
    "ls $OUT",
    "cat < $OUT/key",
];

#[test]
fn a_hidden_key_is_not_read() {
    for (name, means) in MEANS {
        let place = Place::new();
        for command in READS {
            let mut job = place.job(command);
            job.env.insert("OUT".to_owned(), place.outside.to_str().unwrap().to_owned());
            // The home that holds the keys holds the folders of the job too.
            job.hidden = vec![place.root.path().to_owned()];
            let Some(ended) = run(means, job) else { continue };
            let text = String::from_utf8_lossy(&ended.stdout).into_owned();
            assert!(!text.contains("secret") && !text.contains("key"), "{name}: {command}: {text}");
            assert_eq!(fs::read_to_string(place.outside.join("key")).unwrap(), "secret", "{name}");
        }
    }
}

#[test]
fn what_is_hidden_inside_of_what_is_granted_is_masked_or_the_job_refused() {
    for (name, means) in MEANS {
        for inner in ["key", ""] {
            let place = Place::new();
            let mut job = place.job("cat ../outside/inner/key; cat ../outside/file");
            let folder = place.outside.join("inner");
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("key"), "secret").unwrap();
            job.readable.push(place.outside.clone());
            job.hidden.push(folder.join(inner));
            if !means.namespaces {
                let fault = try_run(means, job).unwrap_err();
                assert!(matches!(fault, SandboxFault::Unavailable(_)), "{name}: {fault}");
                continue;
            }
            let Some(ended) = run(means, job) else { continue };
            assert_eq!(String::from_utf8_lossy(&ended.stdout), "kept", "{name}");
        }
    }
}

#[test]
fn nothing_of_the_home_is_granted_but_toolchains() {
    let home = std::env::home_dir().filter(|home| home.is_dir() && home != Path::new("/"));
    let Some(home) = home else { return };
    let place = Place::new();
    let mut job = place.job("ls -A \"$OUT\" 2>/dev/null");
    job.env.insert("OUT".to_owned(), home.to_str().unwrap().to_owned());
    let ended = run_here(job);
    let seen = String::from_utf8(ended.stdout).unwrap();
    let known = [".cargo", ".rustup", ".pyenv", ".nvm", ".local", "bin", "go"];
    assert!(seen.lines().all(|name| known.contains(&name)), "{seen}");
    let tokens = run_here(place.job("ls -A \"$CARGO_HOME\" 2>/dev/null"));
    let seen = String::from_utf8(tokens.stdout).unwrap();
    assert!(seen.lines().all(|name| ["bin", "registry", "git"].contains(&name)), "{seen}");
}

const GIT: &[&str] = &[
    "echo x > .git",
    "rm -rf .git",
    "mv .git other",
    "rm -rf .git; mkdir .git; echo x > .git/config",
    "echo x > .git/config; echo x > .git/hooks",
    "echo y > own; mv -f own .git",
    "rm -rf .git; ln -s /usr .git",
    "chmod 777 .git",
];

#[test]
fn the_git_file_cannot_be_changed() {
    for (name, means) in MEANS {
        for (command, folder) in GIT.iter().flat_map(|one| [(one, false), (one, true)]) {
            let place = Place::new();
            let git = place.dir.join(".git");
            let file = if folder { git.join("config") } else { git.clone() };
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, "gitdir: elsewhere").unwrap();
            let before = fs::metadata(&git).unwrap().permissions().mode();
            if folder && !means.namespaces {
                let fault = try_run(means, place.job(command)).unwrap_err();
                assert!(matches!(fault, SandboxFault::Unavailable(_)), "{name}: {fault}");
                continue;
            }
            let Some(ended) = run(means, place.job(command)) else { continue };
            assert_eq!(
                fs::read_to_string(&file).unwrap(),
                "gitdir: elsewhere",
                "{name}: {command}"
            );
            if means.namespaces {
                let after = fs::metadata(&git).unwrap().permissions().mode();
                assert_eq!((ended.git_restored, after), (false, before), "{name}: {command}");
            }
        }
    }
}

#[test]
fn no_open_file_of_the_node_leaks_in() {
    let place = Place::new();
    for (name, means) in MEANS {
        if run(means, place.job("true")).is_none() {
            continue;
        }
        // The node's own parent left it a file open, which children inherit.
        let program = std::env::current_exe().unwrap();
        let leak = format!("exec 7<'{}/key'; {}", place.outside.display(), part_command(&program));
        let command = "cat <&7; ls /proc/self/fd";
        let said = Command::new("sh")
            .args(["-c", &leak])
            .env("PART", format!("node {} {}", place.root.path().display(), name.replace(' ', "_")))
            .env("COMMAND", command)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        assert!(said.contains("ENDED") && !said.contains("secret"), "{name}: {said}");
        if means.own_proc {
            assert!(said.contains("\n0\n1\n2\n3\nENDED"), "{name}: {said}");
        }
    }
}
