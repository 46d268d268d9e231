//! The system calls that a command is refused: those that only reach for what it gave up.
//!
//! A list of what is refused, not of what is allowed: a repository's tests may use anything that
//! is harmless. The files and the network are kept by the namespaces and Landlock; this keeps the
//! kernel's rarer doors shut, and sockets where there is no namespace.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use super::Level;
use super::plan::{Doing as _, Halt};

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Refused with EPERM.
const REFUSED: &[i64] = &[
    // Other processes, and files by another way than their name.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_open_by_handle_at,
    // Namespaces and mounts.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    // Keys of the person's session.
    libc::SYS_add_key,
    libc::SYS_keyctl,
    libc::SYS_request_key,
    // The kernel itself.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_quotactl,
];

/// Answered with ENOSYS, so that programs fall back to what can be looked at or counted: `clone3`
/// hides its flags behind a pointer, io_uring goes around this filter, and memory that no process
/// maps is in nobody's account.
const UNKNOWN: &[i64] = &[
    libc::SYS_clone3,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_memfd_create,
    libc::SYS_memfd_secret,
];

/// Refused where there is no ipc namespace: objects that outlive a command.
const IPC: &[i64] = &[libc::SYS_shmget, libc::SYS_msgget, libc::SYS_semget, libc::SYS_mq_open];

/// Calls with another number under the x32 interface (arch/x86/entry/syscalls/syscall_64.tbl):
/// ioctl, ptrace, kexec_load, process_vm_readv, process_vm_writev.
#[cfg(target_arch = "x86_64")]
const X32: &[i64] = &[514, 521, 528, 539, 540];
#[cfg(not(target_arch = "x86_64"))]
const X32: &[i64] = &[];

/// Types into a terminal (asm-generic/ioctls.h; the C libraries disagree on its type).
const TIOCSTI: u64 = 0x5412;
/// The console's clipboard, which types too.
const TIOCLINUX: u64 = 0x541C;

/// Marks a call of the x32 interface, which has the same architecture as the native one.
const X32_BIT: i64 = 0x4000_0000;

/// Installs the filter. False: it is not known for this processor.
pub(super) fn filter(level: Level) -> Result<bool, Halt> {
    let Ok(arch) = TargetArch::try_from(std::env::consts::ARCH) else { return Ok(false) };
    let rules = refused(level).doing("describe the filter")?;
    let unknown = UNKNOWN.iter().map(|call| (*call, Vec::new())).collect();
    // The last one installed is asked first; all are asked, and the strictest answer counts.
    install(unknown, errno(libc::ENOSYS), arch)?;
    install(rules, errno(libc::EPERM), arch)?;
    Ok(true)
}

fn errno(number: i32) -> SeccompAction {
    SeccompAction::Errno(number.unsigned_abs())
}

fn install(mut rules: Rules, action: SeccompAction, arch: TargetArch) -> Result<(), Halt> {
    if cfg!(target_arch = "x86_64") {
        let again: Vec<_> =
            rules.iter().map(|(call, rule)| (call | X32_BIT, rule.clone())).collect();
        rules.extend(again);
    }
    // A call of another architecture, such as 32-bit x86, kills the process.
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, action, arch);
    let program = filter.and_then(BpfProgram::try_from).doing("build the filter")?;
    seccompiler::apply_filter(&program).doing("install the filter of system calls")
}

fn refused(level: Level) -> Result<Rules, seccompiler::BackendError> {
    let mut rules: Rules = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    rules.extend(X32.iter().map(|call| (call | X32_BIT, Vec::new())));
    if !level.ipc_namespace {
        rules.extend(IPC.iter().map(|call| (*call, Vec::new())));
    }
    let typing = [TIOCSTI, TIOCLINUX].map(|code| is(1, code));
    rules.insert(libc::SYS_ioctl, typing.into_iter().collect::<Result<_, _>>()?);
    let namespaces = [
        libc::CLONE_NEWCGROUP,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWNS,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWUTS,
    ];
    let cloning = namespaces.map(|flag| {
        let flag = u64::from(flag.unsigned_abs());
        has(0, flag)
    });
    rules.insert(libc::SYS_clone, cloning.into_iter().collect::<Result<_, _>>()?);
    rules.extend(set_id()?);
    // Where the network and the names of sockets are one's own, programs may talk to themselves.
    let families: &[i32] = match (level.net_namespace, level.mount_namespace) {
        (true, true) => &[libc::AF_UNIX, libc::AF_INET, libc::AF_INET6],
        _ => &[],
    };
    let mut other = Vec::new();
    for family in families {
        other.push(condition(0, SeccompCmpOp::Ne, u64::from(family.unsigned_abs()))?);
    }
    let sockets = if other.is_empty() { Vec::new() } else { vec![SeccompRule::new(other)?] };
    rules.insert(libc::SYS_socket, sockets);
    // A pair is connected to itself; the other families may have more than that.
    let pair = condition(0, SeccompCmpOp::Ne, u64::from(libc::AF_UNIX.unsigned_abs()))?;
    rules.insert(libc::SYS_socketpair, vec![SeccompRule::new(vec![pair])?]);
    Ok(rules)
}

/// Setting the bits by which a file gives its owner's rights to whoever runs it, in the folders
/// that outlive the command. (Where `open` sets them, the first write to the file clears them.)
fn set_id() -> Built<Vec<(i64, Vec<SeccompRule>)>> {
    let calls = [(libc::SYS_fchmod, 1), (libc::SYS_fchmodat, 2), (libc::SYS_fchmodat2, 2)];
    #[cfg(target_arch = "x86_64")]
    let calls = calls.into_iter().chain([(libc::SYS_chmod, 1)]);
    let bits = [libc::S_ISUID, libc::S_ISGID];
    calls
        .into_iter()
        .map(|(call, argument)| {
            let rules = bits.iter().map(|bit| has(argument, u64::from(*bit)));
            Ok((call, rules.collect::<Built<_>>()?))
        })
        .collect()
}

type Built<T> = Result<T, seccompiler::BackendError>;

fn condition(argument: u8, op: SeccompCmpOp, value: u64) -> Built<SeccompCondition> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, op, value)
}

fn is(argument: u8, value: u64) -> Built<SeccompRule> {
    SeccompRule::new(vec![condition(argument, SeccompCmpOp::Eq, value)?])
}

fn has(argument: u8, flag: u64) -> Built<SeccompRule> {
    SeccompRule::new(vec![condition(argument, SeccompCmpOp::MaskedEq(flag), flag)?])
}
