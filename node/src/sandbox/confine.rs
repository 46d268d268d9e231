//! What the command's process gives up before it becomes the command. Nothing here can be undone.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, LandlockStatus,
    PathBeneath, PathFd, RestrictionStatus, Ruleset, RulesetAttr as _, RulesetCreated,
    RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
};
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::process::{DumpableBehavior, Resource, Rlimit};
use rustix::thread::{CapabilitiesSecureBits, CapabilitySet, CapabilitySets};

use super::grants::{DEVICES, PROC_FILES};
use super::plan::{Doing as _, Halt, Plan};
use super::{Level, Limits, syscalls};

/// Gives everything up, and says what that came to; or why it is not enough to go on.
pub(super) fn give_up(plan: &Plan) -> Result<Level, Halt> {
    let mut level = plan.level;
    limit(&plan.limits).doing("limit resources")?;
    if level.mount_namespace {
        drop_capabilities().doing("drop capabilities")?;
    } else if rustix::process::geteuid().is_root() {
        drop_capabilities().doing("drop root's capabilities")?;
    }
    rustix::thread::set_no_new_privs(true).doing("no new privileges")?;
    if plan.means.landlock {
        level.landlock_abi = restrict_files(plan).doing("landlock")?;
    }
    level.signals_confined = level.pid_namespace || level.landlock_abi >= 6;
    level.syscall_filter = plan.means.syscall_filter && syscalls::filter(level)?;
    // Before its third version Landlock let every file be cut to nothing.
    level.writes_confined = level.mount_namespace || level.landlock_abi >= 3;
    level.metadata_confined = level.mount_namespace;
    level.network_off = level.net_namespace || level.syscall_filter;
    if !level.writes_confined {
        return Err(Halt::Unavailable(
            "neither namespaces nor Landlock (abi 3 or later)".to_owned(),
        ));
    }
    if !level.network_off {
        return Err(Halt::Unavailable("no namespaces and no filter of system calls".to_owned()));
    }
    if !level.signals_confined {
        let missing = "neither a pid namespace nor Landlock (abi 6 or later)";
        return Err(Halt::Unavailable(missing.to_owned()));
    }
    Ok(level)
}

fn limit(limits: &Limits) -> io::Result<()> {
    let all = [
        (Resource::Core, 0),
        (Resource::Cpu, limits.cpu.as_secs().max(1)),
        (Resource::Data, limits.memory_bytes),
        (Resource::Fsize, limits.file_bytes),
        (Resource::Memlock, 8 << 20),
        (Resource::Msgqueue, 0),
        (Resource::Nofile, 4096),
        (Resource::Nproc, limits.processes),
        (Resource::Rtprio, 0),
    ];
    for (resource, wanted) in all {
        let most = rustix::process::getrlimit(resource).maximum;
        let value = Some(most.map_or(wanted, |most| most.min(wanted)));
        rustix::process::setrlimit(resource, Rlimit { current: value, maximum: value })?;
    }
    Ok(())
}

fn drop_capabilities() -> io::Result<()> {
    rustix::thread::clear_ambient_capability_set()?;
    let root_is_nobody = CapabilitiesSecureBits::NO_ROOT
        | CapabilitiesSecureBits::NO_ROOT_LOCKED
        | CapabilitiesSecureBits::NO_SETUID_FIXUP
        | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED;
    if rustix::thread::capabilities(None)?.effective.contains(CapabilitySet::SETPCAP) {
        rustix::thread::set_capabilities_secure_bits(root_is_nobody)?;
        for number in 0..64 {
            let one = CapabilitySet::from_bits_retain(1 << number);
            // Beyond the last one that the kernel knows.
            if rustix::thread::remove_capability_from_bounding_set(one).is_err() {
                break;
            }
        }
    }
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    Ok(rustix::thread::set_capabilities(None, sets)?)
}

/// The latest version whose rights are named here: later ones are then all the same to us.
const ABI_KNOWN: ABI = ABI::V9;

fn restrict_files(plan: &Plan) -> Result<u8, RulesetError> {
    let everything = AccessFs::from_all(ABI_KNOWN);
    let read = AccessFs::from_read(ABI_KNOWN);
    let devices = AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev;
    let write = everything & !devices;
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(everything)?
        .scope(Scope::from_all(ABI_KNOWN))?;
    if !plan.level.net_namespace {
        ruleset = ruleset.handle_access(AccessNet::from_all(ABI_KNOWN))?;
    }
    let mut rules = ruleset.create()?;
    for path in &plan.read {
        rules = allow(rules, path, read)?;
    }
    if plan.level.mount_namespace {
        // All that is there was granted, so its names may be listed.
        rules = allow(rules, Path::new("/"), AccessFs::ReadDir.into())?;
    }
    for path in [&plan.dir, &plan.scratch] {
        rules = allow(rules, path, write)?;
    }
    for (path, writable) in DEVICES {
        let device = if *writable {
            AccessFs::WriteFile | AccessFs::ReadFile
        } else {
            AccessFs::ReadFile.into()
        };
        rules = allow(rules, Path::new(path), device)?;
    }
    if plan.level.own_proc {
        rules = allow(rules, Path::new("/proc"), read)?;
    } else {
        for path in PROC_FILES {
            rules = allow(rules, Path::new(path), AccessFs::ReadFile.into())?;
        }
    }
    Ok(version(&rules.restrict_self()?))
}

/// What is not there needs no rule.
fn allow(
    rules: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    let Ok(fd) = PathFd::new(path) else { return Ok(rules) };
    // A right to a folder's entries means nothing for a file, and the kernel refuses such a rule.
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(ABI_KNOWN) };
    rules.add_rule(PathBeneath::new(fd, access))
}

fn version(status: &RestrictionStatus) -> u8 {
    match (&status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, _) => 0,
        (_, LandlockStatus::Available { effective_abi, .. }) => {
            u8::try_from(effective_abi as i32).unwrap_or(0)
        }
        _ => 0,
    }
}

/// The bytes as a file that nobody can change, for a standard input that never blocks.
pub(super) fn sealed(bytes: &[u8]) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(rustix::fs::memfd_create("stdin", flags)?);
    file.write_all(bytes)?;
    io::Seek::rewind(&mut file)?;
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&file, seals)?;
    Ok(file.into())
}

/// Keeps others of the same user from tracing this process and from its files in /proc.
pub(super) fn be_opaque() -> io::Result<()> {
    Ok(rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// Switches on the loopback interface of this network namespace: tests that start a server of
/// their own then work, and nothing else is reachable.
pub(super) fn raise_loopback() -> io::Result<()> {
    // Protocol 0 is NETLINK_ROUTE.
    // struct nlmsghdr: length 32, RTM_NEWLINK, request and acknowledge, sequence 1, port 0; then
    // struct ifinfomsg: family and type 0, index 1, flags and mask IFF_UP. See rtnetlink(7).
    let fields: [(u32, usize); 9] =
        [(32, 4), (16, 2), (5, 2), (1, 4), (0, 4), (0, 4), (1, 4), (1, 4), (1, 4)];
    let mut message = Vec::with_capacity(32);
    for (value, size) in fields {
        let bytes = value.to_ne_bytes();
        let from = if cfg!(target_endian = "big") { 4 - size } else { 0 };
        message.extend(bytes.iter().skip(from).take(size));
    }
    let kind = SocketType::RAW;
    let socket =
        rustix::net::socket_with(AddressFamily::NETLINK, kind, SocketFlags::CLOEXEC, None)?;
    rustix::net::send(&socket, &message, SendFlags::empty())?;
    let mut answer = [0; 64];
    let (length, _) = rustix::net::recv(&socket, &mut answer[..], RecvFlags::empty())?;
    // struct nlmsgerr after the header: an error number, 0 for done.
    match answer.get(16..20) {
        Some([0, 0, 0, 0]) if length >= 20 => Ok(()),
        _ => Err(io::Error::other("the loopback interface stays down")),
    }
}
