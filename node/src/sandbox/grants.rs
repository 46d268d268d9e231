//! What a job may read and write, worked out and checked before anything is started.
//!
//! Nothing of the person's home is granted but the toolchains that `PATH` leads to, and of a cargo
//! home not the file with its tokens.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::plan::Plan;
use super::{Job, Level, Means, STDIN_MAX, SandboxFault};

/// Devices without a state: where, and whether they are written to.
pub(super) const DEVICES: &[(&str, bool)] = &[
    ("/dev/full", true),
    ("/dev/null", true),
    ("/dev/random", false),
    ("/dev/urandom", false),
    ("/dev/zero", true),
];

/// Of a /proc that shows others' processes, what tells nothing of them.
pub(super) const PROC_FILES: &[&str] = &[
    "/proc/cpuinfo",
    "/proc/filesystems",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys/kernel/osrelease",
    "/proc/sys/vm/overcommit_memory",
    "/proc/uptime",
    "/proc/version",
];

/// Programs, libraries, and the part of /etc that they read and that holds no secret.
const SYSTEM: &[&str] = &[
    "/bin",
    "/etc/alternatives",
    "/etc/bash.bashrc",
    "/etc/ca-certificates",
    "/etc/crypto-policies",
    "/etc/fonts",
    "/etc/group",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/inputrc",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/locale.alias",
    "/etc/localtime",
    "/etc/magic",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/perl",
    "/etc/pki/tls/certs",
    "/etc/profile",
    "/etc/protocols",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/terminfo",
    "/gnu/store",
    "/lib",
    "/lib32",
    "/lib64",
    "/nix/store",
    "/opt",
    "/sbin",
    "/usr",
];

/// Homes of toolchains: whole, when `PATH` leads into one.
const TOOLCHAINS: &[&str] =
    &[".asdf", ".bun", ".deno", ".nodenv", ".nvm", ".pyenv", ".rbenv", ".sdkman", ".volta"];

/// A fixed time for what is built: 1980-01-01, the first that a zip file can hold.
const SOURCE_DATE_EPOCH: &str = "315532800";

#[derive(Default)]
struct Reading {
    paths: Vec<PathBuf>,
    links: Vec<(PathBuf, PathBuf)>,
    env: BTreeMap<String, String>,
}

impl Reading {
    /// Grants `path` as it is named and where it leads to, if it is there.
    fn add(&mut self, path: &Path) {
        let Ok(real) = path.canonicalize() else { return };
        if fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink())
            && let Ok(to) = fs::read_link(path)
        {
            self.links.push((path.to_owned(), to));
        }
        self.paths.push(real);
    }

    /// Grants what stands in a folder of `PATH`, and the toolchain that it belongs to.
    fn add_bin(&mut self, bin: &Path) {
        self.paths.push(bin.to_owned());
        let home = bin.ancestors().find(|path| {
            path.file_name().and_then(OsStr::to_str).is_some_and(|name| TOOLCHAINS.contains(&name))
        });
        self.paths.extend(home.map(Path::to_owned));
        let Some(cargo) = bin.parent().filter(|_| bin.join("cargo").exists()) else { return };
        if !cargo.ends_with(".cargo") && !cargo.join("registry").exists() {
            return;
        }
        self.add(&cargo.join("registry"));
        self.add(&cargo.join("git"));
        self.set("CARGO_HOME", cargo);
        self.env.insert("CARGO_NET_OFFLINE".to_owned(), "true".to_owned());
        let beside = cargo.parent().map(|home| home.join(".rustup"));
        let rustup = env::var_os("RUSTUP_HOME").map(PathBuf::from).or(beside);
        if let Some(Ok(rustup)) = rustup.map(|path| path.canonicalize()) {
            self.set("RUSTUP_HOME", &rustup);
            self.paths.push(rustup);
        }
    }

    fn set(&mut self, name: &str, path: &Path) {
        if let Some(path) = path.to_str() {
            self.env.insert(name.to_owned(), path.to_owned());
        }
    }
}

/// What is started for `job`, or why it cannot be kept to what it may do.
pub(super) fn plan(job: &Job, means: Means) -> Result<Plan, SandboxFault> {
    check_text(job)?;
    let dir = real_folder(&job.dir)?;
    let scratch = real_folder(&job.scratch)?;
    if scratch.starts_with(&dir) || dir.starts_with(&scratch) {
        return Err(bad("the scratch folder and the work folder must not contain each other"));
    }
    let hidden = hidden(job)?;
    if [&dir, &scratch].iter().any(|path| hidden.contains(path)) {
        return Err(bad("a folder is to be written and hidden"));
    }
    let mut reading = Reading::default();
    SYSTEM.iter().for_each(|path| reading.add(Path::new(path)));
    let bins = bins();
    bins.iter().for_each(|bin| reading.add_bin(bin));
    // A toolchain is never the person's whole home, nor the tree's root.
    let home = env::home_dir().and_then(|home| home.canonicalize().ok());
    reading.paths.retain(|path| {
        path.parent().is_some() && home.as_ref().is_none_or(|home| !home.starts_with(path))
    });
    job.readable.iter().for_each(|path| reading.add(path));
    let Reading { mut paths, links, env: found } = reading;
    paths.retain(|path| !hidden.iter().any(|hidden| path.starts_with(hidden)));
    paths.sort();
    paths.dedup_by(|later, earlier| later.starts_with(&*earlier));
    if paths.iter().any(|path| path.parent().is_none() || path.starts_with("/proc")) {
        return Err(bad("neither / nor /proc is granted as a whole"));
    }
    let granted = || paths.iter().chain([&dir, &scratch]);
    let masked: Vec<PathBuf> = hidden
        .into_iter()
        .filter(|hidden| granted().any(|path| hidden.starts_with(path)))
        .collect();
    if let Some(path) = masked.first().filter(|_| !means.namespaces) {
        let path = path.display();
        let why = format!("without namespaces {path} cannot be hidden inside what is granted");
        return Err(SandboxFault::Unavailable(why));
    }
    Ok(Plan {
        means,
        command: job.command.clone(),
        git: git(&dir, means)?,
        env: environment(job, &bins, found, &scratch)?,
        dir,
        scratch,
        read: paths,
        links,
        masked,
        limits: job.limits,
        level: Level::default(),
    })
}

fn check_text(job: &Job) -> Result<(), SandboxFault> {
    if job.stdin.len() > STDIN_MAX {
        return Err(bad("the standard input is too long"));
    }
    let names = job.env.keys().all(|name| !name.is_empty() && !name.contains(['=', '\0']));
    if !names || job.env.values().any(|value| value.contains('\0')) || job.command.contains('\0') {
        return Err(bad("a NUL byte, or a name in the environment that is none"));
    }
    Ok(())
}

fn real_folder(path: &Path) -> Result<PathBuf, SandboxFault> {
    let real = path.canonicalize().ok().filter(|real| real.is_dir() && real.parent().is_some());
    real.ok_or_else(|| bad(&format!("{} is not a folder", path.display())))
}

/// Where the hidden paths really are. What is not there yet is hidden by its folder's real name.
fn hidden(job: &Job) -> Result<Vec<PathBuf>, SandboxFault> {
    let real = |path: &PathBuf| {
        let whole = path.canonicalize().ok();
        let by_folder = || Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?));
        whole.or_else(by_folder)
    };
    job.hidden
        .iter()
        .filter_map(|path| match real(path) {
            Some(real) => Some(Ok(real)),
            // Neither it nor its folder is there: nothing can be read.
            None if path.is_absolute() => None,
            None => Some(Err(bad("a hidden path is not absolute"))),
        })
        .collect()
}

/// Is there a `.git` to be kept from writes?
fn git(dir: &Path, means: Means) -> Result<bool, SandboxFault> {
    let Ok(meta) = fs::symlink_metadata(dir.join(".git")) else { return Ok(false) };
    if meta.is_symlink() {
        return Err(bad("the work folder's .git is a link"));
    }
    if meta.is_dir() && !means.namespaces {
        let why = "without namespaces a .git folder cannot be kept from writes";
        return Err(SandboxFault::Unavailable(why.to_owned()));
    }
    Ok(true)
}

/// The folders of this process's `PATH` that exist, by their real names.
fn bins() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    let mut bins: Vec<PathBuf> = Vec::new();
    for bin in env::split_paths(&path).filter(|bin| bin.is_absolute()) {
        if let Ok(bin) = bin.canonicalize()
            && !bins.contains(&bin)
        {
            bins.push(bin);
        }
    }
    bins
}

fn environment(
    job: &Job,
    bins: &[PathBuf],
    found: BTreeMap<String, String>,
    scratch: &Path,
) -> Result<BTreeMap<String, String>, SandboxFault> {
    let utf8 = |text: &OsStr| text.to_str().map(str::to_owned);
    let path = env::join_paths(bins).ok().and_then(|path| utf8(&path));
    let path = path.ok_or_else(|| bad("PATH is not UTF-8"))?;
    let home = utf8(scratch.as_os_str()).ok_or_else(|| bad("the scratch folder is not UTF-8"))?;
    let fixed = [
        ("HOME", home.as_str()),
        ("LANG", "C.UTF-8"),
        ("PATH", &path),
        ("SOURCE_DATE_EPOCH", SOURCE_DATE_EPOCH),
        ("TMPDIR", &home),
        ("TZ", "UTC"),
    ];
    let mut env = found;
    env.extend(fixed.map(|(name, value)| (name.to_owned(), value.to_owned())));
    env.extend(job.env.clone());
    Ok(env)
}

fn bad(what: &str) -> SandboxFault {
    SandboxFault::BadJob(what.to_owned())
}
