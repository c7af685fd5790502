//! Attacks by a guest while the host mounts, unmounts and removes where the guest can write: races with a thread that
//! exchanges folders and links, planted links, and mounts at the wrong moment.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::perform;
use crate::request::Step;
use crate::stand::{Stand, plant};
use bulkhead_kernel as kernel;

const ROUNDS: usize = 500;

/// Mounts on `volumes/1/a/b/c` while one component of it is a link to the host's folders half of the time.
fn race_a_target(exchanged: &str) {
    let stand = Stand::new();
    let source = stand.volume.join("source");
    fs::create_dir(&source).unwrap();
    fs::create_dir_all(stand.volume.join("a/b/c")).unwrap();
    let link = stand.volume.join("link");
    // The rest of the path exists there as well, so that following the link would lead to an existing folder.
    plant(&link, &stand.host);
    let canary = stand.canary();
    let (mut mounted, mut refused) = (0, 0);
    for round in 0..ROUNDS {
        stand.while_exchanging(&stand.volume.join(exchanged), &link, || {
            match stand.bind(&source, "volumes/1/a/b/c") {
                Ok(()) => mounted += 1,
                Err(_) => refused += 1,
            }
            // Removal must not follow the link either.
            let _ = stand.remove("volumes/1/a/b/c");
        });
        assert_eq!(stand.canary(), canary, "round {round}: the host is as it was");
        stand.remove("volumes/1").unwrap();
        assert_eq!(stand.mounts_at(&stand.root).len(), 1, "what the guest has moved is unmounted with its volume");
        stand.bind(&stand.volume, "volumes/1").unwrap();
    }
    assert!(mounted > 0 && refused > 0, "both happened: mounted {mounted}, refused {refused} times");
    perform(&stand.root, &Step::UnmountAll).unwrap();
    assert!(stand.mounts_at(&stand.root).is_empty());
    assert_eq!(stand.canary(), canary);
}

#[test]
fn a_race_at_the_first_part_of_a_target() {
    race_a_target("a");
}

#[test]
fn a_race_at_a_part_in_the_middle() {
    race_a_target("a/b");
}

#[test]
fn a_race_at_the_target_itself() {
    race_a_target("a/b/c");
}

/// Even if the guest could write to the root, removal would not follow links.
#[test]
fn a_race_at_the_folder_of_volumes_while_targets_are_removed() {
    let stand = Stand::new();
    fs::create_dir_all(stand.host.join("volumes/2")).unwrap();
    fs::create_dir_all(stand.root.join("decoy/2")).unwrap();
    let link = stand.root.join("link");
    plant(&link, &stand.host.join("volumes"));
    stand.remove("volumes/1").unwrap();
    let canary = stand.canary();
    for round in 0..ROUNDS {
        stand.while_exchanging(&stand.root.join("volumes"), &link, || {
            let _ = stand.bind(&stand.volume, "volumes/2");
            let _ = stand.remove("volumes/2");
            let _ = stand.remove("volumes");
        });
        assert_eq!(stand.canary(), canary, "round {round}: the host is as it was");
        let _ = fs::create_dir(stand.root.join("volumes"));
    }
    perform(&stand.root, &Step::UnmountAll).unwrap();
    assert!(stand.mounts_at(&stand.root).is_empty());
}

#[test]
fn links_at_the_top_are_refused_by_every_step() {
    let stand = Stand::new();
    let canary = stand.canary();
    plant(&stand.root.join("c"), &stand.host);
    plant(&stand.root.join("volumes/2"), &stand.host.join("etc"));
    for target in ["c", "c/etc", "c/etc/x", "volumes/2", "volumes/2/x"] {
        assert!(stand.bind(&stand.volume, target).is_err(), "{target}");
        assert!(stand.remove(target).is_err(), "{target}");
    }
    let sandbox = stand.root.parent().unwrap().join("sandbox");
    fs::create_dir(&sandbox).unwrap();
    plant(&sandbox.join("mounts"), &stand.host);
    assert!(perform(&sandbox.join("mounts"), &Step::UnmountAll).is_ok(), "a link is not a mount");
    assert!(perform(&sandbox.join("mounts"), &Step::Share).is_err());
    perform(&sandbox, &Step::Clear).unwrap();
    assert!(!sandbox.exists(), "the link is gone, not what it leads to");
    assert_eq!(stand.canary(), canary);
}

/// Something with files that must not be deleted is mounted on a folder while that is being removed.
#[test]
fn a_mount_that_lands_while_its_target_is_removed_is_not_deleted_into() {
    let stand = Stand::new();
    let canary = stand.canary();
    let target = stand.root.join("c/rootfs");
    let stop = AtomicBool::new(false);
    let (landed, kept) = thread::scope(|scope| {
        let mounting = scope.spawn(|| {
            let mut landed = 0;
            while !stop.load(Ordering::Relaxed) {
                let _ = fs::create_dir_all(&target);
                landed += usize::from(stand.bind(&stand.host, "c/rootfs").is_ok());
                thread::sleep(Duration::from_micros(100));
            }
            landed
        });
        let mut kept = 0;
        for _ in 0..ROUNDS {
            kept += usize::from(stand.remove("c/rootfs").is_err());
            let _ = stand.remove("c");
        }
        stop.store(true, Ordering::Relaxed);
        (mounting.join().unwrap(), kept)
    });
    assert!(landed > 0, "mounts landed");
    assert!(kept < ROUNDS, "and were removed");
    assert_eq!(stand.canary(), canary);
}

#[test]
fn a_target_that_the_guest_moves_takes_its_mount_along_and_loses_it_with_the_volume() {
    let stand = Stand::new();
    fs::create_dir_all(stand.volume.join("a/b")).unwrap();
    stand.bind(&stand.host, "volumes/1/a/b").unwrap();
    // As a guest would, through the exported folder.
    let exported = stand.root.join("volumes/1");
    fs::rename(exported.join("a"), exported.join("elsewhere")).unwrap();
    assert_eq!(stand.mounts_at(&stand.root).len(), 3);
    stand.remove("volumes/1").unwrap();
    assert_eq!(stand.mounts_at(&stand.root), [stand.root.display().to_string()]);
    assert_eq!(fs::read_to_string(stand.host.join("etc/passwd")).unwrap(), "etc/passwd of the host\n");
}

#[test]
fn a_target_opened_before_the_end_can_no_longer_be_mounted_on() {
    let stand = Stand::new();
    let root = crate::root::Root::open_own_mount(&stand.root).unwrap();
    let target = root.make(Path::new("late/rootfs"), crate::root::Kind::Folder).unwrap();
    let tree = crate::tree::Tree::copy(&stand.host, true).unwrap();
    perform(&stand.root, &Step::UnmountAll).unwrap();
    assert!(tree.attach(&target).is_err());
    let place = kernel::descriptor_path(&target);
    assert!(kernel::mount(Path::new("tmpfs"), &place, "tmpfs", 0, "").is_err());
    assert!(stand.mounts_at(&stand.root).is_empty());
    let error = stand.bind(&stand.host, "late/rootfs").unwrap_err();
    assert!(error.0.contains("no longer, a mount of its own"), "{}", error.0);
}

#[test]
fn the_namespace_for_mapped_owners_is_left_and_shows_nothing_outside() {
    let stand = Stand::new();
    let before = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    let stage = crate::staging::Stage::enter(&stand.root).unwrap();
    let inside = stage.with(|stage| {
        stage.place("x")?;
        Ok(fs::read_to_string("/proc/thread-self/mountinfo").unwrap())
    });
    assert_ne!(inside.unwrap(), before);
    assert_eq!(fs::read_to_string("/proc/thread-self/mountinfo").unwrap(), before);
    let failed =
        crate::staging::Stage::enter(&stand.root).unwrap().with(|_| Err::<(), _>(crate::failure::Failure::new("no")));
    assert!(failed.is_err());
    assert_eq!(fs::read_to_string("/proc/thread-self/mountinfo").unwrap(), before);
    assert!(kernel::open(None, Path::new("x"), libc::O_PATH, kernel::Walk::Absolute).is_err());
}
