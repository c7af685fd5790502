//! The system calls that the programs may use. All others fail with ENOSYS, so that libraries fall back to older ones.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};

use crate::request::Profile;
use crate::said;

/// Confines this process and whatever it executes. Needs `no_new_privs`.
pub fn confine(profile: Profile) -> Result<(), String> {
    let filter = match profile {
        Profile::Vmm => filter(&[VMM, COMMON], PRCTL),
        Profile::Files => filter(&[FILES, COMMON], &[PRCTL, PRCTL_FILES].concat()),
    };
    let program = filter.map_err(said("cannot build the seccomp filter"))?;
    seccompiler::apply_filter(&program).map_err(said("cannot install the seccomp filter"))
}

fn filter(lists: &[&[libc::c_long]], prctl: &[i32]) -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        lists.iter().flat_map(|list| list.iter()).map(|number| (*number, Vec::new())).collect();
    // Threads, but no namespaces. A filter cannot see the flags of clone3, so that is not allowed.
    let none = SeccompCmpOp::MaskedEq(NEW_NAMESPACES as u64);
    let no_namespaces = SeccompRule::new(vec![SeccompCondition::new(0, SeccompCmpArgLen::Qword, none, 0)?])?;
    rules.insert(libc::SYS_clone, vec![no_namespaces]);
    rules.insert(libc::SYS_prctl, equal(0, prctl)?);
    // Only unix sockets: other connections are made for the program.
    rules.insert(libc::SYS_socket, equal(0, &[libc::AF_UNIX])?);
    rules.insert(libc::SYS_socketpair, equal(0, &[libc::AF_UNIX])?);
    SeccompFilter::new(rules, SeccompAction::Errno(libc::ENOSYS as u32), SeccompAction::Allow, ARCH)?.try_into()
}

/// One rule per value that an argument may have.
fn equal(argument: u8, values: &[i32]) -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    let rule = |value: &i32| {
        let is = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, *value as u32 as u64)?;
        SeccompRule::new(vec![is])
    };
    values.iter().map(rule).collect()
}

const ARCH: TargetArch = if cfg!(target_arch = "aarch64") { TargetArch::aarch64 } else { TargetArch::x86_64 };

const NEW_NAMESPACES: libc::c_int = libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET;

/// Thread names, QEMU's own filter, what libcap-ng queries when it is loaded, and KVM's handling of memory errors.
const PRCTL: &[i32] = &[
    libc::PR_SET_NAME,
    libc::PR_GET_NAME,
    libc::PR_SET_NO_NEW_PRIVS,
    libc::PR_GET_NO_NEW_PRIVS,
    libc::PR_SET_SECCOMP,
    libc::PR_GET_SECCOMP,
    libc::PR_CAPBSET_READ,
    libc::PR_SET_TIMERSLACK,
    libc::PR_MCE_KILL,
    libc::PR_SET_VMA,
    libc::PR_GET_DUMPABLE,
    libc::PR_SET_DUMPABLE,
];

/// How the files daemon drops capabilities.
const PRCTL_FILES: &[i32] = &[libc::PR_CAPBSET_DROP, libc::PR_CAP_AMBIENT, libc::PR_GET_SECUREBITS];

/// What only the VMM needs. QEMU 7.2 and 10 were observed using these and the common ones with our devices; some are
/// from their sources, for the same on KVM. Executing other programs is left to QEMU's own filter (`spawn=deny`).
/// There is no mount, module, ptrace, bpf, keyring, io_uring, perf, userfaultfd, process_vm or file handle call,
/// among others.
const VMM: &[libc::c_long] = &[
    libc::SYS_mbind,
    libc::SYS_memfd_create,
    libc::SYS_mlock,
    libc::SYS_munlock,
    libc::SYS_signalfd4,
    libc::SYS_timer_create,
    libc::SYS_timer_settime,
    libc::SYS_timer_gettime,
    libc::SYS_timer_getoverrun,
    libc::SYS_timer_delete,
];

/// What only the files daemon needs: to modify files as other users, and to enter its share. No `open_by_handle_at`,
/// which reaches all of a file system, also what is not shared.
const FILES: &[libc::c_long] = &[
    libc::SYS_accept4,
    libc::SYS_capset,
    libc::SYS_chdir,
    libc::SYS_chroot,
    libc::SYS_fchdir,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchownat,
    libc::SYS_linkat,
    libc::SYS_mkdirat,
    libc::SYS_mknodat,
    libc::SYS_renameat2,
    libc::SYS_symlinkat,
    libc::SYS_unlinkat,
    libc::SYS_utimensat,
    libc::SYS_getxattr,
    libc::SYS_fgetxattr,
    libc::SYS_setxattr,
    libc::SYS_fsetxattr,
    libc::SYS_listxattr,
    libc::SYS_flistxattr,
    libc::SYS_removexattr,
    libc::SYS_fremovexattr,
    libc::SYS_setgroups,
    libc::SYS_setresgid,
    libc::SYS_setresuid,
    libc::SYS_syncfs,
    libc::SYS_openat2,
];

/// What both need.
const COMMON: &[libc::c_long] = &[
    // Files and descriptors.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_preadv,
    libc::SYS_pwritev,
    libc::SYS_preadv2,
    libc::SYS_pwritev2,
    libc::SYS_openat,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    libc::SYS_fcntl,
    libc::SYS_ioctl,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_pipe2,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_fadvise64,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_sync_file_range,
    libc::SYS_copy_file_range,
    libc::SYS_flock,
    libc::SYS_umask,
    // Memory.
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_mincore,
    libc::SYS_msync,
    libc::SYS_membarrier,
    libc::SYS_get_mempolicy,
    // Threads and time.
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_rseq,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_getcpu,
    libc::SYS_getrusage,
    libc::SYS_getpriority,
    libc::SYS_prlimit64,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    libc::SYS_timerfd_gettime,
    // Signals and waiting.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_rt_sigsuspend,
    libc::SYS_sigaltstack,
    libc::SYS_tgkill,
    libc::SYS_eventfd2,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Existing sockets.
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
    // Its identity, and executing the program.
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getresuid,
    libc::SYS_getresgid,
    libc::SYS_getgroups,
    libc::SYS_capget,
    libc::SYS_seccomp,
    libc::SYS_getrandom,
    libc::SYS_execve,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_dup2,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_pipe,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_select,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_arch_prctl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_getrlimit,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_time,
];

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::{ForkResult, fork};

    /// The errno of a system call under a profile, with zeros for its other arguments; 0 on success.
    fn errno_of_first(profile: Profile, number: libc::c_long, first: libc::c_long) -> i32 {
        // SAFETY: the child only makes system calls, and exits without running destructors.
        unsafe {
            match fork().unwrap() {
                ForkResult::Child => {
                    libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
                    let confined = confine(profile).is_ok();
                    let result = libc::syscall(number, first, 0, 0, 0, 0, 0);
                    let error = if result < 0 { *libc::__errno_location() } else { 0 };
                    libc::_exit(if confined { error } else { 255 })
                }
                ForkResult::Parent { child } => match waitpid(child, None).unwrap() {
                    WaitStatus::Exited(_, code) => code,
                    other => panic!("{other:?}"),
                },
            }
        }
    }

    fn errno(profile: Profile, number: libc::c_long) -> i32 {
        errno_of_first(profile, number, 0)
    }

    #[test]
    fn calls_that_could_reach_the_host_are_refused() {
        let refused = [
            libc::SYS_ptrace,
            libc::SYS_finit_module,
            libc::SYS_init_module,
            libc::SYS_bpf,
            libc::SYS_open_by_handle_at,
            libc::SYS_fsopen,
            libc::SYS_open_tree,
            libc::SYS_move_mount,
            libc::SYS_mount,
            libc::SYS_umount2,
            libc::SYS_pivot_root,
            libc::SYS_setns,
            libc::SYS_unshare,
            libc::SYS_process_vm_readv,
            libc::SYS_process_vm_writev,
            libc::SYS_kexec_load,
            libc::SYS_perf_event_open,
            libc::SYS_userfaultfd,
            libc::SYS_io_uring_setup,
            libc::SYS_add_key,
            libc::SYS_keyctl,
            libc::SYS_clone3,
            libc::SYS_kill,
            libc::SYS_pidfd_getfd,
        ];
        for profile in [Profile::Vmm, Profile::Files] {
            for number in refused {
                assert_eq!(errno(profile, number), libc::ENOSYS, "system call {number}");
            }
            assert_eq!(errno(profile, libc::SYS_getpid), 0);
        }
        for number in [libc::SYS_chroot, libc::SYS_setresuid, libc::SYS_mknodat, libc::SYS_setxattr] {
            assert_eq!(errno(Profile::Vmm, number), libc::ENOSYS, "system call {number}");
        }
    }

    #[test]
    fn arguments_are_checked_where_they_matter() {
        let namespaces = libc::c_long::from(libc::CLONE_NEWUSER);
        assert_eq!(errno_of_first(Profile::Files, libc::SYS_clone, namespaces), libc::ENOSYS);
        assert_eq!(errno_of_first(Profile::Vmm, libc::SYS_clone, namespaces), libc::ENOSYS);
        assert_eq!(errno_of_first(Profile::Vmm, libc::SYS_socket, libc::AF_INET.into()), libc::ENOSYS);
        assert_eq!(errno_of_first(Profile::Vmm, libc::SYS_prctl, libc::PR_SET_MM.into()), libc::ENOSYS);
    }
}
